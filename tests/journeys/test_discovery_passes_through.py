"""What a tool tells, asks and takes its time for reaches the caller as in a direct call, when it is called through
another tool: in all four combinations of eras.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp.client.client import Client
from mcp.shared.exceptions import MCPError

from magictunnel.catalog.model import Json
from magictunnel.config.discovery import DiscoveryConfig, FillerConfig, FillerType, Mode
from magictunnel.config.model import ServerConfig
from tests.support.raw import Script, text, tool
from tests.support.talker import Talker, serving
from tests.support.world import CLIENT_MODE, ERAS, PATIENCE, World, world

pytestmark = pytest.mark.anyio

COMBINATIONS = [(client, server) for client in ERAS for server in ERAS]
DOOR = "call_destructive_tool"


class Seat:
    """A client that hears and answers."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.logged: list[Any] = []

    async def answers(self, _context: Any, params: Any) -> types.ElicitResult:
        self.asked.append(params.message)
        wanted = params.requested_schema["properties"]
        content: dict[str, Any] = {name: 7 if one.get("type") == "integer" else "quiet" for name, one in wanted.items()}
        return types.ElicitResult(action="accept", content=content)

    async def thinks(self, _context: Any, params: Any) -> types.CreateMessageResult:
        asked = params.messages[0].content.text
        content = types.TextContent(type="text", text=f"on {asked}")
        return types.CreateMessageResult(role="assistant", model="m", content=content)

    async def logs(self, params: Any) -> None:
        self.logged.append(params.data)


@asynccontextmanager
async def seated(client_era: str, server_era: str, **keys: Any) -> AsyncIterator[tuple[World, Client, Seat, Talker]]:
    """A client that searches, in front of a server that talks."""
    seat = Seat()
    discovery = DiscoveryConfig(mode=Mode.SEARCH)
    with anyio.fail_after(2 * PATIENCE):
        async with serving() as (talker, port):
            url = f"http://127.0.0.1:{port}/mcp"
            entry = ServerConfig.model_validate({"type": "http", "url": url, "era": server_era, **keys})
            async with world(more={"talk": entry}, discovery=discovery) as w:
                await w.until_ready()
                async with Client(
                    f"http://127.0.0.1:{w.port}/mcp",
                    mode=CLIENT_MODE[client_era],  # type: ignore[arg-type]
                    cache=None,
                    elicitation_callback=seat.answers,
                    sampling_callback=seat.thinks,
                    logging_callback=seat.logs,
                ) as client:
                    yield w, client, seat, talker


async def through(client: Client, name: str, **arguments: Any) -> Any:
    """What a tool says that is called by the door for its sort."""
    result = await client.call_tool(DOOR, {"name": f"talk__{name}", "arguments": arguments})
    assert not result.is_error, result.content
    return result.content[0].text  # type: ignore[union-attr]


@pytest.mark.parametrize(("client_era", "server_era"), COMBINATIONS)
async def test_a_tool_that_asks_is_answered(client_era: str, server_era: str) -> None:
    async with seated(client_era, server_era) as (_, client, seat, talker):
        told = json.loads(await through(client, "elicit", nonce="n1"))

        assert told == {"nonce": "n1", "action": "accept", "content": {"word": "quiet"}}
        assert seat.asked == ["Say n1"]
        assert talker.fates == {"n1": "answered"}


@pytest.mark.parametrize(("client_era", "server_era"), COMBINATIONS)
async def test_a_tool_that_was_found_and_asks_is_answered(client_era: str, server_era: str) -> None:
    async with seated(client_era, server_era) as (_, client, seat, _talker):
        request = {
            "request": "ask a person for a word, and go on without one",
            "arguments": {"nonce": "n2"},
            "confidence_threshold": 0,
        }
        result = await client.call_tool("smart_tool_discovery", request)

        assert json.loads(result.content[0].text)["content"] == {"word": "quiet"}  # type: ignore[union-attr]
        assert seat.asked == ["Say n2"]
        assert (result.meta or {})["magictunnel/discovery"]["arguments"] == {"nonce": "n2"}


@pytest.mark.parametrize(("client_era", "server_era"), COMBINATIONS)
async def test_a_tool_that_wants_a_model_gets_the_callers(client_era: str, server_era: str) -> None:
    async with seated(client_era, server_era) as (_, client, _seat, _talker):
        assert json.loads(await through(client, "sample", nonce="n3"))["content"]["text"] == "on n3"


