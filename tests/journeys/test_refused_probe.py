"""A server that does not take the question which era it speaks is up at its first attempt, and in the first list."""

from __future__ import annotations

import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from magictunnel.backends.states import State
from magictunnel.config.model import ServerConfig, Transport
from tests.support.memory import sent
from tests.support.raw import Json, RawServer, Script, command, tool
from tests.support.web import served
from tests.support.world import PATIENCE, world

pytestmark = pytest.mark.anyio

OFFERS = {"tools": [tool("echo")]}
UNINITIALIZED = {"code": -32000, "message": "Bad Request: Server not initialized"}
"""How servers over HTTP refuse what comes before a handshake. The code is that of a closed connection."""


@asynccontextmanager
async def strict_http(script: Script) -> AsyncIterator[tuple[ServerConfig, RawServer]]:
    """A server over streamable HTTP that hears nothing before the handshake, and has no stream of its own."""
    server = RawServer(script)

    async def mcp(request: Request) -> Response:
        if request.method != "POST":
            return Response(status_code=405)
        message: Json = await request.json()
        session = request.headers.get("mcp-session-id")
        if message["method"] == "initialize":
            session = uuid.uuid4().hex
        if session is None:
            server.received.append(message)
            return JSONResponse({"jsonrpc": "2.0", "error": UNINITIALIZED, "id": None}, status_code=400)
        reply = server.handle(message, list[Json]().append)
        return JSONResponse(reply, headers={"mcp-session-id": session}) if reply else Response(status_code=202)

    async with served(Starlette(routes=[Route("/mcp", mcp, methods=["GET", "POST", "DELETE"])])) as port:
        yield ServerConfig(type=Transport.HTTP, url=f"http://127.0.0.1:{port}/mcp"), server


def crashing(folder: Path) -> ServerConfig:
    """A server over stdio that ends when it is asked for its era."""
    words = command(Script("crashing", era="handshake", offers=OFFERS, crash_on=["server/discover"]), folder)
    return ServerConfig(type=Transport.STDIO, command=words[0], args=tuple(words[1:]))


async def test_it_is_in_the_first_list(client_era: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with anyio.fail_after(2 * PATIENCE), caplog.at_level(logging.WARNING, "magictunnel"):
        async with strict_http(Script("strict", era="handshake", offers=OFFERS)) as (strict, server):
            entries = {"strict": strict, "crashing": crashing(tmp_path)}
            async with world(more=entries, start_wait=PATIENCE) as w, w.client(client_era) as client:
                listed = [one.name for one in (await client.list_tools()).tools]
                seen = {name: (one.state, one.failure, one.restarts) for name, one in w.gateway.status.items()}

    assert listed == ["strict__echo", "crashing__echo"]
    assert seen == dict.fromkeys(entries, (State.READY, None, 0))
    assert caplog.messages == []
    assert sent(server, "server/discover"), "whether it bears to be asked was not seen"
