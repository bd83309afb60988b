"""Raw clients: over HTTP in either era, and as a host over stdio. They add little to what they measure."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import anyio
from anyio.abc import Process

from tests.chaos.server import HANDSHAKE, STATELESS, VERSION_KEY, Json

ROOT = Path(__file__).resolve().parents[2]
ABOUT = {"name": "chaos", "version": "1"}
ENVELOPE = {
    VERSION_KEY: STATELESS,
    "io.modelcontextprotocol/clientInfo": ABOUT,
    "io.modelcontextprotocol/clientCapabilities": {},
}
INITIALIZE = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": ABOUT}
_COMES_BACK = 0.5
"""Seconds until a client comes back whose stream was closed."""
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


class Client(Protocol):
    """What makes calls. A failure that is no answer is an OSError, EOFError, ValueError or TimeoutError."""

    async def open(self) -> None:
        """Begin a session, or a connection."""

    async def request(self, method: str, params: Json) -> Json:
        """The whole JSON-RPC answer."""

    async def close(self, *, politely: bool = True) -> None:
        """End it; without manners, nobody is told."""


class Web:
    """A client of `/mcp`, one request at a time on a connection that is kept."""

    def __init__(self, port: int, era: str) -> None:
        self.port, self.is_stateless = port, era == "stateless"
        self.session = ""
        self._ids = 0
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def open(self) -> None:
        """See `Client.open`."""
        if self.is_stateless:
            await self.request("server/discover", {})
        else:
            await self.request("initialize", INITIALIZE)
            await self._post(INITIALIZED)

    async def request(self, method: str, params: Json) -> Json:
        """See `Client.request`."""
        self._ids += 1
        number = self._ids
        if self.is_stateless:
            params = params | {"_meta": ENVELOPE}
        body = await self._post({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        answer = answer_in(body, number)
        while answer is None:
            answer = await self._taken_up(body, number)
        return answer

    async def _taken_up(self, body: bytes, number: int) -> Json | None:
        """Come back for an answer whose stream was closed before it came."""
        last = re.findall(rb"^id: *(\S+)", body, re.MULTILINE)
        if not last or self.is_stateless:
            raise ValueError(f"no answer in {body[:80]!r}")
        await anyio.sleep(_COMES_BACK)
        body = await self._exchange("GET", b"", self._session() | {"last-event-id": last[-1].decode()}, number)
        return answer_in(body, number)

    async def close(self, *, politely: bool = True) -> None:
        """See `Client.close`."""
        if politely and self.session:
            with contextlib.suppress(OSError, EOFError, ValueError):
                await self._exchange("DELETE", b"", self._session())
        self.session = ""
        self._drop()

    async def _post(self, message: Json) -> bytes:
        headers = self._session()
        if self.is_stateless:
            headers |= {"mcp-protocol-version": STATELESS, "mcp-method": message["method"]}
            headers |= {"mcp-name": message["params"]["name"]} if message["method"] == "tools/call" else {}
        return await self._exchange("POST", json.dumps(message).encode(), headers)

    def _session(self) -> dict[str, str]:
        return {"mcp-session-id": self.session, "mcp-protocol-version": HANDSHAKE} if self.session else {}

    async def _exchange(self, method: str, body: bytes, headers: Mapping[str, str], awaited: int = 0) -> bytes:
        """One request; the body of its answer, to its end or to the answer that is awaited."""
        told = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = (
            f"{method} /mcp HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\ncontent-type: application/json\r\n"
            f"accept: application/json, text/event-stream\r\ncontent-length: {len(body)}\r\n{told}\r\n"
        )
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
            reader, writer = self._streams
            writer.write(head.encode() + body)
            status, found = await head_of(reader)
            self.session = found.get("mcp-session-id", self.session)
            answer = await body_of(reader, found, awaited)
        except BaseException:  # what is left on this connection belongs to nobody
            self._drop()
            raise
        if awaited or found.get("connection") == "close":
            self._drop()
        if status >= 400 and not answer.startswith(b"{"):
            raise ValueError(f"HTTP {status}: {answer[:80]!r}")
        return answer

    def _drop(self) -> None:
        if self._streams:
            self._streams[1].close()
        self._streams = None


async def head_of(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Status and headers of a response."""
    status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    return int(status.split(" ")[1]), {name.lower(): value.strip() for name, _, value in pairs}


