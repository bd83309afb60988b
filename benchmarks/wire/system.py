"""One target that runs, with its servers behind and a client in front."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.wire import procs
from benchmarks.wire.lanes import Gone
from benchmarks.wire.load import Client
from benchmarks.wire.messages import Calls, WrongAnswer
from benchmarks.wire.place import BACKEND, HTTP, ROOT, STDIO, Behind, Launch, Pair, Place, behind
from benchmarks.wire.responses import BadResponse
from benchmarks.wire.targets import DIRECT, Target

STARTING = 90.0
"""Seconds until a target has to list everything."""
MISHAPS = (OSError, EOFError, ValueError, TimeoutError, WrongAnswer, BadResponse, Gone)
"""How a target fails."""


class NotApplicable(Exception):
    """A target does not do this."""


class NotRunning(Exception):
    """A target does not come up."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def backends(pair: Pair, count: int, tools: int, *, is_instant: bool = False, is_sse: bool = False) -> list[Behind]:
    """So many servers, named as tools are not."""
    ports = [free_port() if pair.back == HTTP else 0 for _ in range(count)]
    return [behind(f"srv{at}", tools, port, is_instant=is_instant, is_sse=is_sse) for at, port in enumerate(ports)]


class System:
    """A target that was started; `with` ends it, and all it started."""

    def __init__(self, target: Target, pair: Pair, folder: Path, servers: list[Behind], store: str = "off") -> None:
        self.target, self.pair = target, pair
        self.resting = 0
        """Bytes of the gateway alone before it saw anything large; 0: not looked at yet."""
        self._servers = servers
        self._place = Place(pair, folder, free_port() if pair.front == HTTP else 0, tuple(servers), store)
        self._stack = ExitStack()
        self._log = folder / "log.txt"
        self.process: subprocess.Popen[bytes]
        self.client: Client
        if target.needs and not target.needs.is_installed:
            raise NotRunning("not installed")
        found = target.launch(self._place)
        if found is None:
            raise NotApplicable
        self._launch: Launch = found

    def calls(self, size: int = 0, alias: str = "srv0") -> Calls:
        """Calls of one of its tools."""
        return Calls(self.target.tool(alias, "tool7", len(self._servers)), self.pair.era, size)

    def __enter__(self) -> Self:
        try:
            self._start_servers()
            self.start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def _start_servers(self) -> None:
        """Those that listen; those behind pipes are started by the gateway."""
        if self.target.name == DIRECT:
            return
        for one in self._servers:
            if one.port:
                process = self._popen(list(one.words), {})
                if not connected(one.port, process):
                    raise NotRunning("a backend does not listen")

    def start(self) -> None:
        """The process; others may be started before it is ready."""
        self.began = time.perf_counter()
        self.process = self._popen(self._launch.words, self._launch.env, has_pipes=self.pair.front == STDIO)

    def _meet(self) -> None:
        """A client for it, once it is there to be spoken to."""
        path, process = self._launch.path, None
        headers: tuple[str, ...] = ()
        if self.pair.front == STDIO:
            process = self.process
        elif not connected(self._place.port, self.process):
            raise NotRunning(f"it does not listen | {self.last_words()}")
        if self._launch.prepare:
            path, headers = self._launch.prepare()
        self.client = Client(self.pair.era, process, self._place.port, path, headers, self._launch.is_older)
        self._stack.callback(self.client.close)

    def ready(self, expected: int) -> None:
        """Wait until it has shaken hands and lists so many tools. Raises NotRunning."""
        deadline, last = time.monotonic() + STARTING, ""
        self._meet()
        is_open = False
        while time.monotonic() < deadline:
            try:
                if not is_open:
                    self.client.open()
                    is_open = True
                found = len(self.client.tools()) if expected else self._answered()
                if found >= expected:
                    return
                last = f"lists {found} of {expected} tools"
            except MISHAPS as error:
                last = f"{type(error).__name__}: {error}"
                if self.process.poll() is not None:
                    break
            time.sleep(0.01)
        raise NotRunning(f"{last} | {self.last_words()}")

    def _answered(self) -> int:
        """Any answer will do where there is nothing to list."""
        self.client.request("tools/list", {})
        return 0

    def last_words(self) -> str:
        """The end of what it wrote to stderr."""
        with suppress(OSError):
            return self._log.read_text(encoding="utf-8", errors="replace")[-300:]
        return ""

    def pids(self) -> list[int]:
        """The gateway's process and all it started."""
        return procs.tree(self.process.pid)

    def own_pids(self) -> list[int]:
        """The same without the servers behind it."""
        return [pid for pid in self.pids() if not procs.runs(pid, BACKEND.name)] or self.pids()

    def memory(self, key: str = "VmRSS") -> int:
        """Bytes of the gateway, without the servers behind it; see `procs.memory`. Raises NotRunning."""
        found = procs.memory(self.own_pids(), key)
        if not found or self.process.poll() is not None:  # what is read of one that has gone is nothing
            raise NotRunning(f"it has ended | {self.last_words()}")
        return found

    def _popen(self, words: list[str], env: dict[str, str], *, has_pipes: bool = False) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE if has_pipes else subprocess.DEVNULL
        whole = os.environ | {"PYTHONPATH": str(ROOT)} | env
        with self._log.open("ab") as log:
            process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=log, env=whole, start_new_session=True)
        self._stack.callback(_end, process)
        return process


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process that we started, with all in its tree."""
    below = {pid: procs.born(pid) for pid in procs.tree(process.pid)}
    if process.stdin:
        with suppress(OSError):
            process.stdin.close()
    else:
        process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)
    if process.stdout:
        process.stdout.close()
    for pid, born in below.items():
        if born and procs.born(pid) == born:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def connected(port: int, process: subprocess.Popen[bytes] | None = None) -> bool:
    """Wait until somebody listens there; whether somebody does."""
    deadline = time.monotonic() + STARTING
    while time.monotonic() < deadline and (process is None or process.poll() is None):
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
        except OSError:
            time.sleep(0.02)
        else:
            return True
    return False
