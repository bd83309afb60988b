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
}
"""What each capability promises."""

NEVER = [
    ("resources/subscribe", {"uri": "raw://one"}),
    ("resources/unsubscribe", {"uri": "raw://one"}),
    ("logging/setLevel", {"level": "debug"}),
    ("tasks/list", {}),
    ("no/such/method", {}),
]
"""What is not served yet, or at all."""

CASES = [
    ("tools",),
    ("tools", "prompts"),
    ("tools", "resources"),
    ("prompts",),
    ("tools", "prompts", "resources"),
    ("tools", "prompts", "resources", "completions"),
    (),
]


def server(have: tuple[str, ...]) -> Script:
    """A server that can do just this, and advertises more of it than we serve."""
    kinds = [kind for kind in OFFERS if kind in have or (kind == "resourceTemplates" and "resources" in have)]
    capabilities: Json = {name: {"listChanged": True} for name in have if name != "completions"}
    if "completions" in have:
        capabilities["completions"] = {}
    if "resources" in have:
        capabilities["resources"] |= {"subscribe": True}
    capabilities |= {"logging": {}, "experimental": {"x": {}}}
    return Script(name="srv", offers={kind: OFFERS[kind] for kind in kinds}, capabilities=capabilities)


@pytest.mark.parametrize("have", CASES, ids="+".join)
async def test_the_advertised_answers_and_nothing_else_does(have: tuple[str, ...], client_era: str) -> None:
    with anyio.fail_after(PATIENCE):
        async with world([server(have)], over="http") as w, raw_client(w.port, client_era) as client:
            said = (await client.open())["capabilities"]
            promised = {name for name, what in said.items() if what is not None}
            assert promised == set(have)
            for capability, requests in METHODS.items():
                for method, params in requests:
                    answer = await client.request(method, params)
                    if capability not in have:
                        assert answer["error"]["code"] == METHOD_NOT_FOUND, method
                    elif capability != "completions" or params["ref"]["type"] == "ref/prompt" or "resources" in have:
                        assert "result" in answer, (method, answer)
            for method, params in NEVER:
                assert (await client.request(method, params))["error"]["code"] == METHOD_NOT_FOUND, method


@pytest.mark.parametrize("front", ["memory", "http"])
@pytest.mark.parametrize("have", [CASES[2], CASES[3], CASES[5]], ids="+".join)
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
            assert set(said) == set(have)
            assert all(said[name].get("listChanged") for name in said if name != "completions")
            assert not said.get("resources", {}).get("subscribe")
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
            assert set((await client.open())["capabilities"]) == {"tools", "prompts", "completions"}


async def test_what_an_absent_server_might_bring_is_promised_and_answers(client_era: str) -> None:
    """A session that was told "no prompts" never asks again: so each is promised, and lists what there is."""
    gone = ServerConfig(type=Transport.STDIO, command="/no/such/command")
    async with AsyncExitStack() as stack:
        stack.enter_context(anyio.fail_after(PATIENCE))
        w = await stack.enter_async_context(world([server(("tools",))], over="http", more={"gone": gone}))
        client = await stack.enter_async_context(raw_client(w.port, client_era))
        assert set((await client.open())["capabilities"]) == {"tools", "prompts", "resources", "completions"}
        for method in ("prompts/list", "resources/list", "resources/templates/list"):
            (found,) = [them for them in (await client.request(method))["result"].values() if isinstance(them, list)]
            assert found == []
        complete = {"ref": {"type": "ref/prompt", "name": "srv__ask"}, "argument": {"name": "a", "value": ""}}
        assert (await client.request("completion/complete", complete))["error"]["code"] == INVALID_PARAMS


async def test_listening_is_served_where_list_changes_are_promised() -> None:
    async with AsyncExitStack() as stack:
        stack.enter_context(anyio.fail_after(PATIENCE))
        w = await stack.enter_async_context(world([server(("tools",))], over="http"))
        client = await stack.enter_async_context(w.client("stateless", "http"))
        asked = client.listen(tools_list_changed=True, resource_subscriptions=["raw://one"])
        events = await stack.enter_async_context(asked)
        assert events.honored.tools_list_changed
        assert not events.honored.resource_subscriptions
