"""HTTP responses as they come off a socket -> the messages in them, whether plain JSON or events. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_EVENTS = re.compile(rb"\r\ncontent-type: *text/event-stream", re.IGNORECASE)
_SESSION = re.compile(rb"\r\nmcp-session-id: *([^\r]+)", re.IGNORECASE)
LAST_CHUNK = b"0\r\n\r\n"
_DATA = re.compile(rb"^data: ?(.*?)\r?$", re.MULTILINE)


class BadResponse(Exception):
    """Not what an HTTP server says."""


@dataclass
class Response:
    """One response."""

    status: int
    session: str
    body: bytes
    is_events: bool

    def messages(self) -> list[bytes]:
        """The JSON texts in it."""
        if not self.is_events:
            return [self.body] if self.body.strip() else []
        return [data for data in _DATA.findall(self.body) if data.startswith(b"{")]


@dataclass
class Responses:
    """A reader of one connection: feed it bytes, it gives whole responses."""

    _held: list[bytes] = field(default_factory=list)
    _size: int = 0
    _wanted: int = 0
    """Nothing can be complete before there are so many bytes."""
    _is_chunked: bool = False
    """Nothing can be complete before its last chunk."""

    def feed(self, data: bytes) -> Response | None:
        """The response that is complete with this data, if one is. There is never more than one under way."""
        self._held.append(data)
        self._size += len(data)
        if self._size < self._wanted or (self._is_chunked and not self._at_last_chunk()):
            return None
        held = b"".join(self._held)
        if (found := self._parse(held)) is None:
            self._held = [held]
            return None
        self._forget()
        return found

    def ended(self) -> Response | None:
        """What there is when the server hung up: a body without a length ends so."""
        held = b"".join(self._held)
        self._forget()
        top, split, body = held.partition(b"\r\n\r\n")
        return _response(top, body) if split else None

    def _forget(self) -> None:
        self._held, self._size, self._wanted, self._is_chunked = [], 0, 0, False

    def _at_last_chunk(self) -> bool:
        return (
            b"".join(self._held[-5:])[-5:] == LAST_CHUNK
            if len(self._held[-1]) < 5
            else self._held[-1].endswith(LAST_CHUNK)
        )

    def _parse(self, held: bytes) -> Response | None:
        end = held.find(b"\r\n\r\n")
        if end < 0:
            return None
        top = held[:end]
        if found := _LENGTH.search(top):
            self._wanted = end + 4 + int(found[1])
            return _response(top, held[end + 4 :]) if len(held) >= self._wanted else None
        if _CHUNKED.search(top):
            self._is_chunked = True
            body = _dechunked(held, end + 4)
            return None if body is None else _response(top, body)
        return _response(top, b"") if top[9:12] in (b"202", b"204") else None


def _response(top: bytes, body: bytes) -> Response:
    if not top.startswith(b"HTTP/1.1 "):
        raise BadResponse(repr(top[:80]))
    session = _SESSION.search(top)
    return Response(int(top[9:12]), session[1].decode() if session else "", body, bool(_EVENTS.search(top)))


def _dechunked(held: bytes, at: int) -> bytes | None:
    """A chunked body, None while it is not complete."""
    if not held.endswith(LAST_CHUNK):
        return None
    parts: list[bytes] = []
    while (end := held.find(b"\r\n", at)) >= 0:
        size = int(held[at:end].split(b";")[0], 16)
        if not size:
            return b"".join(parts) if len(held) >= end + 4 else None
        parts.append(held[end + 2 : end + 2 + size])
        at = end + 4 + size
    return None
