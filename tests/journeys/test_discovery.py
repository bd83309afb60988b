"""Finding the right one of many tools, and calling it: for clients of both eras, within the rights of each.

Failure mode 36: what is denied is unreachable by name, search, call_tool, code and prompts; the effect of a call is
visible to the host.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp.client.client import Client
from mcp.shared.exceptions import MCPError

from magictunnel.catalog.model import Entry, Json
from magictunnel.config.discovery import DiscoveryConfig, Mode
from tests.support.raw import Script, text, tool
from tests.support.world import ERAS, World, world

pytestmark = pytest.mark.anyio

READS = {"annotations": {"readOnlyHint": True}}
WRITES = {"annotations": {"readOnlyHint": False, "destructiveHint": False}}
SEARCH = DiscoveryConfig(mode=Mode.SEARCH)
DOORS = ("call_read_tool", "call_write_tool", "call_destructive_tool")


def schema(*required: str, **properties: Json) -> Json:
    return {"inputSchema": {"type": "object", "properties": properties, "required": list(required)}}


ISSUES = Script(
    "tracker",
    offers={
        "tools": [
            tool("list_issues", description="List the issues of a repository", **READS)
            | schema("repo", repo={"type": "string", "description": "The repository, as owner/name"}),
            tool("create_issue", description="Open a new issue in a repository", **WRITES)
            | schema(
                "repo",
                "title",
                repo={"type": "string", "description": "The repository, as owner/name"},
                title={"type": "string", "description": "Title of the issue"},
            ),
            tool("delete_issue", description="Delete an issue for good")
            | schema("number", number={"type": "integer", "description": "Number of the issue"}),
        ],
        "prompts": [{"name": "triage", "description": "Triage the open issues"}],
        "resources": [{"uri": "issues://open", "name": "open issues", "description": "All open issues"}],
    },
    instructions="Issues of repositories.",
)
WEATHER = Script(
    "weather",
    offers={"tools": [tool("get_forecast", description="Weather forecast for a city", **READS)]},
    answers={"tools/call get_forecast": text("rain", structuredContent={"sky": "grey"}, **{"x-more": 1})},
)


@asynccontextmanager
async def searching(era: str, *scripts: Script, **keys: Any) -> AsyncIterator[tuple[World, Client]]:
    """A gateway whose clients search, and one of them."""
    found = {"discovery": SEARCH} | keys
    async with world(scripts or (ISSUES, WEATHER), over="http", **found) as here, here.client(era) as client:
        yield here, client


def calls(here: World, server: str) -> list[Json]:
    """The arguments of every call that reached a server, in order."""
    received = here.servers[server].received
    return [message["params"].get("arguments") for message in received if message.get("method") == "tools/call"]


async def ask(client: Client, tool_name: str, /, **arguments: Any) -> Json:
    """What one of our own tools says."""
    result = await client.call_tool(tool_name, arguments)
    assert not result.is_error, result.content
    said = result.structured_content
    assert isinstance(said, dict)
    return said


async def refused(client: Client, tool_name: str, /, **arguments: Any) -> str:
    """Why one of our own tools does not do something."""
    result = await client.call_tool(tool_name, arguments)
    assert result.is_error
    return str(getattr(result.content[0], "text", ""))


def first(said: Json) -> str:
    name = said["found"][0]["name"]
    assert isinstance(name, str)
    return name


# --- what is listed


@pytest.mark.parametrize("era", ERAS)
async def test_who_searches_is_shown_how_and_told_where(era: str) -> None:
    async with searching(era) as (_, client):
        listed = [one.name for one in (await client.list_tools()).tools]

        assert listed == ["find_tools", "describe_tools", *DOORS, "smart_tool_discovery"]
        if era == "handshake":
            assert "- tracker (3): Issues of repositories." in (client.instructions or "")
        assert [one.name for one in (await client.list_prompts()).prompts] == ["tracker__triage"]


@pytest.mark.parametrize("era", ERAS)
async def test_a_few_tools_are_listed_as_they_are_and_those_that_search_answer_all_the_same(era: str) -> None:
    async with searching(era, discovery=DiscoveryConfig()) as (_, client):
        listed = [one.name for one in (await client.list_tools()).tools]

        assert "tracker__list_issues" in listed
        assert "find_tools" not in listed
        assert first(await ask(client, "find_tools", request="weather forecast for Paris")) == "weather__get_forecast"


@pytest.mark.parametrize("era", ERAS)
async def test_with_discovery_off_there_are_no_tools_of_ours(era: str) -> None:
    async with searching(era, discovery=DiscoveryConfig(mode=Mode.OFF)) as (_, client):
        assert len((await client.list_tools()).tools) == 4
        with pytest.raises(MCPError, match="Unknown tool: find_tools"):
            await client.call_tool("find_tools", {"request": "x"})


# --- find and describe


@pytest.mark.parametrize("era", ERAS)
async def test_what_is_wanted_is_found_with_reasons_and_how_to_call_it(era: str) -> None:
    async with searching(era) as (_, client):
        said = await ask(client, "find_tools", request="show me the issues of acme/web")
        best = said["found"][0]

        assert best["name"] == "tracker__list_issues"
        assert best["use"] == "call_read_tool"
        assert "issues" in best["matched"]
        assert best["why"]
        assert 0 <= best["confidence"] <= 1
        assert best["arguments"] == ["repo*: string"]
        assert said["mode"] == "lexical"


async def test_the_answer_is_as_long_as_was_asked_for() -> None:
    async with searching("stateless") as (_, client):
        names = await ask(client, "find_tools", request="issues", detail="name", limit=2)
        full = await ask(client, "find_tools", request="issues", detail="full", limit=1)

        assert [set(one) for one in names["found"]] == [{"name", "score", "confidence", "use"}] * 2
        (only,) = full["found"]
        assert only["definition"]["inputSchema"]["type"] == "object"


async def test_a_search_keeps_to_the_server_and_the_kind_it_is_for() -> None:
    async with searching("stateless") as (_, client):
        of_weather = await ask(client, "find_tools", request="issues", server="weather")
        prompts = await ask(client, "find_tools", request="triage issues", kind="prompt")
        resources = await ask(client, "find_tools", request="open issues", kind="resource")

        assert {one["server"] for one in of_weather["found"]} <= {"weather"}
        assert [(one["name"], one["use"]) for one in prompts["found"]] == [("tracker__triage", "prompts/get")]
        assert [(one["name"], one["use"]) for one in resources["found"]] == [("issues://open", "resources/read")]
        assert "there is no server 'wether'" in await refused(client, "find_tools", request="x", server="wether")


async def test_descriptions_are_whole_and_come_with_what_their_server_says() -> None:
    async with searching("stateless") as (_, client):
        said = await ask(client, "describe_tools", names=["tracker__create_issue", "no_such"])

        (described,) = said["tools"]
        assert described["use"] == "call_write_tool"
        assert described["definition"]["inputSchema"]["required"] == ["repo", "title"]
        assert said["servers_say"] == {"tracker": "Issues of repositories."}
        assert said["unknown"] == ["no_such"]


async def test_a_tool_that_has_gone_is_not_found_any_more() -> None:
    async with searching("stateless") as (here, client):
        assert first(await ask(client, "find_tools", request="list issues")) == "tracker__list_issues"
        here.servers["tracker"].change("tools", [tool("something_else")])
        await here.until(lambda: "tracker__something_else" in [entry.name for entry in tools_of(here)])
        said = await ask(client, "find_tools", request="list issues", limit=50)

        assert not [one for one in said["found"] if one["name"] == "tracker__list_issues"]


def tools_of(here: World) -> list[Entry]:
    from magictunnel.catalog.model import Kind

    return list(here.gateway.live.current.of(Kind.TOOL).values())


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({}, "request"),
        ({"request": ""}, "request"),
        ({"request": "x" * 10_001}, "request"),
        ({"request": 5}, "request"),
        ({"request": "x", "limit": 0}, "limit"),
        ({"request": "x", "limit": "5"}, "limit"),
        ({"request": "x", "detail": "all"}, "detail"),
        ({"request": "x", "sever": "y"}, "sever"),
    ],
)
async def test_what_cannot_be_meant_is_told_as_a_result(arguments: Json, why: str) -> None:
    async with searching("stateless") as (_, client):
        assert why in await refused(client, "find_tools", **arguments)


# --- call by name, by effect


@pytest.mark.parametrize("era", ERAS)
async def test_each_door_lets_its_own_sort_of_tool_through_once(era: str) -> None:
    own = dict(zip(DOORS, ("list_issues", "create_issue", "delete_issue"), strict=True))
    async with searching(era) as (here, client):
        for door in DOORS:
            for other, name in own.items():
                result = await client.call_tool(door, {"name": f"tracker__{name}", "arguments": {"repo": door}})
                assert result.is_error is (door != other)
                if door != other:
                    assert f"use {other}" in str(result.content)
        assert calls(here, "tracker") == [{"repo": door} for door in DOORS]


@pytest.mark.parametrize("era", ERAS)
async def test_a_result_comes_back_as_a_direct_call_has_it(era: str) -> None:
    async with searching(era) as (_, client):
        direct = await client.call_tool("weather__get_forecast", {})
        found = await client.call_tool("call_read_tool", {"name": "weather__get_forecast"})

        assert found.model_dump() == direct.model_dump()


async def test_our_own_tools_are_not_called_through_one_another() -> None:
    async with searching("stateless") as (_, client):
        assert "call it directly" in await refused(
            client, "call_destructive_tool", name="smart_tool_discovery", arguments={"request": "x"}
        )


# --- smart


@pytest.mark.parametrize("era", ERAS)
async def test_a_clear_request_is_filled_and_called_once(era: str) -> None:
    async with searching(era) as (here, client):
        result = await client.call_tool(
            "smart_tool_discovery", {"request": 'create an issue titled "It is broken" in repository acme/web'}
        )

        assert not result.is_error
        assert calls(here, "tracker") == [{"repo": "acme/web", "title": "It is broken"}]
        told = (result.meta or {})["magictunnel/discovery"]
        assert told["tool"] == "tracker__create_issue"
        assert told["from"]["title"]["text"] == '"It is broken"'


async def test_below_the_threshold_nothing_runs_and_a_question_comes_back() -> None:
    async with searching("stateless") as (here, client):
        said = await ask(client, "smart_tool_discovery", request="issue stuff", confidence_threshold=1.0)

        assert said["called"] is False
        assert said["question"].endswith("?")
        assert said["candidates"]
        assert calls(here, "tracker") == []


async def test_what_nothing_does_is_not_done() -> None:
    async with searching("stateless") as (here, client):
        said = await ask(client, "smart_tool_discovery", request="book a table for two at an Italian restaurant")

        assert said["called"] is False
        assert not calls(here, "tracker")
        assert not calls(here, "weather")


async def test_a_dry_run_only_tells() -> None:
    async with searching("stateless") as (here, client):
        said = await ask(client, "smart_tool_discovery", request="list the issues of acme/web", dry_run=True)

        assert said["would_call"]["tool"] == "tracker__list_issues"
        assert said["would_call"]["arguments"] == {"repo": "acme/web"}
        assert calls(here, "tracker") == []


async def test_arguments_that_are_given_win_and_wrong_ones_are_refused() -> None:
    async with searching("stateless") as (here, client):
        words = "list the issues of acme/web"
        await client.call_tool("smart_tool_discovery", {"request": words, "arguments": {"repo": "acme/api"}})
        assert calls(here, "tracker") == [{"repo": "acme/api"}]

        why = await refused(client, "smart_tool_discovery", request=words, arguments={"repo": 5})
        assert "repo" in why
        assert len(calls(here, "tracker")) == 1


async def test_what_is_missing_is_named_to_a_client_that_cannot_be_asked() -> None:
    async with searching("stateless") as (here, client):
        said = await ask(client, "smart_tool_discovery", request="list the issues of a repository")

        assert said["called"] is False
        assert said["missing"] == ["repo"]
        assert calls(here, "tracker") == []


async def test_values_may_stand_in_what_was_said_before() -> None:
    async with searching("stateless") as (here, client):
        request = {"request": "list the issues of the repository", "context": "The repository is acme/web."}
        await client.call_tool("smart_tool_discovery", request)

        assert calls(here, "tracker") == [{"repo": "acme/web"}]


async def test_of_several_steps_the_first_is_called_and_the_next_suggested() -> None:
    async with searching("stateless") as (here, client):
        request = "list the issues of acme/web, then get the weather forecast for Paris"
        result = await client.call_tool("smart_tool_discovery", {"request": request})

        assert calls(here, "tracker") == [{"repo": "acme/web"}]
        assert calls(here, "weather") == []
        suggested = (result.meta or {})["magictunnel/discovery"]["suggestions"]
        assert suggested["these_are_only_suggestions"] is True
        assert suggested["next_steps"][0]["candidates"][0]["name"] == "weather__get_forecast"


# --- rights


def not_the_tracker(entry: Entry) -> bool:
    return entry.backend != "tracker"


@pytest.mark.parametrize("era", ERAS)
async def test_what_a_caller_may_not_use_is_invisible_through_every_door(era: str) -> None:
    async with searching(era, rights=lambda _caller: not_the_tracker) as (here, client):
        listed = await ask(client, "find_tools", request="list create delete issues triage", limit=50, kind="any")
        assert not [one for one in listed.get("found", []) if "tracker" in one["server"]]
        assert "tracker" not in (client.instructions or "")
        assert (await client.list_prompts()).prompts == []
        described = await client.call_tool("describe_tools", {"names": ["tracker__list_issues"]})
        assert described.is_error
        for door in DOORS:
            unknown = await refused(client, door, name="tracker__list_issues")
            assert unknown.replace("tracker__list_issues", "x") == (await refused(client, door, name="x"))
        smart = await ask(client, "smart_tool_discovery", request="list the issues of acme/web", confidence_threshold=0)
        assert not [one for one in smart.get("candidates", []) if one["server"] == "tracker"]
        assert "list_issues" not in await refused(client, "find_tools", request="x", server="tracker")
        with pytest.raises(MCPError, match="Unknown tool"):
            await client.call_tool("tracker__list_issues", {"repo": "x"})
        assert calls(here, "tracker") == []


async def test_two_clients_with_different_rights_get_different_answers() -> None:
    def rights(caller: Any) -> Any:
        return not_the_tracker if caller.name == "guest" else (lambda _entry: True)

    from mcp_types import Implementation

    async with world((ISSUES, WEATHER), over="http", discovery=SEARCH, rights=rights) as here:
        answers = []
        for name in ("guest", "owner"):
            async with Client(here.front, client_info=Implementation(name=name, version="1"), cache=None) as client:
                said = await ask(client, "find_tools", request="list issues")
                answers.append({one["name"] for one in said["found"]})
        guest, owner = answers

        assert "tracker__list_issues" in owner
        assert not {name for name in guest if name.startswith("tracker")}


@pytest.mark.parametrize("era", ERAS)
async def test_what_is_disabled_is_gone_for_everybody(era: str) -> None:
    async with searching(era, visibility={"tracker__delete_*": "disabled"}) as (here, client):
        said = await ask(client, "find_tools", request="delete an issue", limit=50)
        assert not [one for one in said["found"] if one["name"] == "tracker__delete_issue"]
        assert "Unknown tool" in await refused(client, "call_destructive_tool", name="tracker__delete_issue")
        assert calls(here, "tracker") == []


async def test_what_is_always_listed_is_so_beside_the_search() -> None:
    async with searching("stateless", visibility={"weather__*": "listed", "run_*": "listed"}) as (_, client):
        assert [one.name for one in (await client.list_tools()).tools][-1] == "weather__get_forecast"


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ("don't delete issue 5", "not to be done"),
        ("delete issue 5 in acme/web", "'acme/web'"),
    ],
)
async def test_what_was_only_half_understood_is_not_done(request_: str, why: str) -> None:
    async with searching("stateless") as (here, client):
        said = await ask(client, "smart_tool_discovery", request=request_, confidence_threshold=0)

        assert said["called"] is False
        assert why in said["why"]
        assert calls(here, "tracker") == []


async def test_arguments_that_are_none_of_the_tools_are_refused() -> None:
    async with searching("stateless") as (here, client):
        words = "delete issue 5"
        why = await refused(
            client, "smart_tool_discovery", request=words, arguments={"nubmer": 5}, confidence_threshold=0
        )

        assert "nubmer" in why
        assert "its arguments are number" in why
        assert calls(here, "tracker") == []


async def test_a_request_of_several_steps_is_answered_as_a_whole_and_step_by_step() -> None:
    async with searching("stateless") as (_, client):
        request = "list the issues of acme/web, then get the weather forecast for Paris"
        said = await ask(client, "find_tools", request=request)

        assert {"tracker__list_issues", "weather__get_forecast"} <= {one["name"] for one in said["found"]}
        steps = [(step["step"], step["found"][0]["name"]) for step in said["steps"]]
        assert [name for _, name in steps] == ["tracker__list_issues", "weather__get_forecast"]
        assert steps[0][0] == "list the issues of acme/web"
