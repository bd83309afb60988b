"""The floor's HTTP: keep-alive connections on both sides, over asyncio's streams."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import orjson

from benchmarks.wire.relays.heads import ACCEPTED, AT_MOST, REFUSED, message_of, named, ok, post, session, whole
from benchmarks.wire.relays.shared import INITIALIZED, Json, request

LIMIT = 1 << 20
"""Bytes that a stream holds before it stops reading: large bodies then take fewer turns."""
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def read(reader: asyncio.StreamReader) -> tuple[dict[str, str], bytes]:
    """The headers and the body of a request or an answer. Raises IncompleteReadError when the peer hangs up."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    headers = {}
    for one in head.split("\r\n")[1:-2]:
        name, _, value = one.partition(":")
        headers[name.lower()] = value.strip()
    return headers, await reader.readexactly(int(headers.get("content-length", 0)))


class HttpBack:
    """A server behind HTTP."""

    def __init__(self, url: str, opening: Json | None) -> None:
        self._url, self._opening = urlsplit(url), opening
        self._head = post(self._url, is_handshake=opening is not None)
        self._idle: list[Connection] = []
        self._free = asyncio.Semaphore(AT_MOST)

    async def open(self) -> None:
        """Shake hands where the era does."""
        if self._opening is None:
            return
        headers, _ = await self._exchange(self._head, request("initialize", self._opening))
        if name := headers.get("mcp-session-id"):
            self._head += session(name)
        await self._exchange(self._head, INITIALIZED)

    async def ask(self, message: Json) -> Json:
        """The answer to a request; the connection tells whose it is, the id stays."""
        head = self._head if self._opening else self._head + named(message)
        headers, body = await self._exchange(head, message)
        found = message_of(body, is_events=headers.get("content-type", "").startswith("text/event-stream"))
        assert found is not None
        return found

    async def _exchange(self, head: bytes, message: Json) -> tuple[dict[str, str], bytes]:
        async with self._free:
            connection = reader, writer = await self._connection()
            writer.write(whole(head, message))
            await writer.drain()
            found = await read(reader)
            self._idle.append(connection)
            return found

    async def _connection(self) -> Connection:
        """One that is idle and alive, or else a new one."""
        while self._idle:
            connection = self._idle.pop()
            if not connection[0].at_eof():
                return connection
            connection[1].close()
        return await asyncio.open_connection(self._url.hostname, self._url.port, limit=LIMIT)


async def serve_web(handle: Callable[[Json], Awaitable[Json]], port: int) -> None:
    """Serve until killed; each connection is a task, which has one request at a time."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                _, body = await read(reader)
                writer.write(await answered(body, handle))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", port, limit=LIMIT, backlog=1024)
    await listening.serve_forever()


async def answered(body: bytes, handle: Callable[[Json], Awaitable[Json]]) -> bytes:
    """The whole answer to one request."""
    if not body:
        return REFUSED
    message = orjson.loads(body)
    if "id" not in message:
        return ACCEPTED
    opened = session(uuid.uuid4().hex) if message["method"] == "initialize" else b""
    return ok(await handle(message), opened)