async def body_of(reader: asyncio.StreamReader, headers: Mapping[str, str], awaited: int = 0) -> bytes:
    """The body of a response: to its end, or until the answer of that number is in it."""
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers.get("content-length", 0)))
    found = b""
    while size := int(await reader.readline(), 16):
        found += await reader.readexactly(size)
        await reader.readline()
        if awaited and answer_in(found, awaited):
            return found
    await reader.readline()
    return found


def answer_in(body: bytes, number: int) -> Json | None:
    """The answer of that number, in a body of JSON or of events; None if it is not there (yet)."""
    if body.startswith(b"{"):
        return dict(json.loads(body))
    for line in body.split(b"\n"):
        if line.startswith(b"data: {"):
            message = json.loads(line[6:])
            if message.get("id") == number:
                return dict(message)
    return None


class Host:
    """A host that has started `serve --stdio`, and speaks to it as in the handshake era."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._ids = 0
        self._waiting: dict[int, asyncio.Future[Json]] = {}

    async def open(self) -> None:
        """See `Client.open`."""
        await self.request("initialize", INITIALIZE)
        await self._write(INITIALIZED)

    async def request(self, method: str, params: Json) -> Json:
        """See `Client.request`."""
        self._ids += 1
        number = self._ids
        self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            await self._write({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
            return await self._waiting[number]
        finally:
            del self._waiting[number]

    async def close(self, *, politely: bool = True) -> None:
        """See `Client.close`: hang up, or be gone without a word."""
        assert self.process.stdin is not None
        if not politely:
            self.process.send_signal(signal.SIGKILL)
        with contextlib.suppress(OSError, anyio.BrokenResourceError):
            await self.process.stdin.aclose()
        await self.process.wait()

    async def _write(self, message: Json) -> None:
        assert self.process.stdin is not None
        try:
            await self.process.stdin.send(json.dumps(message).encode() + b"\n")
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise OSError("the host's server has ended") from error

    async def read(self) -> None:
        """Take answers, until there are no more."""
        assert self.process.stdout is not None
        rest = b""
        async for chunk in self.process.stdout:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                message = json.loads(line)
                waiting = self._waiting.get(message.get("id"))
                if waiting and not waiting.done() and "method" not in message:
                    waiting.set_result(message)
        for waiting in self._waiting.values():
            waiting.set_exception(EOFError("the host's server has ended"))


def serving(config: Path, *more: str) -> list[str]:
    """The command that serves `config`."""
    return [sys.executable, "-m", "magictunnel", "serve", "-c", str(config), *more]


@asynccontextmanager
async def started(command: list[str], log: Path, env: Mapping[str, str], **pipes: Any) -> AsyncIterator[Process]:
    """A process whose stderr goes to `log`; killed at the end, if it still is."""
    with log.open("ab") as talk:
        settings: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": talk, "stderr": talk} | pipes
        process = await anyio.open_process(
            command, cwd=ROOT, env={**os.environ, **env}, start_new_session=True, **settings
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        with anyio.CancelScope(shield=True), anyio.move_on_after(5):
            await process.wait()


@asynccontextmanager
async def host(config: Path, log: Path, env: Mapping[str, str]) -> AsyncIterator[Host]:
    """A host with a `serve --stdio` of its own."""
    command = serving(config, "--stdio")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    async with started(command, log, env, **pipes) as process, anyio.create_task_group() as tasks:
        client = Host(process)
        tasks.start_soon(client.read)
        try:
            yield client
        finally:
            tasks.cancel_scope.cancel()
