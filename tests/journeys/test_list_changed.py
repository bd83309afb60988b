"""Failure modes 17 and 18: list_changed is dropped on its way, or is a storm, or says nothing.

What changes behind is told in front: once, to each client, in its own way, and nothing else is.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp.client.client import Client
from mcp.client.subscriptions import PromptsListChanged, ResourcesListChanged, ToolsListChanged
from mcp.shared.exceptions import MCPError

from magictunnel.catalog.model import Json
from magictunnel.config.model import Globs
from tests.support.raw import Script, tool
from tests.support.world import PATIENCE, World, world

pytestmark = pytest.mark.anyio

NEWS: dict[type[Any], str] = {
    types.ToolListChangedNotification: "tools",
    types.PromptListChangedNotification: "prompts",
    types.ResourceListChangedNotification: "resources",
    ToolsListChanged: "tools",
    PromptsListChanged: "prompts",
    ResourcesListChanged: "resources",
}
STORM = 1_000
"""Times that a server says that something has changed, all at once or within a second."""
OFFERS: dict[str, list[Json]] = {
    "tools": [tool("change"), tool("echo")],
    "prompts": [{"name": "ask"}],
    "resources": [{"uri": "raw://one", "name": "one"}],
    "resourceTemplates": [{"uriTemplate": "raw://{id}", "name": "item"}],
}


class Ear:
    """A client that counts what it is told."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.heard: Counter[str] = Counter()

    def hear(self, message: object) -> None:
        if kind := NEWS.get(type(message)):
            self.heard[kind] += 1


@asynccontextmanager
async def listener(w: World, era: str, front: str) -> AsyncIterator[Ear]:
    """A client that hears of list changes, in the way of its era."""
    heard: list[Callable[[object], None]] = []
    async with AsyncExitStack() as stack:
        handshake = era == "handshake"
        client = await stack.enter_async_context(
            w.client(era, front, on_message=lambda message: [tell(message) for tell in heard] if handshake else None)
        )
        ear = Ear(client)
        heard.append(ear.hear)
        if not handshake:
            events = await stack.enter_async_context(
                client.listen(tools_list_changed=True, prompts_list_changed=True, resources_list_changed=True)
            )
            tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(tasks.cancel_scope.cancel)

            async def listen() -> None:
                async for event in events:
                    ear.hear(event)

            tasks.start_soon(listen)
        yield ear


def definition(kind: str, number: int) -> Json:
    """Something that is not offered at the start."""
    return {
        "tools": tool(f"new{number}"),
        "prompts": {"name": f"new{number}"},
        "resources": {"uri": f"raw:new{number}", "name": "new"},
        "resourceTemplates": {"uriTemplate": f"raw:new{number}/{{id}}", "name": "new"},
    }[kind]


class Change:
    """Has the server behind offer something else, over whatever transport it is reached."""

    def __init__(self, w: World, client: Client) -> None:
        self._w = w
        self._client = client
        self._offers = dict(OFFERS)
        self._count = 0

    async def __call__(self, kind: str, times: int = 1, *, really: bool = True) -> None:
        """Say `times` times that `kind` changed; it `really` did, or not."""
        if really:
            self._count += 1
            self._offers[kind] = OFFERS[kind] + [definition(kind, self._count)]
        if server := self._w.servers.get("srv"):
            server.change(kind, self._offers[kind], times=times)
        else:
            arguments = {"kind": kind, "definitions": self._offers[kind], "times": times}
            await self._client.call_tool("srv__change", arguments)


async def tune_in(w: World, ears: list[Ear], change: Change) -> None:
    """Change prompts until every client has heard of it: over HTTP a client's stream may open after the first time."""
    while not all(ear.heard["prompts"] for ear in ears):
        await change("prompts")
        with anyio.move_on_after(1.0):
            await w.until(lambda: all(ear.heard["prompts"] for ear in ears))


