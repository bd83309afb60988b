"""Failure mode 32: a look at its health takes a server that works for one that is down."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from magictunnel.backends.states import State
from tests.support.office import Site, site
from tests.support.world import PATIENCE, World, world

pytestmark = pytest.mark.anyio

HEARTBEAT = 0.1
BUSY = 1.5
"""Seconds that a call takes: many heartbeats."""
A_WHILE = 1.0
NO_PING = {"ping": {"error": {"code": -32601, "message": "Method not found"}}}


@asynccontextmanager
async def scene(
    over: str, folder: Path, keys: dict[str, Any] | None = None, **script: Any
) -> AsyncIterator[tuple[World, Site]]:
    with anyio.fail_after(PATIENCE):
        async with (
            site(over, folder, keys={"heartbeat": HEARTBEAT} | (keys or {}), **script) as srv,
            world(more={"srv": srv.config}) as w,
        ):
            await w.until_ready()
            yield w, srv


async def assert_never_left(w: World, srv: Site, client_era: str) -> None:
    """It can be called, and was opened once."""
    async with w.client(client_era) as client:
        assert (await client.call_tool("srv__echo")).content
    status = w.gateway.status["srv"]
    assert (status.state, status.failure, status.attempts) == (State.READY, None, 0)
    if srv.office is None:
        assert srv.transcript.count("started") == 1
    else:
        assert srv.transcript.count("initialize") == len(srv.office.sessions)


async def probed(w: World, srv: Site, times: int = 5) -> None:
    """Wait until it was asked for a sign of life that often."""
    signs = ("ping", "tools/list", "server/discover")
    before = sum(srv.transcript.count(method) for method in signs)
    await w.until(lambda: sum(srv.transcript.count(method) for method in signs) >= before + times)


async def test_a_server_without_ping_stays_callable(over: str, client_era: str, tmp_path: Path) -> None:
    async with scene(over, tmp_path, era="handshake", answers=NO_PING) as (w, srv):
        await probed(w, srv)
        await assert_never_left(w, srv, client_era)


async def test_a_server_that_does_one_thing_at_a_time_may_take_its_time(client_era: str, tmp_path: Path) -> None:
    """It answers no ping while it is at work, and is not asked to be quicker than its calls may be."""
    async with scene("stdio", tmp_path, era="handshake") as (w, srv):
        async with w.client(client_era) as client:
            result = await client.call_tool("srv__block", {"seconds": BUSY})
            assert result.content[0].text == "done"
        await assert_never_left(w, srv, client_era)


@pytest.mark.parametrize(("over", "client_era"), [("http", "handshake"), ("sse", "stateless")])
async def test_a_server_whose_every_answer_is_slow_stays_callable(over: str, client_era: str, tmp_path: Path) -> None:
    slowly = {"ping": BUSY, "tools/call": BUSY}
    async with scene(over, tmp_path, era="handshake", delay_on=slowly) as (w, srv):
        await assert_never_left(w, srv, client_era)


async def test_a_server_that_has_no_stream_for_us_stays_callable(client_era: str, tmp_path: Path) -> None:
    async with site("http", tmp_path, keys={"heartbeat": HEARTBEAT}, era="handshake") as srv:
        assert srv.office is not None
        srv.office.get_status = 400
        with anyio.fail_after(PATIENCE):
            async with world(more={"srv": srv.config}) as w:
                await w.until_ready()
                await probed(w, srv)
                await assert_never_left(w, srv, client_era)


@pytest.mark.parametrize("over", ["stdio", "http"])
async def test_a_server_of_the_stateless_era_is_never_sent_a_ping(over: str, client_era: str, tmp_path: Path) -> None:
    async with scene(over, tmp_path, era="stateless", answers=NO_PING) as (w, srv):
        with anyio.move_on_after(A_WHILE):
            await anyio.sleep_forever()
        assert "ping" not in {message["method"] for message in srv.transcript.messages}
        async with w.client(client_era) as client:
            assert (await client.call_tool("srv__echo")).content
        assert w.gateway.status["srv"].failure is None
