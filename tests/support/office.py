"""A server over HTTP and SSE that keeps sessions, and can lose them: a worker for each, behind a proxy."""

from __future__ import annotations

import asyncio
import json
import math
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import anyio.lowlevel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from magictunnel.config.model import ServerConfig, Transport
from tests.support.proxy import Proxy, proxied
from tests.support.raw import VERSION_KEY, Crash, Json, Script
from tests.support.web import Queue, served
from tests.support.worker import Endless, Transcript, Worker, worker, worker_entry

PIECE = b"x" * 1_000_000


class Stale(NamedTuple):
    """How a server says that it does not know a session: status, and an error, or plain text."""

    status: int
    code: int = 0
    message: str = ""

    def answer(self) -> Response:
        if not self.code:
            return Response(self.message, status_code=self.status)
        error = {"code": self.code, "message": self.message}
        return JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, status_code=self.status)


STALE = Stale(404, -32600, "Session not found")


class Office:
    """All sessions of one server, in one process."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.transcript = Transcript(script.transcript)
        self.stale = STALE
        self.status = 0
        """Answered to every POST, if it is one."""
        self.get_status = 0
        """Answered to GET at /mcp instead of a stream."""
        self.sessions: dict[str, Worker] = {}
        self.opened = self.lost = self.peak = self.refused = self.listening = 0
        self.sent = 0
        """Bytes of lines that do not end."""
        self.everybody = Worker(script)
        """Who serves what has no session."""
        self.proxy: Proxy
        self._queues: dict[str, Queue] = {}

    @property
    def workers(self) -> list[Worker]:
        return [self.everybody, *self.sessions.values()]

    def lose(self) -> None:
        """Forget every session, and tell nobody."""
        self.lost += len(self.sessions)
        self.sessions.clear()

    async def restart(self, *, gap: bool = False) -> None:
        """What a new process at the same port looks like from outside; with a `gap`, the port is refused in between."""
        if gap:
            await self.proxy.refuse()
        self.lose()
        await self.proxy.cut()
        if gap:
            await self.proxy.listen()

    def config(self, over: str, **keys: Any) -> ServerConfig:
        """The config entry that leads here."""
        return ServerConfig(type=Transport(over), url=self.url(over), **keys)

    def url(self, over: str) -> str:
        return f"http://127.0.0.1:{self.proxy.port}/{'sse' if over == 'sse' else 'mcp'}"

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/mcp", self._mcp, methods=["GET", "POST", "DELETE"]),
                Route("/sse", self._sse),
                Route("/messages", self._messages, methods=["POST"]),
            ]
        )

    async def _mcp(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.sessions.pop(request.headers.get("mcp-session-id", ""), None)
            return Response()
        if request.method == "POST":
            return await self._post(request)
        if self.get_status:
            return Response("no", status_code=self.get_status)
        session = self.sessions.get(request.headers.get("mcp-session-id", ""))
        return self._refuse() if session is None else self._stream(self._listen(session))

    async def _post(self, request: Request) -> Response:
        if self.status:
            return Response("no", status_code=self.status)
        message = await request.json()
        params = message.get("params") or {}
        if message.get("method") == "initialize":
            session = Worker(self.script)
            reply = await self._handle(session, message, list[Json]().append)
            is_open = reply is not None and "result" in reply
            return JSONResponse(reply, headers={"mcp-session-id": self._open(session)} if is_open else {})
        if VERSION_KEY in (params.get("_meta") or {}) or message.get("method") == "server/discover":
            return await self._answered(self.everybody, message)
        session = self.sessions.get(request.headers.get("mcp-session-id", ""))
        return self._refuse() if session is None else await self._answered(session, message)

    async def _answered(self, worker: Worker, message: Json) -> Response:
        queue: Queue = asyncio.Queue()
        try:
            reply = await self._handle(worker, message, queue.put_nowait)
        except Endless:
            return StreamingResponse(self._endless(b'{"jsonrpc"'), media_type="application/json")
        if message.get("method") == "subscriptions/listen":
            return self._stream(_drain(queue))
        return JSONResponse(reply) if reply else Response(status_code=202)

    async def _sse(self, _request: Request) -> Response:
        number = self._open(Worker(self.script))
        self._queues[number] = queue = asyncio.Queue()
        self.sessions[number].pushes.append(queue.put_nowait)

        async def events() -> AsyncIterator[str | bytes]:
            try:
                async for event in _drain(queue, f"event: endpoint\r\ndata: /messages?session={number}\r\n\r\n"):
                    yield event
                async for piece in self._endless(b"event: message\r\ndata: {"):
                    yield piece
            finally:
                self.sessions.pop(number, None)

        return self._stream(events())

    async def _messages(self, request: Request) -> Response:
        number, message = request.query_params["session"], await request.json()
        if number not in self.sessions:
            return self._refuse()
        # The answer comes on the stream, whenever it comes.
        asyncio.get_running_loop().create_task(self._put_answer(self.sessions[number], message, self._queues[number]))
        return Response(status_code=202)

    async def _put_answer(self, worker: Worker, message: Json, queue: Queue) -> None:
        try:
            if reply := await self._handle(worker, message, queue.put_nowait):
                queue.put_nowait(reply)
        except Endless:
            queue.put_nowait(None)

    async def _handle(self, worker: Worker, message: Json, push: Callable[[Json], None]) -> Json | None:
        await anyio.sleep(worker.delay(message))
        while worker.waits(message):
            await anyio.sleep(0.002)
        try:
            return worker.handle(message, push)
        except Crash:
            await self.proxy.cut()
            return None

    def _open(self, session: Worker) -> str:
        number = uuid.uuid4().hex
        self.sessions[number] = session
        self.opened += 1
        self.peak = max(self.peak, len(self.sessions))
        return number

    def _refuse(self) -> Response:
        self.refused += 1
        return self.stale.answer()

    async def _listen(self, session: Worker) -> AsyncIterator[str]:
        queue: Queue = asyncio.Queue()
        session.pushes.append(queue.put_nowait)
        self.listening += 1
        try:
            async for event in _drain(queue):
                yield event
        finally:
            self.listening -= 1
            session.pushes.remove(queue.put_nowait)

    async def _endless(self, start: bytes) -> AsyncIterator[bytes]:
        yield start
        while self.sent < 200 * len(PIECE):
            self.sent += len(PIECE)
            yield PIECE
            await anyio.lowlevel.checkpoint()  # to whoever is gone, writing does not wait
        await anyio.sleep(math.inf)

    def _stream(self, events: AsyncIterator[Any]) -> Response:
        return StreamingResponse(events, media_type="text/event-stream")


async def _drain(queue: Queue, first: str = ": hello\r\n\r\n") -> AsyncIterator[str]:
    yield first
    while (message := await queue.get()) is not None:
        yield f"event: message\r\ndata: {json.dumps(message)}\r\n\r\n"


@asynccontextmanager
async def office(script: Script) -> AsyncIterator[Office]:
    """A server of workers over HTTP and SSE."""
    here = Office(script)
    async with served(here.app()) as port, proxied(port) as here.proxy:
        yield here


class Site(NamedTuple):
    """A worker, however it is reached: its config entry, what it was asked, and where it is, if in this process."""

    config: ServerConfig
    transcript: Transcript
    office: Office | None


@asynccontextmanager
async def site(
    over: str, folder: Path, name: str = "srv", keys: Json | None = None, **script: Any
) -> AsyncIterator[Site]:
    """A worker over stdio, http or sse; `keys` go into its config entry, `script` into its script."""
    told = worker(name, folder, **script)
    if over == "stdio":
        entry = worker_entry(told, folder, **(keys or {}))
        yield Site(ServerConfig(type=Transport.STDIO, **entry), Transcript(told.transcript), None)
        return
    async with office(told) as here:
        yield Site(here.config(over, **(keys or {})), here.transcript, here)
