"""Names that clash, or look as if they did: each call reaches its own server, a wrong one is told what to use (22)."""

from __future__ import annotations

import json

import anyio
import pytest
from mcp.client.client import Client
from mcp.shared.exceptions import MCPError

from magictunnel.catalog.model import Json
from magictunnel.catalog.names import Prefix
from magictunnel.config.model import Globs, Naming, ToolConfig
from tests.support.raw import Script, tool
from tests.support.world import PATIENCE, World, world

pytestmark = pytest.mark.anyio

INVALID_PARAMS = -32602


def server(name: str, *tools: str, prompts: tuple[str, ...] = ()) -> Script:
    return Script(
        name=name, offers={"tools": [tool(each) for each in tools], "prompts": [{"name": each} for each in prompts]}
    )


async def reached(client: Client, name: str) -> tuple[str, str]:
    """The server and tool that a call of `name` ends at."""
    said = json.loads((await client.call_tool(name, {})).content[0].text)
    return said["server"], said["tool"]


async def all_reached(client: Client) -> dict[str, tuple[str, str]]:
    return {item.name: await reached(client, item.name) for item in (await client.list_tools()).tools}


async def refusal(client: Client, name: str) -> tuple[str, str]:
    """Message and hint of the error that a call of `name` ends in."""
    with pytest.raises(MCPError) as refused:
        await client.call_tool(name, {})
    assert refused.value.code == INVALID_PARAMS
    assert refused.value.error.data["error"] == "unknown_entry"
    return refused.value.message, refused.value.error.data.get("hint", "")


async def test_an_underscore_on_either_side_of_the_separator(client_era: str) -> None:
    scripts = [server("acme_", "status"), server("acme", "_status", "status"), server("acme__", "status", "x__status")]
    with anyio.fail_after(PATIENCE):
        async with world(scripts, over="http") as w, w.client(client_era) as client:
            assert await all_reached(client) == {
                "acme___status_89cfbd8273": ("acme_", "status"),
                "acme___status": ("acme", "_status"),
                "acme__status": ("acme", "status"),
                "acme____status_a21cd479ed": ("acme__", "status"),
                "acme____x__status_3056b628e5": ("acme__", "x__status"),
            }


async def test_names_that_are_alike_once_they_are_made_legal() -> None:
    names = ["read.file", "read/file", "read file", "read_file", "réad_file", "読", "書", "a__read_file_956f34509a"]
    with anyio.fail_after(PATIENCE):
        async with world([server("a", *names)], over="http") as w, w.client() as client:
            found = await all_reached(client)
            assert sorted(original for _, original in found.values()) == sorted(names)
            assert found["a__read_file"] == ("a", "read_file")
            assert found["a__read_file_956f34509a"] == ("a", "read.file")


SAME = [server("one", "status", "mine", prompts=("ask",)), server("two", "status", "two__x", prompts=("ask", "tell"))]


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        (
            Prefix.ALWAYS,
            {"one__status": "one", "one__mine": "one", "two__status": "two", "two__two__x": "two"},
        ),
        (
            Prefix.ON_CONFLICT,
            {"one__status": "one", "mine": "one", "two__status": "two", "two__x": "two"},
        ),
        (
            Prefix.NEVER,
            {"status": "one", "mine": "one", "two__x": "two"},
        ),
    ],
)
async def test_each_way_of_prefixing(prefix: Prefix, expected: dict[str, str], client_era: str) -> None:
    with anyio.fail_after(PATIENCE):
        async with world(SAME, over="http", naming=Naming(prefix=prefix)) as w, w.client() as client:
            found = await all_reached(client)
            assert {name: owner for name, (owner, _) in found.items()} == expected
            # Whatever is shown, the prefixed name reaches its own server.
            for owner, name in (("one", "status"), ("one", "mine"), ("two", "status"), ("two", "two__x")):
                assert await reached(client, f"{owner}__{name}") == (owner, name)
            assert await reached(client, "mine") == ("one", "mine")
            prompts = [item.name for item in (await client.list_prompts()).prompts]
            assert len(prompts) == (2 if prefix is Prefix.NEVER else 3)
            assert (await client.get_prompt("two__ask")).messages[0].content.text == "ask of two"
            assert (await client.get_prompt("tell")).messages[0].content.text == "tell of two"


async def test_a_lost_clash_is_told() -> None:
    with anyio.fail_after(PATIENCE):
        async with world(SAME, over="http", naming=Naming(prefix=Prefix.NEVER)) as w:
            await w.until_ready()
            clashes = w.gateway.live.current.conflicts
            assert [(clash.name, clash.backends) for clash in clashes] == [
                ("status", ("one", "two")),
                ("ask", ("one", "two")),
            ]
            assert all("'two' is reached by its prefixed name only" in clash.outcome for clash in clashes)