async def all_told(w: World, ears: list[Ear], change: Change, kind: str) -> None:
    """Return when everything that was to be told by now has been told; leave no trace of finding out.

    News comes in order, several kinds at once where they changed together: so behind a second change of one kind
    nothing of what came before the first can follow.
    """
    for _ in range(2):
        before = [ear.heard[kind] for ear in ears]
        await change(kind)
        await w.until(lambda: all(ear.heard[kind] > count for ear, count in zip(ears, before, strict=True)))  # noqa: B023
    for ear in ears:
        ear.heard[kind] -= 2


async def until_listening(w: World) -> None:
    """Wait until the server behind can tell us: over HTTP that takes a stream of its own."""
    await w.until_ready()
    if server := w.servers.get("srv"):
        await w.until(lambda: bool(server.pushes or server.listeners))


@asynccontextmanager
async def scene(
    server_era: str, over: str, tmp_path: Path, front: str = "http", settings: dict[str, Json] | None = None
) -> AsyncIterator[tuple[World, list[Ear], Change]]:
    """A server that can change, and a client of each era that has proved that it hears."""
    if over == "sse" and server_era == "stateless":
        pytest.skip("the HTTP+SSE transport belongs to the handshake era")
    async with AsyncExitStack() as stack:
        stack.enter_context(anyio.fail_after(PATIENCE))
        script = Script(name="srv", era=server_era, offers=OFFERS)
        w = await stack.enter_async_context(world([script], tmp_path, over=over, settings=settings))
        await until_listening(w)
        ears = [await stack.enter_async_context(listener(w, era, front)) for era in ("handshake", "stateless")]
        change = Change(w, ears[0].client)
        await tune_in(w, ears, change)
        await all_told(w, ears, change, "resources")
        for ear in ears:
            ear.heard.clear()
        yield w, ears, change


@pytest.mark.parametrize("front", ["memory", "http", "sse"])
async def test_a_change_is_told_once_to_each(server_era: str, over: str, front: str, tmp_path: Path) -> None:
    if front != "http" and over != "http":
        pytest.skip("one way behind is enough to see that this way in front works")
    async with scene(server_era, over, tmp_path, front) as (w, ears, change):
        await change("tools")
        await w.until(lambda: all(ear.heard["tools"] for ear in ears))
        for ear in ears:
            names = [item.name for item in (await ear.client.list_tools()).tools]
            assert len(names) == 3
            assert (await ear.client.call_tool(names[-1], {})).content[0].text.startswith('{"server": "srv"')
        await all_told(w, ears, change, "resources")
        assert [+ear.heard for ear in ears] == [{"tools": 1}, {"tools": 1}]


@pytest.mark.parametrize("kind", ["prompts", "resources", "resourceTemplates"])
async def test_each_kind_is_told_as_itself(kind: str, server_era: str, tmp_path: Path) -> None:
    async with scene(server_era, "http", tmp_path) as (w, ears, change):
        await change(kind)
        await all_told(w, ears, change, "tools")
        told = "resources" if kind == "resourceTemplates" else kind
        assert [+ear.heard for ear in ears] == [{told: 1}, {told: 1}]


async def test_a_storm_is_one_piece_of_news(server_era: str, over: str, tmp_path: Path) -> None:
    async with scene(server_era, over, tmp_path) as (w, ears, change):
        server = w.servers.get("srv")
        before = len(server.received) if server else 0
        await change("tools", times=STORM)
        await all_told(w, ears, change, "resources")
        assert all(1 <= ear.heard["tools"] <= 2 for ear in ears)
        assert all(set(+ear.heard) == {"tools"} for ear in ears)
        if server:
            assert 1 <= [message["method"] for message in server.received[before:]].count("tools/list") <= 2


