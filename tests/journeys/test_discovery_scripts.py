"""Scripts that call tools: as their caller, through the whole pipeline, with nothing else in reach."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import anyio
import pytest

pytest.importorskip("pydantic_monty")

from magictunnel.catalog.model import Entry, Kind
from magictunnel.config.discovery import CodeConfig, DiscoveryConfig, Mode
from tests.journeys.test_discovery import ask, calls, refused, searching
from tests.journeys.test_discovery_passes_through import seated
from tests.support.raw import Json, Script, tool
from tests.support.world import ERAS, PATIENCE

pytestmark = pytest.mark.anyio

CODE = DiscoveryConfig(mode=Mode.SEARCH, code=CodeConfig(enabled=True))


def value(result: Any) -> Any:
    """What a script came to."""
    assert not result.is_error, result.content
    return (result.structured_content or {})["result"]


@pytest.mark.parametrize("era", ERAS)
async def test_a_script_calls_tools_and_only_what_it_says_comes_back(
    era: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="magictunnel.pipeline.log")
    script = """
sky = (await weather__get_forecast())["sky"]
for number in range(3):
    await tracker__delete_issue(number=number)
sky.upper()
"""
    async with searching(era, discovery=CODE) as (here, client):
        listed = [one.name for one in (await client.list_tools()).tools]
        assert listed[-1] == "run_script"

        assert value(await client.call_tool("run_script", {"code": script})) == "GREY"
        assert calls(here, "tracker") == [{"number": number} for number in range(3)]

    logged = re.findall(r"\[(\w+)\] tools/call (\w+) by", caplog.text)
    assert [name for _, name in logged] == ["weather__get_forecast", *["tracker__delete_issue"] * 3, "run_script"]
    assert len({number for number, _ in logged}) == 5


@pytest.mark.parametrize("era", ERAS)
async def test_what_a_caller_may_not_use_is_unknown_to_its_script(era: str) -> None:
    def rights(_caller: Any) -> Any:
        return lambda entry: entry.backend != "tracker"

    async with searching(era, discovery=CODE, rights=rights) as (here, client):
        why = await refused(client, "run_script", code="await tracker__delete_issue(number=1)")

        assert "tracker__delete_issue" in why
        assert calls(here, "tracker") == []


async def test_what_is_disabled_is_unknown_to_scripts_and_they_can_be_disabled_themselves() -> None:
    async with searching("stateless", discovery=CODE, visibility={"*__delete_*": "disabled"}) as (here, client):
        await refused(client, "run_script", code="await tracker__delete_issue(number=1)")
        assert calls(here, "tracker") == []
    async with searching("stateless", discovery=CODE, visibility={"run_script": "disabled"}) as (_, client):
        with pytest.raises(Exception, match="Unknown tool: run_script"):
            await client.call_tool("run_script", {"code": "1"})


async def test_scripts_are_off_unless_somebody_wants_them() -> None:
    async with searching("stateless") as (here, client):
        assert "run_script" not in here.gateway.live.current.guides
        assert "run_script" not in [one.name for one in (await client.list_tools()).tools]


async def test_our_own_tools_are_no_functions_of_a_script() -> None:
    async with searching("stateless", discovery=CODE) as (_, client):
        assert "run_script" in await refused(client, "run_script", code="await run_script(code='1')")


async def test_signatures_come_with_descriptions() -> None:
    async with searching("stateless", discovery=CODE) as (_, client):
        said = await ask(client, "describe_tools", names=["tracker__create_issue"])

        assert "async def tracker__create_issue(" in said["signatures"]


@pytest.mark.parametrize(("client_era", "server_era"), [(client, server) for client in ERAS for server in ERAS])
async def test_a_tool_that_asks_is_answered_in_the_midst_of_a_script(client_era: str, server_era: str) -> None:
    async with seated(client_era, server_era) as (w, client, seat, talker):
        w.gateway.apply(w.gateway.config.model_copy(update={"discovery": CODE}))
        result = await client.call_tool("run_script", {"code": "await talk__elicit(nonce='s1')"})
        said: Json = value(result)
        told = json.loads(said) if isinstance(said, str) else said

        assert told["content"] == {"word": "quiet"}
        assert seat.asked == ["Say s1"]
        assert talker.fates == {"s1": "answered"}


@pytest.mark.parametrize("client_era", ERAS)
async def test_a_script_that_is_given_up_ends_with_the_calls_it_made(client_era: str) -> None:
    async with seated(client_era, "handshake") as (w, client, _seat, talker):
        w.gateway.apply(w.gateway.config.model_copy(update={"discovery": CODE}))
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.call_tool, "run_script", {"code": "await talk__slow(nonce='s2')"})
                await w.until(lambda: talker.fates.get("s2") == "under way")
                tasks.cancel_scope.cancel()
            await w.until(lambda: talker.fates.get("s2") == "cancelled")


async def test_many_tools_are_no_burden() -> None:
    script = Script("many", offers={"tools": [tool(f"t{number}") for number in range(300)]})
    async with searching("stateless", script, discovery=CODE) as (here, client):
        await here.until_ready()
        found: list[Entry] = list(here.gateway.live.current.of(Kind.TOOL).values())
        assert len(found) == 300
        assert "t7" in str(value(await client.call_tool("run_script", {"code": "await many__t7()"})))


@pytest.mark.parametrize("client_era", ERAS)
async def test_one_client_leaves_room_for_the_scripts_of_others(client_era: str) -> None:
    from mcp.client.client import Client
    from mcp_types import Implementation

    async with seated(client_era, "handshake") as (w, client, _seat, talker):
        w.gateway.apply(w.gateway.config.model_copy(update={"discovery": CODE}))
        async with anyio.create_task_group() as tasks:
            for number in range(2):
                tasks.start_soon(client.call_tool, "run_script", {"code": f"await talk__slow(nonce='s{number}')"})
            await w.until(lambda: [talker.fates.get(f"s{number}") for number in range(2)] == ["under way"] * 2)
            assert "try again" in await refused(client, "run_script", code="1 + 1")
            async with Client(w.front, client_info=Implementation(name="other", version="1"), cache=None) as other:
                assert value(await other.call_tool("run_script", {"code": "1 + 1"})) == 2
            tasks.cancel_scope.cancel()
        with anyio.fail_after(PATIENCE):
            while (await client.call_tool("run_script", {"code": "1 + 1"})).is_error:
                await anyio.sleep(0.05)
            await w.front.handlers.idle()  # the SDK's client takes an answer that comes while it closes for an error
