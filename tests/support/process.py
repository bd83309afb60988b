"""`magictunnel` as a process of its own: a raw client on its stdin and stdout, and what it leaves behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import ByteReceiveStream, Process

from tests.support.raw import HANDSHAKE, STATELESS, VERSION_KEY, Json, Script, command

PATIENCE = 15.0
"""Seconds that any wait here may take."""
HAS_PROC = Path("/proc/self/environ").exists()
"""Whether processes can be looked up by what stands in their environment."""

_STATELESS_META = {
    VERSION_KEY: STATELESS,
    "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


@dataclass
class Tunnel:
    """One running `magictunnel`, with a client that speaks plain lines of JSON in either era."""

    process: Process
    era: str = "stateless"
    lines: list[str] = field(default_factory=list)
    """All of its stdout, line by line."""
    talk: list[str] = field(default_factory=list)
    """All of its stderr, line by line."""
    _last_id: int = 0

    @property
    def messages(self) -> list[Json]:
        """Every message that came; a line that is none fails the test."""
        return [json.loads(line) for line in self.lines]

    def heard(self, method: str) -> list[Json]:
        """The notifications of that name that came."""
        return [message for message in self.messages if message.get("method") == method]

    async def open(self, era: str = "stateless") -> Json:
        """Open the session as a client of that era does; returns what the server says of itself."""
        self.era = era
        if era == "stateless":
            return (await self.request("server/discover"))["result"]
        about = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
        answer = await self.request("initialize", about)
        await self.send({"method": "notifications/initialized"})
        return answer["result"]

    async def request(self, method: str, params: Json | None = None) -> Json:
        """Send a request and wait for its answer: the whole message, result or error."""
        number = await self.ask(method, params)
        await self.until(lambda: any(message.get("id") == number for message in self.messages))
        return next(message for message in self.messages if message.get("id") == number)

    async def ask(self, method: str, params: Json | None = None) -> int:
        """Send a request and return its id at once."""
        self._last_id += 1
        params = dict(params or {})
        if self.era == "stateless":
            params["_meta"] = _STATELESS_META
        await self.send({"id": self._last_id, "method": method} | ({"params": params} if params else {}))
        return self._last_id

    async def send(self, message: Json) -> None:
        """Write one message."""
        assert self.process.stdin is not None
        await self.process.stdin.send(json.dumps({"jsonrpc": "2.0"} | message).encode() + b"\n")

    async def close_stdin(self) -> None:
        """Hang up, as a host that goes away does."""
        assert self.process.stdin is not None
        await self.process.stdin.aclose()

    async def ended(self) -> int:
        """Wait for its end (and that of all its output); returns its exit code."""
        with anyio.fail_after(PATIENCE):
            return await self.process.wait()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait, boundedly, for something that is to come out of it."""
        with anyio.fail_after(PATIENCE):
            while not condition():
                assert self.process.returncode is None, f"it ended: {self.talk}"
                await anyio.sleep(0.01)

    async def said(self, pattern: str) -> re.Match[str]:
        """Wait until a line of its stderr matches `pattern`."""
        await self.until(lambda: any(re.search(pattern, line) for line in self.talk))
        return next(found for line in self.talk if (found := re.search(pattern, line)))


@asynccontextmanager
async def tunnel(*args: str, env: Mapping[str, str] | None = None) -> AsyncIterator[Tunnel]:
    """`magictunnel ARGS...`, running; it (not what it started) is killed at the end if it still is."""
    process = await anyio.open_process(
        [sys.executable, "-m", "magictunnel", *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **(env or {})},
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    running = Tunnel(process)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_collect, process.stdout, running.lines)
        tasks.start_soon(_collect, process.stderr, running.talk)
        try:
            yield running
        finally:
            with anyio.CancelScope(shield=True):
                await _end(process)
            tasks.cancel_scope.cancel()
            # What it left behind may hold its pipes open: do not wait for their end.
            process._process._transport.close()  # type: ignore[attr-defined]


def over_stdio(config: Path, *args: str, env: Mapping[str, str] | None = None) -> Any:
    """`magictunnel serve --stdio` with that config."""
    return tunnel("serve", "--stdio", "-c", str(config), *args, env=env)


@dataclass(frozen=True)
class Ran:
    """How a command that ends by itself ended."""

    code: int
    out: str
    err: str


async def ran(*args: str, env: Mapping[str, str] | None = None) -> Ran:
    """Run `magictunnel ARGS...` to its end."""
    with anyio.fail_after(PATIENCE):
        done = await anyio.run_process(
            [sys.executable, "-m", "magictunnel", *args], check=False, env={**os.environ, **(env or {})}
        )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


def config_file(folder: Path, servers: Mapping[str, Json], **more: Any) -> Path:
    """A config file with these entries under `mcpServers`."""
    path = folder / "magictunnel.json"
    path.write_text(json.dumps({"mcpServers": servers} | more), encoding="utf-8")
    return path


def entry(script: Script, folder: Path, **more: Any) -> Json:
    """The config entry of a scripted server over stdio."""
    program, *args = command(script, folder)
    return {"command": program, "args": args} | more


def shell(line: str, *args: str, **more: Any) -> Json:
    """The config entry of a server that is a line of shell; `args` are its $1, $2, ..."""
    return {"command": "/bin/sh", "args": ["-c", line, "sh", *args]} | more


def marked(mark: str) -> dict[int, str]:
    """The living processes with `mark` in their environment or command line: pid -> command line."""
    found: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        # It may end while it is looked at; an environment that is not ours to read is none of ours.
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes()
            # Of a dead process that nobody has waited for, both are empty.
            if mark.encode() in words or mark.encode() in (folder / "environ").read_bytes():
                found[int(folder.name)] = words.replace(b"\0", b" ").decode(errors="replace")
    return found


async def gone(mark: str, within: float = 5.0) -> dict[int, str]:
    """Wait until no process with `mark` lives; returns (and kills) those that do after `within` seconds."""
    with anyio.move_on_after(within):
        while marked(mark):
            await anyio.sleep(0.02)
    left = marked(mark)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return left


async def _collect(stream: ByteReceiveStream, lines: list[str]) -> None:
    rest = b""
    with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        async for chunk in stream:
            *complete, rest = (rest + chunk).split(b"\n")
            lines.extend(line.decode() for line in complete)
    if rest:
        lines.append(rest.decode())


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    with anyio.move_on_after(PATIENCE):
        while process.returncode is None:
            await anyio.sleep(0.01)
