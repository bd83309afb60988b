"""Whatever is advertised answers, and whatever is not answers that it does not exist (20)."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.shared.exceptions import MCPError

from magictunnel.catalog.model import Json
from magictunnel.config.model import ServerConfig, Transport
from tests.support.raw import Script, tool
from tests.support.rawclient import raw_client
from tests.support.world import PATIENCE, world

pytestmark = pytest.mark.anyio

METHOD_NOT_FOUND, INVALID_PARAMS = -32601, -32602

OFFERS: dict[str, list[Json]] = {
    "tools": [tool("echo")],
    "prompts": [{"name": "ask"}],
    "resources": [{"uri": "raw://one", "name": "one"}],
    "resourceTemplates": [{"uriTemplate": "raw://item/{id}", "name": "item"}],
}
"""All there is; each case keeps some of it."""

METHODS: dict[str, list[tuple[str, Json]]] = {
    "tools": [("tools/list", {}), ("tools/call", {"name": "srv__echo"})],
    "prompts": [("prompts/list", {}), ("prompts/get", {"name": "srv__ask"})],
    "resources": [
        ("resources/list", {}),
        ("resources/templates/list", {}),
        ("resources/read", {"uri": "raw://one"}),
        ("resources/read", {"uri": "raw://item/7"}),
    ],
    "completions": [
        ("completion/complete", {"ref": ref, "argument": {"name": "id", "value": "x"}})
        for ref in ({"type": "ref/prompt", "name": "srv__ask"}, {"type": "ref/resource", "uri": "raw://item/{id}"})
    ],
    "subscribe": [("resources/subscribe", {"uri": "raw://one"}), ("resources/unsubscribe", {"uri": "raw://one"})],
    "logging": [("logging/setLevel", {"level": "debug"})],
}
"""What each capability promises."""

HANDSHAKE_ONLY = ("subscribe", "logging")
"""What the stateless era does in another way: by listening, and by a level in each request."""

NEVER = [("tasks/list", {}), ("tasks/get", {"taskId": "x"}), ("no/such/method", {})]
"""What nobody here has."""

CASES = [
    ("tools",),
    ("tools", "prompts"),
    ("tools", "resources"),
    ("prompts",),
    ("tools", "prompts", "resources"),
    ("resources", "subscribe"),
    ("prompts", "logging"),
    ("tools", "prompts", "resources", "subscribe", "completions", "logging"),
    (),
]
WHOLE = CASES[-2]
BEYOND: Json = {"x": {"deep": [None]}}
"""What each server has beyond the core."""


def server(have: tuple[str, ...]) -> Script:
    """A server that can do just this, and something that nobody knows."""
    kinds = [kind for kind in OFFERS if kind in have or (kind == "resourceTemplates" and "resources" in have)]
    capabilities: Json = {name: {"listChanged": True} for name in ("tools", "prompts", "resources") if name in have}
    capabilities |= {name: {} for name in ("completions", "logging") if name in have}
    if "subscribe" in have:
        capabilities["resources"] |= {"subscribe": True}
    capabilities |= {"experimental": BEYOND}
    return Script(name="srv", offers={kind: OFFERS[kind] for kind in kinds}, capabilities=capabilities)


def names(said: Json) -> set[str]:
    """What is promised, by the names of the cases above."""
    promised = {name for name, what in said.items() if what is not None} - {"experimental"}
    return promised | ({"subscribe"} if said.get("resources", {}).get("subscribe") else set())


@pytest.mark.parametrize("have", CASES, ids="+".join)
async def test_the_advertised_answers_and_nothing_else_does(have: tuple[str, ...], client_era: str) -> None:
    with anyio.fail_after(PATIENCE):
        async with world([server(have)], over="http") as w, raw_client(w.port, client_era) as client:
            said = (await client.open())["capabilities"]
            assert names(said) == set(have)
            assert said["experimental"] == BEYOND
            for capability, requests in METHODS.items():
                for method, params in requests:
                    answer = await client.request(method, params)
                    if capability not in have or (client_era == "stateless" and capability in HANDSHAKE_ONLY):
                        assert answer["error"]["code"] == METHOD_NOT_FOUND, method
                    elif capability != "completions" or params["ref"]["type"] == "ref/prompt" or "resources" in have:
                        assert "result" in answer, (method, answer)
            for method, params in NEVER:
                assert (await client.request(method, params))["error"]["code"] == METHOD_NOT_FOUND, method


@pytest.mark.parametrize("front", ["memory", "http"])
@pytest.mark.parametrize("have", [CASES[2], CASES[3], WHOLE], ids="+".join)
async def test_what_a_client_is_told_is_what_servers_behind_can_do(
    have: tuple[str, ...], client_era: str, server_era: str, front: str
) -> None:
    script = server(have)
    script.era = server_era
    with anyio.fail_after(PATIENCE):
        async with AsyncExitStack() as stack:
            w = await stack.enter_async_context(world([script], over="http"))
            await w.until_ready()  # in memory the SDK asks what we can do before the client says anything
            client = await stack.enter_async_context(w.client(client_era, front))
            if client_era == "stateless":  # this client opened in a pinned revision: it has not asked yet
                said = (await client.session.send_discover("2026-07-28"))["capabilities"]
            else:
                said = client.server_capabilities.model_dump(by_alias=True, exclude_none=True)
            assert names(said) == set(have)
            assert all(said[name]["listChanged"] for name in ("tools", "prompts", "resources") if name in have)
            lists: dict[str, Any] = {
                "tools": client.list_tools,
                "prompts": client.list_prompts,
                "resources": client.list_resources,
            }
            for name, listed in lists.items():
                if name in have:
                    assert await listed()
                else:
                    with pytest.raises(MCPError) as refused:
                        await listed()
                    assert refused.value.code == METHOD_NOT_FOUND


async def test_completions_without_resources_refuse_the_reference_not_the_method(client_era: str) -> None:
    with anyio.fail_after(PATIENCE):
        async with (
            world([server(("prompts", "completions"))], over="http") as w,
            raw_client(w.port, client_era) as client,
        ):
            for ref in ({"type": "ref/resource", "uri": "raw://item/{id}"}, {"type": "ref/prompt", "name": "no"}):
                params = {"ref": ref, "argument": {"name": "id", "value": "x"}}
                assert (await client.request("completion/complete", params))["error"]["code"] == INVALID_PARAMS


async def test_the_union_of_servers_is_promised(client_era: str, tmp_path: Path) -> None:
    one, other = server(("tools",)), server(("prompts", "completions"))
    one.name, other.name = "one", "other"
    with anyio.fail_after(PATIENCE):
        async with world([one, other], tmp_path) as w, raw_client(w.port, client_era) as client:
            assert names((await client.open())["capabilities"]) == {"tools", "prompts", "completions"}


async def test_what_an_absent_server_might_bring_is_promised_and_answers(client_era: str) -> None:
    """A session that was told "no prompts" never asks again: so each is promised, and lists what there is."""
    gone = ServerConfig(type=Transport.STDIO, command="/no/such/command")
    async with AsyncExitStack() as stack:
        stack.enter_context(anyio.fail_after(PATIENCE))
        w = await stack.enter_async_context(world([server(("tools",))], over="http", more={"gone": gone}))
        client = await stack.enter_async_context(raw_client(w.port, client_era))
        assert names((await client.open())["capabilities"]) == set(WHOLE)
        for method in ("prompts/list", "resources/list", "resources/templates/list"):
            (found,) = [them for them in (await client.request(method))["result"].values() if isinstance(them, list)]
            assert found == []
        complete = {"ref": {"type": "ref/prompt", "name": "srv__ask"}, "argument": {"name": "a", "value": ""}}
        assert (await client.request("completion/complete", complete))["error"]["code"] == INVALID_PARAMS


def mute() -> Script:
    """A server that has a resource, and does not tell of its updates."""
    offers = {"resources": [{"uri": "raw://mute", "name": "mute"}]}
    return Script(name="mute", offers=offers, capabilities={"resources": {}})


async def test_a_stream_tells_of_lists_and_of_the_resources_that_their_server_tells_of(server_era: str) -> None:
    telling = server(("tools", "resources", "subscribe"))
    telling.era = server_era
    async with AsyncExitStack() as stack:
        stack.enter_context(anyio.fail_after(PATIENCE))
        w = await stack.enter_async_context(world([telling, mute()], over="http"))
        await w.until_ready()
        client = await stack.enter_async_context(w.client("stateless", "http"))
        uris = ["raw://mute", "raw://one", "raw://nobody-has-it"]
        asked = client.listen(tools_list_changed=True, resource_subscriptions=uris)
        events = await stack.enter_async_context(asked)
        assert events.honored.tools_list_changed
        assert events.honored.resource_subscriptions == ["raw://one"]


async def test_a_stream_that_is_opened_while_servers_start_tells_of_their_resources_too(server_era: str) -> None:
    telling = server(("tools", "resources", "subscribe"))
    telling.era = server_era
    telling.delay_on = {"resources/list": 0.5}
    async with AsyncExitStack() as stack:
        stack.enter_context(anyio.fail_after(PATIENCE))
        w = await stack.enter_async_context(world([telling], over="http"))
        client = await stack.enter_async_context(w.client("stateless", "http"))
        events = await stack.enter_async_context(client.listen(resource_subscriptions=["raw://one"]))
        assert events.honored.resource_subscriptions == ["raw://one"]
