"""The floor's HTTP: a server and a client of keep-alive connections, over plain asyncio protocols and httptools."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlsplit

import httptools
import orjson

Json = dict[str, Any]
Reply = Callable[[Json], None]
AT_MOST = 256
"""Connections to one server."""
HANDSHAKE, STATELESS = "2025-11-25", "2026-07-28"


class Exchange(asyncio.Protocol):
    """One connection to a server: one request at a time."""

    def __init__(self, back: HttpBack) -> None:
        self._back = back
        self._body: list[bytes] = []
        self._is_events = False
        self.session = b""
        self.reply: Callable[[Json | None], None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready to send."""
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpResponseParser(self)

    def send(self, head: bytes, body: bytes, reply: Callable[[Json | None], None]) -> None:
        """One request."""
        self.reply = reply
        self._transport.write(b"%s%d\r\n\r\n%s" % (head, len(body), body))

    def data_received(self, data: bytes) -> None:
        """Part of a response."""
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        """What we need of the head."""
        if len(name) == 14 and name.lower() == b"mcp-session-id":
            self.session = value
        elif len(name) == 12 and name.lower() == b"content-type":
            self._is_events = value.startswith(b"text/event-stream")

    def on_body(self, body: bytes) -> None:
        """Part of a body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """The answer."""
        body = b"".join(self._body)
        self._body.clear()
        if self._is_events:
            body = next(line[5:] for line in body.split(b"\n") if line.startswith(b"data:"))
        reply = self.reply
        self._back.release(self)
        reply(orjson.loads(body) if body else None)

    def connection_lost(self, _: Exception | None) -> None:
        """It is not to be used again."""
        self._back.lost(self)


class HttpBack:
    """A server behind HTTP."""

    def __init__(self, url: str, opening: Json | None) -> None:
        found = urlsplit(url)
        self._host, self._port = found.hostname or "", found.port or 80
        version = HANDSHAKE if opening else STATELESS
        self._opening = opening
        self._head = (
            f"POST {found.path} HTTP/1.1\r\nHost: {found.netloc}\r\nContent-Type: application/json\r\n"
            f"Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: {version}\r\n"
        ).encode()
        self._idle: list[Exchange] = []
        self._waiting: deque[tuple[bytes, bytes, Callable[[Json | None], None]]] = deque()
        self._count = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Shake hands where the era does."""
        if self._opening is None:
            return
        request = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": self._opening}
        first = await self._ask(request)
        if first.session:
            self._head += b"Mcp-Session-Id: " + first.session + b"\r\n"
        await self._ask({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def _ask(self, message: Json) -> Exchange:
        await self._connect()
        exchange, answered = self._idle.pop(), asyncio.get_running_loop().create_future()
        exchange.send(self._head + b"Content-Length: ", orjson.dumps(message), answered.set_result)
        await answered
        return exchange

    def send(self, message: Json, reply: Reply) -> None:
        """Send a request; the connection tells whose the answer is, the id stays."""
        head = self._head
        if self._opening is None:
            head += b"Mcp-Method: " + message["method"].encode() + b"\r\n"
            if name := message.get("params", {}).get("name"):
                head += b"Mcp-Name: " + name.encode() + b"\r\n"
        request = (head + b"Content-Length: ", orjson.dumps(message), cast("Callable[[Json | None], None]", reply))
        if self._idle:
            self._idle.pop().send(*request)
            return
        self._waiting.append(request)
        if self._count < AT_MOST:
            task = asyncio.get_running_loop().create_task(self._connect())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self) -> None:
        self._count += 1
        loop = asyncio.get_running_loop()
        _, exchange = await loop.create_connection(lambda: Exchange(self), self._host, self._port)
        self.release(exchange)

    def release(self, exchange: Exchange) -> None:
        """A connection is free."""
        if self._waiting:
            exchange.send(*self._waiting.popleft())
        else:
            self._idle.append(exchange)

    def lost(self, exchange: Exchange) -> None:
        """A connection is gone."""
        self._count -= 1
        if exchange in self._idle:
            self._idle.remove(exchange)


class WebFront(asyncio.Protocol):
    """One connection of a client."""

    def __init__(self, handle: Callable[[Json, Reply], None]) -> None:
        self._handle = handle
        self._body: list[bytes] = []
        self._session = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        """Part of a request."""
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """Part of a body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """A request."""
        body = b"".join(self._body)
        self._body.clear()
        if not body:
            self._transport.write(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
            return
        message = orjson.loads(body)
        if "id" not in message:
            self._transport.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
            return
        opens = message["method"] == "initialize"
        self._session = b"Mcp-Session-Id: " + uuid.uuid4().hex.encode() + b"\r\n" if opens else b""
        self._handle(message, self._reply)

    def _reply(self, message: Json) -> None:
        body = orjson.dumps(message)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + self._session
        self._transport.write(b"%sContent-Length: %d\r\n\r\n%s" % (head, len(body), body))


async def serve_web(handle: Callable[[Json, Reply], None], port: int) -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: WebFront(handle), "127.0.0.1", port, backlog=1024)
    await listening.serve_forever()
