"""The older HTTP transport for a load client: one stream of events for all answers, and a POST for each request."""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass, field

from benchmarks.wire.lanes import CHUNK, IDLE, Gone

_END = re.compile(rb"\r?\n\r?\n")
PATIENCE = 20.0


@dataclass
class Chunks:
    """Chunked bytes -> what is in them, as it comes."""

    _held: list[bytes] = field(default_factory=list)
    _size: int = 0
    _wanted: int = 0
    """Nothing more is complete before there are so many bytes."""

    def feed(self, data: bytes) -> bytes:
        """What is complete now."""
        self._held.append(data)
        self._size += len(data)
        if self._size < self._wanted:
            return b""
        held, parts, at = b"".join(self._held), [], 0
        self._wanted = 0
        while (end := held.find(b"\r\n", at)) >= 0:
            size = int(held[at:end].split(b";")[0], 16)
            if len(held) < end + 4 + size:
                self._wanted = end + 4 + size - at
                break
            parts.append(held[end + 2 : end + 2 + size])
            at = end + 4 + size
        self._held, self._size = [held[at:]], len(held) - at
        return b"".join(parts)


@dataclass
class Events:
    """Bytes of a stream -> the data of its whole events."""

    _held: list[bytes] = field(default_factory=list)

    def feed(self, data: bytes) -> list[bytes]:
        """The data of events that are complete now."""
        end = self._held[-1][-3:] if self._held else b""
        self._held.append(data)
        if not _END.search(end + data):
            return []
        *whole, rest = _END.split(b"".join(self._held))
        self._held = [rest] if rest else []
        lines = (line for event in whole for line in event.split(b"\n"))
        return [line[5:].strip() for line in lines if line.startswith(b"data:")]


@dataclass
class EventsLane:
    """A stream and a way to post: any number of requests at once, told apart by their ids."""

    port: int
    path: str
    capacity: int = 1 << 30
    _chunks: Chunks = field(default_factory=Chunks)
    _events: Events = field(default_factory=Events)

    def __post_init__(self) -> None:
        self._stream = self._connected()
        self._post = self._connected()
        self._used = time.monotonic()
        accept = "Accept: text/event-stream"
        self._stream.sendall(f"GET {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n{accept}\r\n\r\n".encode())
        self._endpoint = self._opened().decode()

    def _connected(self) -> socket.socket:
        found = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return found

    def _opened(self) -> bytes:
        """The place to post to, which is the first event."""
        held = b""
        while b"\r\n\r\n" not in held:
            held += self._received()
        found = self._fed(held.partition(b"\r\n\r\n")[2])
        while not found:
            found = self._fed(self._received())
        return found[0]

    def _received(self) -> bytes:
        try:
            data = self._stream.recv(CHUNK)
        except ConnectionResetError:
            raise Gone from None
        if not data:
            raise Gone
        return data

    def _fed(self, data: bytes) -> list[bytes]:
        return self._events.feed(self._chunks.feed(data))

    def fileno(self) -> int:
        """What becomes readable when an answer comes."""
        return self._stream.fileno()

    def send(self, requests: list[bytes]) -> None:
        """Post each; what the posts themselves are answered with says nothing."""
        if time.monotonic() - self._used > IDLE:
            self._post.close()
            self._post = self._connected()
        self._used = time.monotonic()
        top = f"POST {self._endpoint} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Type: application/json\r\n"
        self._post.sendall(b"".join(b"%sContent-Length: %d\r\n\r\n%s" % (top.encode(), len(r), r) for r in requests))
        self._drain()

    def _drain(self) -> None:
        self._post.setblocking(False)
        try:
            while self._post.recv(CHUNK):
                pass
        except BlockingIOError:
            pass
        finally:
            self._post.settimeout(PATIENCE)

    def read(self) -> list[bytes]:
        """The messages that are complete now, once it is readable."""
        return [data for data in self._fed(self._received()) if data.startswith(b"{")]

    def close(self) -> None:
        """Hang up."""
        self._stream.close()
        self._post.close()