@pytest.mark.parametrize(("client_era", "server_era"), COMBINATIONS)
async def test_progress_and_log_messages_come_through(client_era: str, server_era: str) -> None:
    steps: list[tuple[float, Any]] = []

    async def heard(progress: float, _total: float | None, message: str | None) -> None:
        steps.append((progress, message))

    async with seated(client_era, server_era) as (_, client, _seat, _talker):
        arguments = {"name": "talk__progress", "arguments": {"nonce": "n4"}}
        await client.call_tool(DOOR, arguments, progress_callback=heard)

        assert steps == [(step, f"n4 {step}") for step in (1, 2, 3)]


@pytest.mark.parametrize(("client_era", "server_era"), COMBINATIONS)
async def test_a_call_that_is_given_up_is_cancelled_at_its_server(client_era: str, server_era: str) -> None:
    async with seated(client_era, server_era) as (w, client, _seat, talker):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(through_forever, client, "n5")
            await w.until(lambda: talker.fates.get("n5") == "under way")
            tasks.cancel_scope.cancel()
        await w.until(lambda: talker.fates.get("n5") == "cancelled")


async def through_forever(client: Client, nonce: str) -> None:
    await through(client, "slow", nonce=nonce)


@pytest.mark.parametrize("client_era", ERAS)
async def test_the_deadline_is_that_of_the_tool(client_era: str) -> None:
    async with seated(client_era, "handshake", timeout=0.5) as (w, client, _seat, talker):
        with pytest.raises(MCPError, match=r"talk__slow on server .talk. did not answer within 0\.5 s"):
            await through(client, "slow", nonce="n6")
        await w.until(lambda: talker.fates.get("n6") == "cancelled")


@pytest.mark.parametrize("client_era", ERAS)
async def test_what_is_missing_is_asked_for_in_one_form_with_just_that(client_era: str) -> None:
    number = {"type": "object", "properties": {"number": {"type": "integer"}, "why": {"type": "string"}}}
    closes = tool("close_issue", description="Close an issue") | {"inputSchema": number | {"required": ["number"]}}
    script = Script("tracker", offers={"tools": [closes]}, answers={"tools/call close_issue": text("closed")})
    seat = Seat()
    with anyio.fail_after(PATIENCE):
        async with world((script,), over="http", discovery=DiscoveryConfig(mode=Mode.SEARCH)) as w:
            mode: Any = CLIENT_MODE[client_era]
            async with Client(w.front, mode=mode, cache=None, elicitation_callback=seat.answers) as client:
                request = {"request": "close an issue", "confidence_threshold": 0}
                result = await client.call_tool("smart_tool_discovery", request)

            assert result.content[0].text == "closed"  # type: ignore[union-attr]
            assert len(seat.asked) == 1
            told: Json = (result.meta or {})["magictunnel/discovery"]
            assert told["arguments"] == {"number": 7}
            assert told["from"]["number"]["how"] == "answer"
            received = w.servers["tracker"].received
            sent = [one["params"]["arguments"] for one in received if one.get("method") == "tools/call"]
            assert sent == [{"number": 7}]


@pytest.mark.parametrize("client_era", ERAS)
async def test_the_callers_own_model_fills_in_what_is_missing_if_it_may(client_era: str) -> None:
    number = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}
    closes = tool("close_issue", description="Close an issue") | {"inputSchema": number}
    script = Script("tracker", offers={"tools": [closes]}, answers={"tools/call close_issue": text("closed")})
    prompts: list[str] = []

    async def thinks(_context: Any, params: Any) -> types.CreateMessageResult:
        prompts.append(params.messages[0].content.text)
        content = types.TextContent(type="text", text='Here it is: {"number": 12, "colour": "red"}')
        return types.CreateMessageResult(role="assistant", model="m", content=content)

    filler = FillerConfig(type=FillerType.SAMPLING)
    discovery = DiscoveryConfig(mode=Mode.SEARCH, filler=filler)
    with anyio.fail_after(PATIENCE):
        async with world((script,), over="http", discovery=discovery) as w:
            mode: Any = CLIENT_MODE[client_era]
            async with Client(w.front, mode=mode, cache=None, sampling_callback=thinks) as client:
                context = "It is the twelfth; token sk-abcdefghijklmnopqrstuvwxyz0123456789"
                request = {"request": "close an issue", "context": context, "confidence_threshold": 0}
                result = await client.call_tool("smart_tool_discovery", request)

            told: Json = (result.meta or {})["magictunnel/discovery"]
            assert told["arguments"] == {"number": 12}
            assert told["from"]["number"]["how"] == "model"
            (prompt,) = prompts
            assert "sk-abcdefghij" not in prompt
