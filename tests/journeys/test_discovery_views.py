"""What a client is shown of many tools is stable, and when it changes that is told once: in both eras."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp.client.client import Client

from magictunnel.catalog.model import Json, Kind, Visibility
from magictunnel.config.discovery import DiscoveryConfig, Mode
from tests.journeys.test_list_changed import Ear, listener
from tests.support.raw import Script, tool
from tests.support.world import ERAS, PATIENCE, World, world

pytestmark = pytest.mark.anyio

SMALL = DiscoveryConfig(max_tools=5)
GUIDES = 6
"""Tools that find and call others."""


def tools(count: int) -> list[Json]:
    return [tool(f"t{number}") for number in range(count)]


@asynccontextmanager
async def listening(era: str, count: int, **keys: Any) -> AsyncIterator[tuple[World, Ear]]:
    """A server with so many tools, and a client that hears of changes."""
    settings = {"discovery": SMALL} | keys
    with anyio.fail_after(2 * PATIENCE):
        async with world((Script("s", offers={"tools": tools(count)}),), over="http", **settings) as w:
            await w.until_ready()
            async with listener(w, era, "http") as ear:
                await listed(ear.client)
                yield w, ear


async def listed(client: Client) -> list[str]:
    return [one.name for one in (await client.list_tools()).tools]


async def served(w: World, count: int) -> None:
    """The server offers so many now, and that has got through."""
    w.servers["s"].change("tools", tools(count))
    await w.until(lambda: len(w.gateway.live.current.of(Kind.TOOL)) == count)


async def told(w: World, ear: Ear, times: int) -> None:
    """Wait until it was told so often of its tools, and of nothing more."""
    await w.until(lambda: ear.heard["tools"] == times and w.front.notifier.is_quiet)


@pytest.mark.parametrize("era", ERAS)
async def test_a_list_that_outgrows_a_client_is_told_once_and_then_it_searches(era: str) -> None:
    async with listening(era, 5) as (w, ear):
        assert await listed(ear.client) == [f"s__t{number}" for number in range(5)]

        await served(w, 6)
        await told(w, ear, 1)
        assert len(await listed(ear.client)) == GUIDES

        for count in (20, 5, 40):  # it is shown none of them, before or after
            await served(w, count)
        assert len(await listed(ear.client)) == GUIDES

        await served(w, 4)
        await told(w, ear, 2)
        assert await listed(ear.client) == [f"s__t{number}" for number in range(4)]


@pytest.mark.parametrize("era", ERAS)
async def test_other_settings_hold_at_once_and_are_told_once(era: str) -> None:
    async with listening(era, 3) as (w, ear):
        w.gateway.apply(w.gateway.config.model_copy(update={"discovery": DiscoveryConfig(mode=Mode.SEARCH)}))
        await told(w, ear, 1)
        assert len(await listed(ear.client)) == GUIDES

        w.gateway.apply(w.gateway.config.model_copy(update={"discovery": DiscoveryConfig(mode=Mode.OFF)}))
        await told(w, ear, 2)
        assert len(await listed(ear.client)) == 3
        assert not w.gateway.live.current.guides

        w.gateway.apply(w.gateway.config.model_copy(update={"discovery": DiscoveryConfig(mode=Mode.SEARCH)}))
        await told(w, ear, 3)
        result = await ear.client.call_tool("find_tools", {"request": "t1"})
        assert not result.is_error


@pytest.mark.parametrize("era", ERAS)
async def test_a_mode_that_shows_the_same_is_no_news(era: str) -> None:
    async with listening(era, 3) as (w, ear):
        for mode in (Mode.OFF, Mode.AUTO, Mode.OFF, Mode.AUTO):
            w.gateway.apply(w.gateway.config.model_copy(update={"discovery": DiscoveryConfig(mode=mode)}))
            assert w.front.notifier.is_quiet
        await served(w, 4)
        await told(w, ear, 1)


@pytest.mark.parametrize("era", ERAS)
async def test_where_a_tool_is_seen_holds_at_once(era: str) -> None:
    async with listening(era, 3) as (w, ear):

        def see(**rules: str) -> None:
            visibility = {name: Visibility(value) for name, value in rules.items()}
            w.gateway.apply(w.gateway.config.model_copy(update={"visibility": visibility}))

        see(s__t1="search-only")
        await told(w, ear, 1)
        assert await listed(ear.client) == ["s__t0", "s__t2"]
        assert not (await ear.client.call_tool("s__t1", {})).is_error

        see(s__t1="disabled")
        with pytest.raises(Exception, match="Unknown tool"):
            await ear.client.call_tool("s__t1", {})

        see(find_tools="listed")
        await w.until(lambda: ear.heard["tools"] >= 2)
        assert await listed(ear.client) == ["find_tools", "s__t0", "s__t1", "s__t2"]


async def test_clients_that_search_by_themselves_are_shown_everything_beside_others_that_are_not() -> None:
    from mcp_types import Implementation

    async with listening("handshake", 20) as (w, ear):
        about = Implementation(name="claude-code", version="2")
        async with Client(w.front, client_info=about, cache=None) as other:
            assert len(await listed(other)) == 20
            assert len(await listed(ear.client)) == GUIDES


async def test_a_gateway_behind_a_gateway_is_searched_through_both() -> None:
    """The tools that search are tools like any: whoever lists them calls them."""
    async with listening("handshake", 20) as (inner, _ear):
        from magictunnel.config.model import ServerConfig, Transport

        entry = ServerConfig(type=Transport.HTTP, url=f"http://127.0.0.1:{inner.port}/mcp")
        async with world(more={"inner": entry}) as outer, outer.client("handshake") as client:
            await outer.until_ready()
            names = await listed(client)
            assert "inner__find_tools" in names
            found = await client.call_tool("inner__find_tools", {"request": "does t7"})
            assert (found.structured_content or {})["found"][0]["name"] == "s__t7"
            called = await client.call_tool("inner__call_destructive_tool", {"name": "s__t7"})
            assert not called.is_error