async def test_a_storm_that_lasts_a_second_is_little_news(server_era: str, over: str, tmp_path: Path) -> None:
    async with scene(server_era, over, tmp_path) as (w, ears, change):
        server = w.servers.get("srv")
        before = len(server.received) if server else 0
        for number in range(20):
            await change("tools", times=STORM // 20, really=number == 0)
            await anyio.sleep(0.05)
        await all_told(w, ears, change, "resources")
        assert all(1 <= ear.heard["tools"] <= 2 for ear in ears)
        if server:
            assert 1 <= [message["method"] for message in server.received[before:]].count("tools/list") <= 3


async def test_a_change_that_changes_nothing_is_told_to_nobody(server_era: str, over: str, tmp_path: Path) -> None:
    async with scene(server_era, over, tmp_path) as (w, ears, change):
        await change("tools", times=STORM, really=False)
        await all_told(w, ears, change, "resources")
        assert [+ear.heard for ear in ears] == [{}, {}]


async def test_what_cannot_be_seen_in_front_is_told_to_nobody(tmp_path: Path) -> None:
    """A server whose new tool is excluded here has changed; what clients are shown has not."""
    settings: dict[str, Json] = {"srv": {"exclude": Globs(tools=("new*",))}}
    async with scene("handshake", "http", tmp_path, "memory", settings) as (w, ears, change):
        before = len(w.servers["srv"].received)
        await change("tools")
        await all_told(w, ears, change, "resources")
        assert [+ear.heard for ear in ears] == [{}, {}]
        assert "tools/list" in [message["method"] for message in w.servers["srv"].received[before:]]


@pytest.mark.parametrize("front", ["memory", "http"])
async def test_a_client_that_comes_to_a_finished_list_is_not_told_that_it_changed(front: str) -> None:
    """It waited for the servers to be up, and has seen all of them: there is no news since."""
    async with AsyncExitStack() as stack:
        stack.enter_context(anyio.fail_after(PATIENCE))
        w = await stack.enter_async_context(world([Script(name="srv", offers=OFFERS)], over="http"))
        ear = await stack.enter_async_context(listener(w, "handshake", front))
        assert len((await ear.client.list_tools()).tools) == 2
        await until_listening(w)
        change = Change(w, ear.client)
        await tune_in(w, [ear], change)
        await all_told(w, [ear], change, "resources")
        assert set(+ear.heard) == {"prompts"}


async def test_a_removed_tool_is_gone_for_a_client_that_has_it_listed(server_era: str, client_era: str) -> None:
    async with AsyncExitStack() as stack:
        stack.enter_context(anyio.fail_after(PATIENCE))
        w = await stack.enter_async_context(world([Script(name="srv", era=server_era, offers=OFFERS)], over="http"))
        await until_listening(w)
        ear = await stack.enter_async_context(listener(w, client_era, "memory"))
        assert len((await ear.client.list_tools()).tools) == 2
        w.servers["srv"].change("tools", [tool("echo")])
        await w.until(lambda: "srv__change" not in w.gateway.live.current.entries["tools"])
        assert [item.name for item in (await ear.client.list_tools()).tools] == ["srv__echo"]
        with pytest.raises(MCPError, match="Unknown tool"):
            await ear.client.call_tool("srv__change", {})
        said = json.loads((await ear.client.call_tool("srv__echo", {})).content[0].text)
        assert said["tool"] == "echo"


async def test_a_client_that_did_not_ask_for_a_kind_is_not_told_of_it() -> None:
    async with AsyncExitStack() as stack:
        stack.enter_context(anyio.fail_after(PATIENCE))
        w = await stack.enter_async_context(world([Script(name="srv", offers=OFFERS)], over="http"))
        await until_listening(w)
        client = await stack.enter_async_context(w.client("stateless", "http"))
        events = await stack.enter_async_context(client.listen(prompts_list_changed=True))
        w.servers["srv"].change("tools", [tool("echo")])
        await w.until(lambda: "srv__change" not in w.gateway.live.current.entries["tools"])
        w.servers["srv"].change("prompts", [])
        assert isinstance(await anext(events), PromptsListChanged)
