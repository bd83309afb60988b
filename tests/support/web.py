"""Scripted servers over real HTTP: streamable HTTP at /mcp (both eras) and HTTP+SSE at /sse, on a port of their own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.support.raw import Crash, Json, RawServer, Script

Queue = asyncio.Queue[Json | None]


class QuietUvicorn(uvicorn.Server):
    """Leaves signals alone, and stops within a moment."""

    async def main_loop(self) -> None:
        while not await self.on_tick(1):
            await anyio.sleep(0.01)

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


@asynccontextmanager
async def served(app: Starlette, port: int = 0) -> AsyncIterator[int]:
    """Serve an ASGI application on loopback; yields the port."""
    # Named as TCP, or asyncio would not set TCP_NODELAY, and each answer would take 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    web = QuietUvicorn(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1))
    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        tasks = await stack.enter_async_context(anyio.create_task_group())
        tasks.start_soon(web.serve, [listener])
        try:
            yield listener.getsockname()[1]
        finally:
            web.should_exit = True


@asynccontextmanager
async def raw_http(script: Script, port: int = 0, status: int = 0) -> AsyncIterator[tuple[RawServer, int]]:
    """A scripted server over streamable HTTP and SSE. With `status`, it answers just that to everything."""
    server = RawServer(script)
    async with served(_app(server, status), port) as bound:
        yield server, bound


def _app(server: RawServer, status: int) -> Starlette:
    sessions: dict[str, Queue] = {}

    async def mcp(request: Request) -> Response:
        if status:
            return Response("no", status_code=status)
        if request.method == "DELETE":
            return Response(status_code=200)
        if request.method == "GET":
            return _stream(_listen_forever(server))
        message = await request.json()
        queue: Queue = asyncio.Queue()
        reply = await _answer(server, message, queue.put_nowait)
        headers = {"mcp-session-id": uuid.uuid4().hex} if message.get("method") == "initialize" else {}
        if message.get("method") == "subscriptions/listen":
            return _stream(_drain(queue))
        if reply is None and "id" in message and message.get("method"):
            await anyio.sleep_forever()
        return JSONResponse(reply, headers=headers) if reply else Response(status_code=202)

    async def sse(request: Request) -> Response:
        if status:
            return Response("no", status_code=status)
        session, queue = uuid.uuid4().hex, asyncio.Queue()
        sessions[session] = queue
        server.pushes.append(queue.put_nowait)
        return _stream(_drain(queue, first=f"event: endpoint\r\ndata: /messages?session={session}\r\n\r\n"))

    async def messages(request: Request) -> Response:
        queue = sessions[request.query_params["session"]]
        asyncio.get_running_loop().create_task(_put_answer(server, await request.json(), queue))
        return Response(status_code=202)

    return Starlette(
        routes=[
            Route("/mcp", mcp, methods=["GET", "POST", "DELETE"]),
            Route("/sse", sse),
            Route("/messages", messages, methods=["POST"]),
        ]
    )


async def _put_answer(server: RawServer, message: Json, queue: Queue) -> None:
    """Answer on the stream; a server that crashes takes the stream with it."""
    try:
        reply = await _answer(server, message, queue.put_nowait)
    except RuntimeError:
        queue.put_nowait(None)
        return
    if reply is not None:
        queue.put_nowait(reply)


async def _answer(server: RawServer, message: Json, push: Callable[[Json], None]) -> Json | None:
    await anyio.sleep(server.delay(message))
    while server.waits(message):
        await anyio.sleep(0.002)
    try:
        return server.handle(message, push)
    except Crash:
        raise RuntimeError("the scripted server crashed") from None


def _stream(events: AsyncIterator[str]) -> StreamingResponse:
    return StreamingResponse(events, media_type="text/event-stream")


async def _listen_forever(server: RawServer) -> AsyncIterator[str]:
    queue: Queue = asyncio.Queue()
    server.pushes.append(queue.put_nowait)
    try:
        async for event in _drain(queue):
            yield event
    finally:
        server.pushes.remove(queue.put_nowait)


async def _drain(queue: Queue, first: str = ": hello\r\n\r\n") -> AsyncIterator[str]:
    yield first
    while (message := await queue.get()) is not None:
        yield f"event: message\r\ndata: {json.dumps(message)}\r\n\r\n"
