"""The HTTP that both raw relays write, and what they take of an answer's body. Pure."""

from __future__ import annotations

from urllib.parse import SplitResult

import orjson

from benchmarks.wire.relays.shared import HANDSHAKE, STATELESS, Json

AT_MOST = 256
"""Connections to one server."""
REFUSED = b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n"
ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"


def post(url: SplitResult, *, is_handshake: bool) -> bytes:
    """The head of every request to a server, but for what differs from one to the next."""
    version = HANDSHAKE if is_handshake else STATELESS
    return (
        f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Type: application/json\r\n"
        f"Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: {version}\r\n"
    ).encode()


def named(message: Json) -> bytes:
    """What the head of a request of the stateless era says of it."""
    head = f"Mcp-Method: {message['method']}\r\n"
    if name := message.get("params", {}).get("name"):
        head += f"Mcp-Name: {name}\r\n"
    return head.encode()


def session(name: str) -> bytes:
    """The header that names a session."""
    return b"Mcp-Session-Id: " + name.encode() + b"\r\n"


def whole(head: bytes, message: Json) -> bytes:
    """A request or an answer, of its head and its message."""
    body = orjson.dumps(message)
    return b"%sContent-Length: %d\r\n\r\n%s" % (head, len(body), body)


def ok(message: Json, more: bytes = b"") -> bytes:
    """An answer."""
    return whole(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + more, message)


def message_of(body: bytes, *, is_events: bool) -> Json | None:
    """The message in the body of an answer: plain, or in one event; None where there is none."""
    if is_events:
        body = next(line[5:] for line in body.split(b"\n") if line.startswith(b"data:"))
    found: Json | None = orjson.loads(body) if body else None
    return found
