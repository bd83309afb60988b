"""The ground of a run: a folder, a config, and the servers that are not the gateway's to start."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from tests.chaos.clients import started
from tests.chaos.judge import Figures
from tests.chaos.plan import GUEST, SERVERS, TIMEOUT, Server
from tests.chaos.server import Json

PROGRAM = str(Path(__file__).with_name("server.py"))
SESSION_IDLE = 6.0
"""Seconds after which the gateway ends the session of a client that has gone without a word."""
_PATIENCE = 20.0


@dataclass
class World:
    """Where a run takes place. Every process of it has `folder` in its command line."""

    folder: Path
    servers: tuple[Server, ...] = SERVERS
    ports: dict[str, int] = field(default_factory=dict)
    rests: dict[str, float] = field(default_factory=dict)
    """Seconds for which a server of ours stays down when it ends the next time."""
    removed: frozenset[str] = frozenset()
    """Servers that are not in the config just now."""
    guests: bool = False
    generation: int = 0
    closing: bool = False

    def __post_init__(self) -> None:
        self.ports = {server.name: free_port() for server in self.servers if server.is_ours}
        self.ports["gateway"] = free_port()

    @property
    def config(self) -> Path:
        """The file that the gateway serves."""
        return self.folder / "magictunnel.json"

    @property
    def env(self) -> dict[str, str]:
        """What the gateway's environment has besides ours."""
        return {"MAGICTUNNEL_STORE": str(self.folder / "store.db")}

    def home(self, name: str) -> Path:
        """The folder of one server."""
        return self.folder / "servers" / name

    def text(self) -> str:
        """The config as it should be now."""
        servers = [server for server in self.servers if server.name not in self.removed]
        entries = {server.name: self._entry(server) for server in servers}
        if self.guests:
            entries[GUEST] = self._entry(Server(GUEST))
        defaults = {"timeout": f"{TIMEOUT:g}s", "grace": "2m", "heartbeat": "3s"}
        settings = {"session_idle_timeout": f"{SESSION_IDLE:g}s", "defaults": defaults}
        return json.dumps({"mcpServers": entries} | settings, indent=2)

    def _entry(self, server: Server) -> Json:
        if server.is_ours:
            return {"type": "http", "url": f"http://127.0.0.1:{self.ports[server.name]}/mcp"} | server.settings
        program, *args = self.command(server)
        args += ["--generation", str(self.generation_of(server))]
        if server.launched:
            url = "http://127.0.0.1:${MAGICTUNNEL_PORT}/mcp"
            args += ["--port", "${MAGICTUNNEL_PORT}"]
            return {"type": "http", "command": program, "args": args, "url": url} | server.settings
        if server.wrapped:
            program, args = "/bin/sh", ["-c", 'exec 3<&0; "$@" <&3 & wait', "sh", program, *args]
        return {"command": program, "args": args} | server.settings

    def generation_of(self, server: Server) -> int:
        """What a server's tools say of themselves, as the config has it."""
        return self.generation if "alter" in server.faults else 0

    def command(self, server: Server) -> list[str]:
        """What starts a server."""
        return [sys.executable, "-S", "-E", PROGRAM, str(self.home(server.name)), "--era", server.era]

    def pids(self, name: str) -> list[int]:
        """The living processes of a server."""
        found = [int(path.name) for path in (self.home(name) / "pids").glob("*")]
        return sorted(pid for pid in found if PROGRAM.encode() in command_line(pid))

    def executed(self, journal: str) -> Counter[str]:
        """How often each call stands in the journals of that name."""
        return Counter(
            call for path in self.folder.glob(f"servers/*/{journal}") for call in path.read_text().split("\n") if call
        )

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[None]:
        """Our own servers, for as long as the block lasts; one that ends is started again."""
        self.config.write_text(self.text(), encoding="utf-8")
        async with anyio.create_task_group() as tasks:
            for server in self.servers:
                if server.is_ours:
                    tasks.start_soon(self._keep, server)
            try:
                for name in (server.name for server in self.servers if server.is_ours):
                    await accepting(self.ports[name])
                yield
            finally:
                self.closing = True
                tasks.cancel_scope.cancel()

    async def _keep(self, server: Server) -> None:
        command = [*self.command(server), "--port", str(self.ports[server.name])]
        while not self.closing:
            async with started(command, self.folder / f"{server.name}.log", {}) as process:
                await process.wait()
            await anyio.sleep(self.rests.pop(server.name, 0.0))


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def accepting(port: int, log: Path | None = None) -> None:
    """Wait until somebody listens there.

    Raises:
        RuntimeError: nobody does; with the end of the log of who should.
    """
    with anyio.move_on_after(_PATIENCE):
        while True:
            with contextlib.suppress(OSError):
                async with await anyio.connect_tcp("127.0.0.1", port):
                    return
            await anyio.sleep(0.02)
    raise RuntimeError(f"nobody listens on port {port}: {end_of(log)}")


def end_of(log: Path | None) -> str:
    """The last that a process said."""
    return log.read_text(errors="replace")[-500:] if log and log.exists() else ""


def command_line(pid: int) -> bytes:
    """The command line of a process; empty if it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def parent(pid: int) -> int:
    """Who started a process; 0 if it has ended."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def family(pid: int) -> list[int]:
    """The descendants of a process."""
    parents = {int(path.name): parent(int(path.name)) for path in Path("/proc").glob("[0-9]*")}
    found = {pid}
    while more := {child for child, its in parents.items() if its in found} - found:
        found |= more
    return sorted(found - {pid})


def named(pids: Iterable[int]) -> Counter[str]:
    """Of which servers these processes are, and how many of each."""
    lines = (command_line(pid).decode(errors="replace") for pid in pids)
    return Counter(found[1] if (found := re.search(r"/servers/([\w-]+)", line)) else line for line in lines)


def figures(pid: int) -> Figures:
    """What a process has now."""
    status = Path(f"/proc/{pid}/status").read_text()
    threads = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("Threads:"))
    return Figures(len(family(pid)), threads, len(os.listdir(f"/proc/{pid}/fd")))


def send(pid: int, number: signal.Signals) -> None:
    """Signal a process that may have ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
