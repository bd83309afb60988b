"""Ways to a server for a load client: the pipes of a process, or keep-alive connections. Blocking, bounded, lean."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks.wire.messages import Era, head
from benchmarks.wire.responses import BadResponse, Response, Responses

CHUNK = 1 << 20
IDLE = 2.0
"""Seconds without a request after which a connection is not trusted: many servers hang up after five."""


class Gone(Exception):
    """The server hung up."""


class Lane(Protocol):
    """One way to a server."""

    @property
    def capacity(self) -> int:
        """How many requests may be under way on it at once."""
        ...

    def fileno(self) -> int:
        """What becomes readable when an answer comes."""
        ...

    def send(self, requests: list[bytes]) -> None:
        """Send what is not more than its capacity."""
        ...

    def read(self) -> list[bytes]:
        """The messages that are complete now, once it is readable. Raises Gone."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...


@dataclass
class PipeLane:
    """The stdin and stdout of a process: any number of requests at once, told apart by their ids."""

    process: subprocess.Popen[bytes]
    capacity: int = 1 << 30
    _held: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self._in, self._out = self.process.stdin.fileno(), self.process.stdout.fileno()

    def fileno(self) -> int:
        return self._out

    def send(self, requests: list[bytes]) -> None:
        view = memoryview(b"\n".join([*requests, b""]))
        while view:
            try:
                view = view[os.write(self._in, view) :]
            except BrokenPipeError:
                raise Gone from None

    def read(self) -> list[bytes]:
        chunk = os.read(self._out, CHUNK)
        if not chunk:
            raise Gone
        self._held.append(chunk)
        if b"\n" not in chunk:
            return []
        *lines, rest = b"".join(self._held).split(b"\n")
        self._held = [rest]
        return [line for line in lines if line.strip()]

    def close(self) -> None:
        with suppress(OSError):
            if self.process.stdin:
                self.process.stdin.close()


@dataclass
class HttpLane:
    """One keep-alive connection: one request at a time."""

    port: int
    path: str
    era: Era
    session: str = ""
    method: str = "tools/call"
    name: str = ""
    """What the headers name besides; a lane sends requests of one kind."""
    extra: tuple[str, ...] = ()
    capacity: int = 1
    status: int = 0
    """Of the last response."""

    def __post_init__(self) -> None:
        self._responses = Responses()
        self._connect()

    def _connect(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self.port), 20)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._used = time.monotonic()

    def about(self, method: str, name: str, session: str) -> None:
        """What the requests from now on are. A connection that a server may be about to close is made anew."""
        if time.monotonic() - self._used > IDLE:
            self.close()
            self._connect()
        self.method, self.name, self.session = method, name, session
        self._head = head(f"127.0.0.1:{self.port}", self.path, self.era, method, name, session)
        if self.extra:
            top, split, rest = self._head.rpartition(b"Content-Length: ")
            self._head = top + "".join(f"{line}\r\n" for line in self.extra).encode() + split + rest

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, requests: list[bytes]) -> None:
        (body,) = requests
        self._used = time.monotonic()
        whole = b"%s%d\r\n\r\n%s" % (self._head, len(body), body)
        try:
            self._socket.sendall(whole)
        except (BrokenPipeError, ConnectionResetError):
            self.close()
            self._connect()
            self._socket.sendall(whole)

    def read(self) -> list[bytes]:
        try:
            data = self._socket.recv(CHUNK)
        except ConnectionResetError:
            raise Gone from None
        response = self._responses.feed(data) if data else self._responses.ended()
        if not data:
            self.close()
            self._connect()
            if response is None:
                raise Gone
        if response is None:
            return []
        self.session, self.status = response.session or self.session, response.status
        return self._messages(response)

    def _messages(self, response: Response) -> list[bytes]:
        found = response.messages()
        if not found and response.status not in (200, 202, 204):
            raise BadResponse(f"status {response.status}: {response.body[:200]!r}")
        return found

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def readable(poll: select.poll, seconds: float) -> list[int]:
    """File descriptors with something to read. Raises TimeoutError."""
    if not (found := poll.poll(seconds * 1000)):
        raise TimeoutError(f"no answer within {seconds:g} s")
    return [number for number, _ in found]
