"""Failure mode 4: a retry executes a side effect twice.

A call that may have run is not sent again, unless its tool says that this does no harm.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from mcp.client.client import Client
from mcp.shared.exceptions import MCPError

from tests.support.office import Site, site
from tests.support.process import config_file, over_stdio
from tests.support.setting import NO_STORE
from tests.support.worker import Transcript, worker, worker_entry
from tests.support.world import PATIENCE, World, world

pytestmark = pytest.mark.anyio

OUTCOME_UNKNOWN = -32062
WAYS = [(over, era) for over in ("stdio", "http") for era in ("handshake", "stateless")] + [("sse", "handshake")]
"""How a server is reached, and in which era: HTTP+SSE belongs to one."""


@asynccontextmanager
async def scene(way: tuple[str, str], client_era: str, folder: Path) -> AsyncIterator[tuple[Client, Site, World]]:
    """A client that has called the server before."""
    over, era = way
    with anyio.fail_after(PATIENCE):
        async with site(over, folder, era=era) as srv, world(more={"srv": srv.config}) as w:
            await w.until_ready()
            async with w.client(client_era) as client:
                await client.call_tool("srv__echo")
                yield client, srv, w


def lives(srv: Site) -> int:
    """How often the server was opened so far."""
    return sum(srv.transcript.count(method) for method in ("started", "initialize", "server/discover"))


@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_a_call_that_may_have_run_is_not_sent_again_and_says_so(
    way: tuple[str, str], client_era: str, tmp_path: Path
) -> None:
    async with scene(way, client_era, tmp_path) as (client, srv, w):
        with pytest.raises(MCPError) as unknown:
            await client.call_tool("srv__cut")
        assert unknown.value.code == OUTCOME_UNKNOWN
        assert unknown.value.error.data["error"] == "outcome_unknown"
        assert "cut" in unknown.value.message
        assert "unknown" in unknown.value.message
        await w.until_ready()
        await works_again(client)
        assert srv.transcript.ran("cut") == 1


@pytest.mark.parametrize("hint", ["read", "idempotent"])
@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_a_call_that_may_run_twice_is_sent_once_more_and_answered(
    way: tuple[str, str], hint: str, client_era: str, tmp_path: Path
) -> None:
    async with scene(way, client_era, tmp_path) as (client, srv, _w):
        result = await client.call_tool(f"srv__cut_{hint}")
        assert result.content[0].text == "done"
        assert srv.transcript.ran(f"cut_{hint}") == 2


@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_a_call_that_may_run_twice_is_not_tried_for_ever(
    way: tuple[str, str], client_era: str, tmp_path: Path
) -> None:
    async with scene(way, client_era, tmp_path) as (client, srv, _w):
        with pytest.raises(MCPError) as unknown:
            await client.call_tool("srv__cut_always")
        assert unknown.value.code == OUTCOME_UNKNOWN
        assert srv.transcript.ran("cut_always") == 2


@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_an_error_of_the_tool_itself_is_its_answer(way: tuple[str, str], client_era: str, tmp_path: Path) -> None:
    """Neither is sent again, though both tools may be, and the session stays."""
    async with scene(way, client_era, tmp_path) as (client, srv, w):
        before = lives(srv)
        failed = await client.call_tool("srv__fail")
        assert (failed.is_error, failed.content[0].text) == (True, "it failed")
        with pytest.raises(MCPError) as refused:
            await client.call_tool("srv__refuse")
        assert (refused.value.code, refused.value.message) == (-32099, "it is refused")
        await client.call_tool("srv__echo")
        assert [srv.transcript.ran(name) for name in ("fail", "refuse")] == [1, 1]
        assert lives(srv) == before
        assert w.gateway.status["srv"].failure is None


async def test_the_client_of_our_stdin_is_told_that_the_outcome_is_unknown(client_era: str, tmp_path: Path) -> None:
    script = worker("srv", tmp_path, era="handshake")
    config = config_file(tmp_path, {"srv": worker_entry(script, tmp_path)})
    with anyio.fail_after(PATIENCE):
        async with over_stdio(config, env=NO_STORE) as host:
            await host.open(client_era)
            await host.request("tools/list")
            answer = await host.request("tools/call", {"name": "srv__cut"})
            assert answer["error"]["code"] == OUTCOME_UNKNOWN
            assert "cut" in answer["error"]["message"]
            assert Transcript(script.transcript).ran("cut") == 1


async def works_again(client: Client) -> None:
    """Call until it works; the test bounds how long."""
    while True:
        try:
            await client.call_tool("srv__echo")
            return
        except MCPError:
            await anyio.sleep(0.02)