async def test_a_bare_name_is_taken_where_one_server_has_it_and_refused_where_several_do(client_era: str) -> None:
    with anyio.fail_after(PATIENCE):
        async with world(SAME, over="http") as w, w.client(client_era) as client:
            assert await reached(client, "mine") == ("one", "mine")
            message, hint = await refusal(client, "status")
            assert message == "Unknown tool: status"
            assert hint == "several servers have it: use one__status or two__status"
            _, hint = await refusal(client, "one__statsu")
            assert "one__status" in hint
            assert await refusal(client, "nothing like it at all") == ("Unknown tool: nothing like it at all", "")


async def test_a_bare_name_stops_being_one_when_another_server_brings_it() -> None:
    with anyio.fail_after(PATIENCE):
        async with world(SAME, over="http") as w, w.client() as client:
            assert await reached(client, "mine") == ("one", "mine")
            await w.until_ready()
            await w.until(lambda: bool(w.servers["two"].listeners))
            w.servers["two"].change("tools", [tool("mine")])
            await w.until(lambda: "two__mine" in names(w))
            _, hint = await refusal(client, "mine")
            assert hint == "several servers have it: use one__mine or two__mine"
            assert await reached(client, "one__mine") == ("one", "mine")
            assert await reached(client, "two__mine") == ("two", "mine")


def names(w: World) -> list[str]:
    return [name for of_kind in w.gateway.live.current.entries.values() for name in of_kind]


async def test_a_person_renames_redescribes_and_switches_off() -> None:
    tools = {
        "status": ToolConfig(name="how_is_one", description="Ask this first."),
        "mine": ToolConfig(enabled=False),
        "gone": ToolConfig(name="never_was"),
    }
    settings: dict[str, Json] = {"one": {"tools": tools}, "two": {"tools": {"status": ToolConfig(name="one__status")}}}
    with anyio.fail_after(PATIENCE):
        async with world(SAME, over="http", settings=settings) as w, w.client() as client:
            found = await all_reached(client)
            assert found == {
                "how_is_one": ("one", "status"),
                "one__status": ("two", "status"),
                "two__two__x": ("two", "two__x"),
            }
            described = {item.name: item.description for item in (await client.list_tools()).tools}
            assert described["how_is_one"] == "Ask this first."
            assert described["one__status"] == "does status"
            for name in ("mine", "one__mine", "never_was"):
                await refusal(client, name)


async def test_two_renames_to_one_name_do_not_swallow_a_tool() -> None:
    same = {"tools": {"status": ToolConfig(name="same")}}
    with anyio.fail_after(PATIENCE):
        async with world(SAME, over="http", settings={"one": same, "two": same}) as w, w.client() as client:
            assert await reached(client, "same") == ("one", "status")
            assert await reached(client, "two__status") == ("two", "status")
            assert [clash.name for clash in w.gateway.live.current.conflicts] == ["same"]


async def test_an_alias_stands_for_a_server() -> None:
    settings: dict[str, Json] = {"one": {"alias": "two"}, "two": {"alias": "one"}}
    with anyio.fail_after(PATIENCE):
        async with world(SAME, over="http", settings=settings) as w, w.client() as client:
            assert await reached(client, "two__status") == ("one", "status")
            assert await reached(client, "one__status") == ("two", "status")
            assert (await client.get_prompt("one__ask")).messages[0].content.text == "ask of two"


async def test_only_what_is_included_and_not_excluded_can_be_called() -> None:
    settings: dict[str, Json] = {
        "one": {"include": Globs(tools=("s*",))},
        "two": {"exclude": Globs(tools=("two__*",), prompts=("*",)), "tools": {"status": ToolConfig(enabled=False)}},
    }
    with anyio.fail_after(PATIENCE):
        async with world(SAME, over="http", settings=settings) as w, w.client() as client:
            assert await all_reached(client) == {"one__status": ("one", "status")}
            assert [item.name for item in (await client.list_prompts()).prompts] == ["one__ask"]
            assert await reached(client, "status") == ("one", "status")
            for name in ("mine", "one__mine", "two__status", "two__two__x", "two__x"):
                await refusal(client, name)
            with pytest.raises(MCPError):
                await client.get_prompt("tell")


async def test_a_server_that_is_switched_off_is_not_reached() -> None:
    settings: dict[str, Json] = {"two": {"enabled": False}}
    with anyio.fail_after(PATIENCE):
        async with world(SAME, over="http", settings=settings) as w, w.client() as client:
            assert set(await all_reached(client)) == {"one__status", "one__mine"}
            await refusal(client, "two__status")
            assert w.servers["two"].received == []
