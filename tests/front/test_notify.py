"""A change is told to each client once, in its own era, for as long as its session lives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp.server import Server
from mcp.server.connection import Connection
from mcp_types import RequestParams

from magictunnel.catalog.model import Kind, Listing
from magictunnel.front import notify
from magictunnel.front.server import FrontServer
from tests.support.front import Client, PlayedSource, client_of
from tests.support.raw import STATELESS, VERSION_KEY
from tests.support.world import world

pytestmark = pytest.mark.anyio

PATIENCE = 10.0
NEWS = {name: f"notifications/{name}/list_changed" for name in ("tools", "prompts", "resources")}
OFFERS = {kind: [{kind.key: "x:1"}] for kind in Kind}


@asynccontextmanager
async def notifying() -> AsyncIterator[tuple[FrontServer, PlayedSource]]:
    """A front that tells its clients what changes in the source's catalog."""
    source = PlayedSource()
    server = FrontServer(source)
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.run_aside)
            yield server, source
            tasks.cancel_scope.cancel()


async def heard_all(client: Client, within: float = 5.0) -> None:
    """Wait until it has heard of every kind of news."""
    await client.until(lambda: all(client.heard(method) for method in NEWS.values()), within)


async def heard_of_tools_again(client: Client) -> None:
    await client.until(lambda: len(client.heard(NEWS["tools"])) == 2)


async def listening(client: Client, **filters: bool) -> None:
    """Open a listen stream, and wait until it is acknowledged."""
    await client.ask("subscriptions/listen", {"notifications": filters})
    await client.until(lambda: bool(client.heard("notifications/subscriptions/acknowledged")))


# --- the one private seam


async def test_the_sdk_still_has_the_private_connection_we_reach_for() -> None:
    """`ctx.session._connection` and `_request_outbound`. If this fails, mend `front/back.py`."""
    found: list[Any] = []

    async def look(ctx: Any, _params: RequestParams) -> dict[str, Any]:
        found.append(ctx.session._connection)
        await ctx.session._request_outbound.notify("notifications/message", {"level": "info", "data": {"odd": None}})
        return {}

    server: Server[Any] = Server("probe")
    server.add_request_handler("probe/look", RequestParams, look)
    async with client_of(server, "handshake") as client:  # type: ignore[arg-type]
        await client.open()
        await client.request("probe/look")
        (connection,) = found
        assert isinstance(connection, Connection)
        assert client.heard("notifications/message") == [{"level": "info", "data": {"odd": None}}]
        assert connection.initialized.is_set()
        assert callable(connection.outbound.send_raw_request)
        ended = anyio.Event()
        connection.exit_stack.callback(ended.set)

        await connection.notify("notifications/tools/list_changed", None)
        await client.until(lambda: bool(client.heard("notifications/tools/list_changed")))
        await client.hang_up()
        with anyio.fail_after(5):
            await ended.wait()


# --- sessions


async def test_a_session_is_known_once_from_its_handshake_to_its_end() -> None:
    async with notifying() as (server, source), client_of(server, "handshake") as client:
        await client.open()
        await client.send({"method": "notifications/initialized"})
        await client.request("ping")
        (known,) = source.audience.callers
        assert (known.name, known.capabilities, known.stateless) == ("raw", {"roots": {}}, False)

        await client.hang_up()
        await client.until(lambda: source.audience.callers == [])
        assert source.gone == [known]


@pytest.mark.parametrize("front", ["http", "sse"])
async def test_sessions_over_http_are_forgotten_when_they_end(front: str) -> None:
    with anyio.fail_after(PATIENCE):
        async with world() as w:
            async with w.client("handshake", front), w.client("handshake", front):
                await w.until(lambda: len(w.gateway.audience.callers) == 2)
            await w.until(lambda: w.gateway.audience.callers == [])


async def test_stateless_clients_leave_nothing_to_remember() -> None:
    async with notifying() as (server, source), client_of(server, "stateless") as client:
        await client.open()
        await client.send({"method": "notifications/initialized", "params": {"_meta": {VERSION_KEY: STATELESS}}})
        await client.request("tools/list")

        assert source.audience.callers == []


