"""Names too long for hosts are shortened: legally, for good, and leading to the right tool (21)."""

from __future__ import annotations

import json
import re

import anyio
import pytest

from magictunnel.config.model import Naming
from tests.support.raw import Script, tool
from tests.support.world import PATIENCE, World, world

pytestmark = pytest.mark.anyio

SERVER = "server-" + "s" * 83
TOOLS = ["tool_" + "t" * 84 + end for end in "abc"]
"""90 characters each; the tools differ in the last one alone."""
NAMES = [
    "server-sssssssssssssssssss__tool_tttttttttttttttttttt_67b54c47e5",
    "server-sssssssssssssssssss__tool_tttttttttttttttttttt_0283f41563",
    "server-sssssssssssssssssss__tool_tttttttttttttttttttt_9a90612a32",
]
"""Pinned: a host's permissions hang on them."""


def servers() -> list[Script]:
    tools = [tool(name) for name in TOOLS]
    return [
        Script(name=SERVER, offers={"tools": tools, "prompts": [{"name": TOOLS[0]}]}),
        Script(name=SERVER + "2", offers={"tools": tools}),
        Script(name="short", offers={"tools": [tool("t"), *tools]}),
    ]


async def listed(w: World, era: str) -> dict[str, tuple[str, str]]:
    """Name -> (server, tool) that a call of it really reaches."""
    reached: dict[str, tuple[str, str]] = {}
    async with w.client(era) as client:
        for item in (await client.list_tools()).tools:
            said = json.loads((await client.call_tool(item.name, {})).content[0].text)
            reached[item.name] = (said["server"], said["tool"])
    return reached


@pytest.mark.parametrize("limit", [64, 32, 128])
async def test_names_fit_are_legal_and_reach_their_own_tool(client_era: str, limit: int) -> None:
    with anyio.fail_after(PATIENCE):
        async with world(servers(), over="http", naming=Naming(max_length=limit)) as w:
            reached = await listed(w, client_era)
            assert set(reached.values()) == {
                (one.name, each["name"]) for one in servers() for each in one.offers["tools"]
            }
            assert len(reached) == 10
            assert all(re.fullmatch(rf"[A-Za-z0-9_-]{{1,{limit}}}", name) for name in reached)
            assert reached["short__t"] == ("short", "t")


async def test_names_are_the_same_after_a_restart_and_in_another_order() -> None:
    with anyio.fail_after(PATIENCE):
        async with world(servers(), over="http") as w:
            first = await listed(w, "stateless")
        turned = servers()[::-1]
        for one in turned:
            one.offers["tools"].reverse()
        async with world(turned, over="http") as w:
            assert await listed(w, "handshake") == first
        names = {pair: name for name, pair in first.items()}
        assert [names[SERVER, name] for name in TOOLS] == NAMES


async def test_a_long_prompt_name_is_shortened_alike(client_era: str) -> None:
    with anyio.fail_after(PATIENCE):
        async with world(servers()[:1], over="http") as w, w.client(client_era) as client:
            (prompt,) = (await client.list_prompts()).prompts
            assert prompt.name == NAMES[0]
            got = await client.get_prompt(prompt.name)
            assert got.messages[0].content.text == f"{TOOLS[0]} of {SERVER}"
