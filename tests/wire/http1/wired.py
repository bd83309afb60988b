"""A wire over streamable HTTP that runs, what its hooks were told, and a server for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from mcp.shared.exceptions import MCPError

from magictunnel.wire.evidence import Evidence
from magictunnel.wire.streamable import HttpWire, http_wire
from tests.wire.http1.stage import Asked, Play, Stage, played


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Connections are made of what an event loop offers: each of those that we run on."""
    if request.param:
        pytest.importorskip("uvloop")
    return "asyncio", {"use_uvloop": request.param}


OLD, NEW = "2025-11-25", "2026-07-28"
Json = dict[str, Any]


class Heard:
    """What the hooks were told."""

    def __init__(self, wire: HttpWire) -> None:
        self.told: list[tuple[str, Json, Any]] = []
        self.let_go: list[Any] = []
        self.lost: list[str] = []
        self.closed = 0
        self.answer: Callable[[Json, Any], Awaitable[Json]] | None = None
        wire.on_told, wire.on_asked, wire.on_let_go = self._told, self._asked, self._let_go
        wire.on_lost, wire.on_closed = self.lost.append, self._closed

    def _told(self, method: str, params: Json, number: Any) -> Awaitable[None]:
        self.told.append((method, params, number))
        return anyio.lowlevel.checkpoint()

    def _asked(self, method: str, params: Json, number: Any) -> Awaitable[Json] | None:
        return self.answer(params, number) if self.answer else None

    async def _let_go(self, number: Any) -> None:
        self.let_go.append(number)

    def _closed(self) -> None:
        self.closed += 1


async def to_session(_ctx: Any, method: str, _params: Any) -> Json:
    return {"by": "session", "method": method}


async def ignore(_ctx: Any, _method: str, _params: Any) -> None:
    return


@asynccontextmanager
async def wired(
    play: Play, headers: dict[str, str] | None = None, evidence: Evidence | None = None
) -> AsyncIterator[tuple[HttpWire, Stage, Heard]]:
    """A wire that runs, and a server that answers like this."""
    with anyio.fail_after(10):
        async with played(play) as stage, http_wire(stage.url, headers or {}, evidence or Evidence()) as wire:
            heard = Heard(wire)
            async with anyio.create_task_group() as tasks:
                await tasks.start(wire.run, to_session, ignore)
                yield wire, stage, heard
                tasks.cancel_scope.cancel()


async def call(wire: HttpWire, number: int = 7, version: str = OLD, method: str = "tools/call", **params: Any) -> Json:
    """One call, as it is made of those who wait for it elsewhere."""
    options: Any = {"request_id": number, "cancel_on_abandon": False, "headers": {"MCP-Protocol-Version": version}}
    return await wire.send_raw_request(method, params, options)


async def refused(wire: HttpWire, **options: Any) -> MCPError:
    with pytest.raises(MCPError) as caught:
        await call(wire, **options)
    return caught.value


async def echo(asked: Asked) -> None:
    """Answer anything with what it was, and open a session if that is wanted."""
    message = asked.message
    if asked.method == "POST" and "id" in message and "method" in message:
        session = {"mcp_session_id": "s1"} if message["method"] == "initialize" else {}
        await asked.result({"echo": message}, **session)
    else:
        await asked.answer(405 if asked.method == "GET" else 202)


async def open_session(wire: HttpWire) -> None:
    await wire.send_raw_request("initialize", {}, {"cancel_on_abandon": False})
    await wire.notify("notifications/initialized", None, {"headers": {"mcp-protocol-version": OLD}})