# --- news


async def test_changes_close_together_are_told_once_in_both_eras() -> None:
    async with (
        notifying() as (server, source),
        client_of(server, "handshake") as pushed,
        client_of(server, "stateless") as listener,
    ):
        await pushed.open()
        await listening(listener, toolsListChanged=True, promptsListChanged=True, resourcesListChanged=True)

        source.live.replace("a", Listing(OFFERS))
        source.live.replace("a", Listing({}))
        for client in (pushed, listener):
            await heard_all(client)

        source.live.replace("b", Listing({Kind.TOOL: OFFERS[Kind.TOOL]}))
        for client in (pushed, listener):
            await heard_of_tools_again(client)
            assert [len(client.heard(method)) for method in NEWS.values()] == [2, 1, 1]


@pytest.mark.parametrize(
    ("kind", "news"),
    [
        (Kind.TOOL, "tools"),
        (Kind.PROMPT, "prompts"),
        (Kind.RESOURCE, "resources"),
        (Kind.TEMPLATE, "resources"),
    ],
)
async def test_each_kind_is_its_own_news(kind: Kind, news: str) -> None:
    async with notifying() as (server, source), client_of(server, "handshake") as client:
        await client.open()

        source.live.replace("a", Listing({kind: OFFERS[kind]}))
        await client.until(lambda: bool(client.heard(NEWS[news])))
        await client.request("ping")

        assert [name for name, method in NEWS.items() if client.heard(method)] == [news]


async def test_a_stateless_client_hears_what_it_asked_for_and_nothing_else() -> None:
    async with (
        notifying() as (server, source),
        client_of(server, "stateless") as one,
        client_of(server, "stateless") as other,
    ):
        await listening(one, promptsListChanged=True)
        await other.request("server/discover")

        source.live.replace("a", Listing(OFFERS))
        await one.until(lambda: bool(one.heard(NEWS["prompts"])))
        await other.request("tools/list")

        assert [name for name, method in NEWS.items() if one.heard(method)] == ["prompts"]
        assert [name for name, method in NEWS.items() if other.heard(method)] == []


def until_open(client: Client) -> bool:
    """Reads the answers to `initialize` and `ping`, and nothing after that."""
    return len(client.messages) < 2


async def test_a_client_that_does_not_read_holds_up_no_other() -> None:
    """Neither from the first piece of news, nor from those behind it."""
    async with (
        notifying() as (server, source),
        client_of(server, "handshake", reads=until_open) as stuck,
        client_of(server, "handshake") as client,
    ):
        await stuck.open()
        await client.open()

        source.live.replace("a", Listing(OFFERS))

        await heard_all(client, within=2.0)


async def test_more_clients_than_are_told_in_one_go_are_told_whoever_reads() -> None:
    async with AsyncExitStack() as stack:
        server, source = await stack.enter_async_context(notifying())
        count = notify.AT_ONCE + 1
        stuck = [await stack.enter_async_context(client_of(server, "handshake", until_open)) for _ in range(count)]
        reading = [await stack.enter_async_context(client_of(server, "handshake")) for _ in range(count)]
        for client in (*stuck, *reading):
            await client.open()

        source.live.replace("a", Listing(OFFERS))
        for client in reading:
            await heard_all(client, within=2.0)
        source.live.replace("b", Listing({Kind.TOOL: OFFERS[Kind.TOOL]}))
        for client in reading:
            await heard_of_tools_again(client)
            assert [len(client.heard(method)) for method in NEWS.values()] == [2, 1, 1]
        assert not server.notifier.is_quiet


async def test_listen_streams_get_their_answer_when_we_end() -> None:
    server = FrontServer(PlayedSource())
    with anyio.fail_after(PATIENCE):
        async with client_of(server, "stateless") as client:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(server.run_aside)
                number = await client.ask("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
                await client.until(lambda: bool(client.messages))
                tasks.cancel_scope.cancel()

            await client.until(lambda: any(message.get("id") == number for message in client.messages))
