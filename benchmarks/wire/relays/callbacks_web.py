"""The leanest relay's HTTP: keep-alive connections on both sides, over plain asyncio protocols and httptools."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

import httptools
import orjson

from benchmarks.wire.relays.heads import ACCEPTED, AT_MOST, REFUSED, message_of, named, ok, post, session, whole
from benchmarks.wire.relays.shared import INITIALIZED, Json, request

Reply = Callable[[Json], None]
Answered = Callable[[Json | None], None]


class Exchange(asyncio.Protocol):
    """One connection to a server: one request at a time."""

    def __init__(self, back: HttpBack) -> None:
        self._back = back
        self._body: list[bytes] = []
        self._is_events = False
        self.session = ""
        self.reply: Answered

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready to send."""
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpResponseParser(self)

    def send(self, head: bytes, message: Json, reply: Answered) -> None:
        """One request."""
        self.reply = reply
        self._transport.write(whole(head, message))

    def data_received(self, data: bytes) -> None:
        """Part of a response."""
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        """What we need of the head."""
        if len(name) == 14 and name.lower() == b"mcp-session-id":
            self.session = value.decode()
        elif len(name) == 12 and name.lower() == b"content-type":
            self._is_events = value.startswith(b"text/event-stream")

    def on_body(self, body: bytes) -> None:
        """Part of a body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """The answer."""
        body = b"".join(self._body)
        self._body.clear()
        reply = self.reply
        self._back.release(self)
        reply(message_of(body, is_events=self._is_events))

    def connection_lost(self, _: Exception | None) -> None:
        """It is not to be used again."""
        self._back.lost(self)


class HttpBack:
    """A server behind HTTP."""

    def __init__(self, url: str, opening: Json | None) -> None:
        found = urlsplit(url)
        self._host, self._port = found.hostname or "", found.port or 80
        self._opening = opening
        self._head = post(found, is_handshake=opening is not None)
        self._idle: list[Exchange] = []
        self._waiting: deque[tuple[bytes, Json, Answered]] = deque()
        self._count = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Shake hands where the era does."""
        if self._opening is None:
            return
        first = await self._ask(request("initialize", self._opening))
        if first.session:
            self._head += session(first.session)
        await self._ask(INITIALIZED)

    async def _ask(self, message: Json) -> Exchange:
        await self._connect()
        exchange, answered = self._idle.pop(), asyncio.get_running_loop().create_future()
        exchange.send(self._head, message, answered.set_result)
        await answered
        return exchange

    def send(self, message: Json, reply: Reply) -> None:
        """Send a request; the connection tells whose the answer is, the id stays."""
        head = self._head if self._opening else self._head + named(message)
        asked = (head, message, cast("Answered", reply))
        if self._idle:
            self._idle.pop().send(*asked)
            return
        self._waiting.append(asked)
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
            self._transport.write(REFUSED)
            return
        message = orjson.loads(body)
        if "id" not in message:
            self._transport.write(ACCEPTED)
            return
        opens = message["method"] == "initialize"
        self._session = session(uuid.uuid4().hex) if opens else b""
        self._handle(message, self._reply)

    def _reply(self, message: Json) -> None:
        self._transport.write(ok(message, self._session))


async def serve_web(handle: Callable[[Json, Reply], None], port: int) -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: WebFront(handle), "127.0.0.1", port, backlog=1024)
    await listening.serve_forever()
