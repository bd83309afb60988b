"""Listen streams: a client of the stateless era hears what it asked to hear, on the stream that it asked on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from magictunnel.catalog.model import Json, Kind, Listing
from magictunnel.errors import CannotAsk, UnknownEntry
from magictunnel.front import listen
from magictunnel.front.server import FrontServer
from magictunnel.pipeline.call import Call
from magictunnel.wire.caller import Caller
from tests.support.front import Client, PlayedSource, client_of, front_of
from tests.support.raw import SUBSCRIPTION_KEY, tool

pytestmark = pytest.mark.anyio

PATIENCE = 10.0
ACKNOWLEDGED, UPDATED, TASK = (
    "notifications/subscriptions/acknowledged",
    "notifications/resources/updated",
    "notifications/tasks",
)
TASKS = "io.modelcontextprotocol/tasks"
CAN = {"extensions": {TASKS: {}}}
OFFERS = Listing(
    {Kind.TOOL: [tool("x")], Kind.RESOURCE: [{"uri": "x:1"}]},
    capabilities={"resources": {"subscribe": True}, "extensions": {TASKS: {}}},
)


class Owners(PlayedSource):
    """A source that agrees to tell of whatever begins with `x`, or is a task, and remembers who follows it."""

    @property
    def listeners(self) -> dict[str, Caller]:
        return {call.name: call.caller for call in (*self.calls, *self.followed)}

    async def handle(self, call: Call) -> Json:
        self.calls.append(call)
        if not call.name.startswith("x"):
            raise UnknownEntry("resource", call.name)
        return {}


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Client, Owners, FrontServer]]:
    source = Owners()
    source.live.replace("a", OFFERS)
    with anyio.fail_after(PATIENCE):
        async with front_of(source) as server, client_of(server, "stateless", capabilities=CAN) as client:
            yield client, source, server


async def listening(client: Client, **filters: Any) -> tuple[int, Json]:
    """Open a stream; its id, and what it is to hear."""
    before = len(client.heard(ACKNOWLEDGED))
    number = await client.ask("subscriptions/listen", {"notifications": filters})
    await client.until(lambda: len(client.heard(ACKNOWLEDGED)) > before)
    acknowledged = client.heard(ACKNOWLEDGED)[-1]
    assert acknowledged["_meta"] == {SUBSCRIPTION_KEY: number}
    return number, acknowledged["notifications"]


async def close(client: Client, number: int) -> None:
    await client.send({"method": "notifications/cancelled", "params": {"requestId": number}})


# --- what is agreed


@pytest.mark.parametrize(
    ("wanted", "honoured"),
    [
        ({}, {}),
        ({"toolsListChanged": True, "promptsListChanged": False}, {"toolsListChanged": True}),
        ({"toolsListChanged": 1, "resourcesListChanged": True}, {"resourcesListChanged": True}),
        ({"resourceSubscriptions": ["x:1", "y:1", "x:1"]}, {"resourceSubscriptions": ["x:1"]}),
        ({"resourceSubscriptions": ["y:1"]}, {}),
        ({"resourceSubscriptions": []}, {}),
        ({"resourceSubscriptions": None}, {}),
        ({"taskIds": ["t1"]}, {"taskIds": ["t1"]}),
        ({"odd": True, "vendor": ["x:1"]}, {}),
    ],
)
async def test_a_stream_says_first_what_it_will_tell(wanted: Json, honoured: Json) -> None:
    async with opened() as (client, _source, _server):
        assert (await listening(client, **wanted))[1] == honoured


@pytest.mark.parametrize(
    "notifications",
    [
        None,
        "all",
        ["toolsListChanged"],
        {"resourceSubscriptions": "x:1"},
        {"resourceSubscriptions": [1]},
        {"resourceSubscriptions": ["x:1"] * 1_001},
        {"resourceSubscriptions": ["x" * 8_193]},
        {"taskIds": ["x" * 8_193]},
        {"taskIds": [None]},
    ],
)
async def test_a_stream_that_does_not_say_what_it_wants_is_refused(notifications: Any) -> None:
    async with opened() as (client, source, server):
        answer = await client.request("subscriptions/listen", {"notifications": notifications})

        assert answer["error"]["code"] == -32602
        assert client.heard(ACKNOWLEDGED) == []
        assert source.calls == []
        await client.until(lambda: server.notifier.is_quiet)


async def test_an_owner_that_does_not_agree_in_time_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "_PATIENCE", 0.05)
    async with opened() as (client, source, _server):
        agree = source.handle

        async def handle(call: Call) -> Json:
            if call.name == "x:slow":
                await anyio.sleep_forever()
            return await agree(call)

        source.handle = handle  # type: ignore[method-assign]
        honoured = (await listening(client, resourceSubscriptions=["x:slow", "x:1"], toolsListChanged=True))[1]

        assert honoured == {"toolsListChanged": True, "resourceSubscriptions": ["x:1"]}


async def test_too_many_streams_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "MAX_STREAMS", 1)
    async with opened() as (client, _source, _server):
        number, _ = await listening(client)
        error = (await client.request("subscriptions/listen", {"notifications": {}}))["error"]
        assert error["data"]["error"] == "too_many"

        await close(client, number)
        assert "result" in await client.request("server/discover")
        await listening(client)


# --- what is told


async def test_an_update_is_told_on_the_stream_that_asked_for_it_and_as_it_is() -> None:
    async with opened() as (client, source, _server):
        first, _ = await listening(client, resourceSubscriptions=["x:1"])
        second, _ = await listening(client, resourceSubscriptions=["x:2"])
        for uri in ("x:1", "x:2"):
            await source.listeners[uri].back.tell(UPDATED, {"uri": uri, "odd": None, "_meta": {"mine": 1}})

        await client.until(lambda: len(client.heard(UPDATED)) == 2)
        assert client.heard(UPDATED) == [
            {"uri": "x:1", "odd": None, "_meta": {"mine": 1, SUBSCRIPTION_KEY: first}},
            {"uri": "x:2", "odd": None, "_meta": {"mine": 1, SUBSCRIPTION_KEY: second}},
        ]


async def test_what_is_told_before_a_stream_is_acknowledged_comes_after_that() -> None:
    async with opened() as (client, source, _server):
        agree = source.handle

        async def handle(call: Call) -> Json:
            await call.caller.back.tell(UPDATED, {"uri": call.name})
            return await agree(call)

        source.handle = handle  # type: ignore[method-assign]
        await listening(client, resourceSubscriptions=["x:1"])
        await client.until(lambda: bool(client.heard(UPDATED)))

        methods = [message["method"] for message in client.messages]
        assert methods == [ACKNOWLEDGED, UPDATED]


async def test_each_state_of_each_task_is_told() -> None:
    async with opened() as (client, source, _server):
        number, _ = await listening(client, taskIds=["t1", "t2"])
        states = [("t1", "working"), ("t2", "working"), ("t1", "completed")]
        for task_id, status in states:
            await source.listeners[task_id].back.tell(TASK, {"taskId": task_id, "status": status})

        await client.until(lambda: len(client.heard(TASK)) == len(states))
        meta = {"_meta": {SUBSCRIPTION_KEY: number}}
        assert client.heard(TASK) == [{"taskId": task_id, "status": status} | meta for task_id, status in states]


async def test_a_listener_is_asked_nothing() -> None:
    async with opened() as (client, source, _server):
        await listening(client, resourceSubscriptions=["x:1"])

        with pytest.raises(CannotAsk):
            await source.listeners["x:1"].back.ask("roots/list", {})


async def test_lists_that_were_not_asked_for_are_not_told() -> None:
    async with opened() as (client, source, _server):
        await listening(client, toolsListChanged=True, resourceSubscriptions=["x:1"])
        source.live.replace("a", Listing({}, OFFERS.capabilities))
        await client.until(lambda: bool(client.heard("notifications/tools/list_changed")))

        assert client.heard("notifications/resources/list_changed") == []


# --- how it ends


async def test_whoever_closes_its_stream_hears_no_more_and_follows_nothing_any_more() -> None:
    async with opened() as (client, source, server):
        number, _ = await listening(client, resourceSubscriptions=["x:1"], toolsListChanged=True)
        await close(client, number)
        await client.until(lambda: len(source.gone) == 1)
        assert source.gone == [source.listeners["x:1"]]
        assert source.gone[0].back is source.listeners["x:1"].back

        source.live.replace("a", Listing({}, OFFERS.capabilities))
        await client.until(lambda: server.notifier.is_quiet)
        assert client.heard("notifications/tools/list_changed") == []


async def test_whoever_goes_away_follows_nothing_any_more() -> None:
    async with opened() as (client, source, _server):
        await listening(client, resourceSubscriptions=["x:1"])
        await client.hang_up()
        await client.until(lambda: len(source.gone) == 1)


async def test_a_stream_that_we_end_is_answered_with_its_own_id() -> None:
    source = Owners()
    source.live.replace("a", OFFERS)
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as outer:
            server = FrontServer(source)
            async with client_of(server, "stateless", capabilities=CAN) as client:
                aside = anyio.CancelScope()

                async def run() -> None:
                    with aside:
                        await server.run_aside()

                outer.start_soon(run)
                number, _ = await listening(client, resourceSubscriptions=["x:1"])
                aside.cancel()
                result = (await client.answered(number))["result"]

    assert result["_meta"][SUBSCRIPTION_KEY] == number
    assert len(source.gone) == 1
