"""A reverse proxy that lists names as if they had no prefix, for scenarios that look a name up in a listing.

Everything else passes as it is, byte by byte, streams included.
"""

from __future__ import annotations

import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tests.conformance.processes import PATIENCE

_HOP = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "content-encoding"})
"""Headers that belong to one connection, or to a body as it was."""
_METHODS = ["GET", "POST", "DELETE"]


def unprefixed(line: bytes, alias: str) -> bytes:
    """A line of JSON or of an event stream, with the names in it as they are at the server `alias`."""
    return re.sub(rb'("name": ?")' + re.escape(alias.encode()) + rb"__", rb"\1", line)


@asynccontextmanager
async def shim(target: str, alias: str) -> AsyncIterator[str]:
    """The proxy, running: its URL for a target's URL."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(_app(target, alias), log_level="error", lifespan="off", timeout_graceful_shutdown=1)
    web = uvicorn.Server(config)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(web.serve, [listener])
        with anyio.fail_after(PATIENCE):
            while not web.started:
                await anyio.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
        finally:
            web.should_exit = True


def _app(target: str, alias: str) -> Starlette:
    client = httpx2.AsyncClient(timeout=PATIENCE)

    async def forward(request: Request) -> Response:
        headers = [(name, value) for name, value in request.headers.items() if name not in _HOP]
        asked = client.build_request(request.method, target, headers=headers, content=await request.body())
        answer = await client.send(asked, stream=True)
        kept = {name: value for name, value in answer.headers.items() if name not in _HOP}
        return StreamingResponse(_lines(answer, alias), answer.status_code, kept)

    return Starlette(routes=[Route("/mcp", forward, methods=_METHODS)])


async def _lines(answer: httpx2.Response, alias: str) -> AsyncIterator[bytes]:
    """The body, line by line: a chunk may end within a name."""
    rest = b""
    try:
        async for chunk in answer.aiter_bytes():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield unprefixed(line, alias) + b"\n"
        yield unprefixed(rest, alias)
    finally:
        await answer.aclose()
