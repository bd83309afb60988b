"""A server of HTTP/1.1 that does to the byte what a test wants, and keeps what it was sent."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Asked:
    """One request, and the way to answer it."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def gone(self) -> None:
        """Wait until its sender has hung up."""
        await self.reader.read()

    @property
    def message(self) -> dict[str, Any]:
        return json.loads(self.body) if self.body else {}

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, status: int = 200, body: bytes = b"", **headers: str) -> None:
        """A whole response."""
        told = headers | {"content_length": str(len(body))}
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in told.items())
        await self.send(f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + body)

    async def json(self, value: Any, status: int = 200, **headers: str) -> None:
        await self.answer(status, json.dumps(value).encode(), content_type="application/json", **headers)

    async def result(self, result: Any = None, **headers: str) -> None:
        """A result, as JSON."""
        await self.json({"jsonrpc": "2.0", "id": self.message["id"], "result": result or {}}, **headers)

    async def stream(self, **headers: str) -> None:
        """The head of a stream of events."""
        told = {"content-type": "text/event-stream", "transfer-encoding": "chunked"} | headers
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in told.items())
        await self.send(f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode())

    async def event(self, message: Any = None, **fields: str) -> None:
        """One event of it."""
        lines = "".join(f"{name}: {value}\n" for name, value in fields.items())
        data = f"data: {json.dumps(message)}\n" if message is not None else "data: \n"
        await self.chunk(f"{lines}{data}\n".encode())

    async def event_result(self, result: Any = None) -> None:
        await self.event({"jsonrpc": "2.0", "id": self.message["id"], "result": result or {}})

    async def chunk(self, data: bytes) -> None:
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def end(self) -> None:
        await self.send(b"0\r\n\r\n")

    def hang_up(self) -> None:
        self.writer.close()


Play = Callable[[Asked], Awaitable[None]]


@dataclass
class Stage:
    """What the server has seen so far."""

    port: int = 0
    requests: list[Asked] = field(default_factory=list)
    open: int = 0
    accepted: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/mcp"

    def of(self, method: str) -> list[Asked]:
        """The requests with this method of JSON-RPC, or of HTTP."""
        return [asked for asked in self.requests if method in (asked.method, asked.message.get("method"))]

    async def until(self, holds: Callable[[], Any]) -> None:
        """Wait until something holds that the server sees; the test bounds how long."""
        while not holds():
            self.changed.clear()
            await self.changed.wait()

    def change(self) -> None:
        self.changed.set()


@asynccontextmanager
async def played(play: Play, tls: ssl.SSLContext | None = None) -> AsyncIterator[Stage]:
    """A server that has `play` answer each request."""
    stage = Stage(scheme="https" if tls else "http")
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stage.accepted += 1
        stage.open += 1
        number = stage.accepted
        try:
            while asked := await _request(reader, writer, number):
                stage.requests.append(asked)
                stage.change()
                await play(asked)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            stage.open -= 1
            stage.change()
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    stage.port = server.sockets[0].getsockname()[1]
    try:
        yield stage
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tuple(tasks))


async def _request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> Asked | None:
    with suppress(asyncio.IncompleteReadError):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip().split("\r\n")
        method, target, _ = first.split(" ")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(": ")
            name = name.lower()
            assert name not in headers
            headers[name] = value
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        return Asked(method, target, headers, body, number, reader, writer)
    return None
