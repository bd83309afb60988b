"""What a client says and JSON cannot carry (half a character, deep nesting) is refused to it, and hurts nobody else."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.server import Server, ServerRequestContext
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, TextContent, Tool

from magictunnel.backends.mcp import InProcessBackend
from magictunnel.catalog.model import Json
from magictunnel.config.model import Era
from magictunnel.errors import INVALID_PARAMS
from tests.support.front import Client, client_of
from tests.support.raw import Script, tool
from tests.support.rawclient import raw_client
from tests.support.world import PATIENCE, World, world

pytestmark = pytest.mark.anyio


def nested(depth: int) -> Json:
    found: Json = {}
    for _ in range(depth):
        found = {"a": found}
    return found


HALF: Json = {"x": "\ud800"}
UNSENDABLE = {"half a character": HALF, "half a key": {"x": {"\udc00": 1}}, "too deep": nested(800)}
OFFERS = {
    "tools": [tool("slow"), tool("quick")],
    "prompts": [{"name": "ask", "arguments": [{"name": "x"}]}],
    "resourceTemplates": [{"uriTemplate": "raw://{id}", "name": "item"}],
}
CAN: Json = {"prompts": {}, "tools": {}, "resources": {"subscribe": True}, "completions": {}}
WAYS = [
    ("stdio", "handshake"),
    ("stdio", "stateless"),
    ("http", "handshake"),
    ("http", "stateless"),
    ("sse", "handshake"),
]


def script(era: str) -> Script:
    """A server whose tool `slow` is answered once `quick` was."""
    return Script("srv", era=era, offers=OFFERS, capabilities=CAN, answer_after={"tools/call slow": 1})


async def call(client: Client, name: str, arguments: Json | None = None) -> Json:
    return await client.request("tools/call", {"name": f"srv__{name}", "arguments": arguments or {}})


@asynccontextmanager
async def crowd(over: str, era: str, tmp_path: Path) -> AsyncIterator[tuple[World, Client, Client]]:
    """A world, and two clients of the era of its server."""
    with anyio.fail_after(PATIENCE):
        async with (
            world([script(era)], tmp_path, over=over) as w,
            client_of(w.front, era) as one,
            client_of(w.front, era) as other,
        ):
            await w.until_ready()
            await one.open()
            await other.open()
            yield w, one, other


def refused(answer: Json) -> None:
    """It was refused for what it says, and not sent."""
    assert answer["error"]["code"] == INVALID_PARAMS, answer
    assert "was not sent" in answer["error"]["message"]
    assert answer["error"]["data"]["error"] == "bad_params"


@pytest.mark.parametrize(("over", "era"), WAYS)
async def test_only_the_request_itself_fails(over: str, era: str, tmp_path: Path) -> None:
    async with crowd(over, era, tmp_path) as (w, one, other):
        under_way = await other.ask("tools/call", {"name": "srv__slow", "arguments": {}})
        for arguments in UNSENDABLE.values():
            refused(await call(one, "quick", arguments))
        refused(await one.request("prompts/get", {"name": "srv__ask", "arguments": HALF}))
        refused(await one.request("resources/read", {"uri": "raw://\ud800"}))
        refused(
            await one.request(
                "completion/complete",
                {"ref": {"type": "ref/prompt", "name": "srv__ask"}, "argument": {"name": "x", "value": "\ud800"}},
            )
        )
        refused(await one.request("tools/call", {"name": "srv__quick", "arguments": {}, "_meta": {"mine": HALF}}))

        assert "result" in await call(one, "quick")
        assert "result" in await other.answered(under_way)
        assert w.gateway.status["srv"].restarts == 0


@pytest.mark.parametrize("era", ["handshake", "stateless"])
async def test_a_resource_with_such_a_name_is_not_followed_and_others_are(era: str, tmp_path: Path) -> None:
    async with crowd("http", era, tmp_path) as (w, one, _other):
        if era == "handshake":
            refused(await one.request("resources/subscribe", {"uri": "raw://\ud800"}))
            assert "result" in await one.request("resources/subscribe", {"uri": "raw://1"})
        else:
            wanted = {"resourceSubscriptions": ["raw://\ud800", "raw://1"]}
            await one.ask("subscriptions/listen", {"notifications": wanted})
            acknowledged = "notifications/subscriptions/acknowledged"
            await one.until(lambda: bool(one.heard(acknowledged)))
            assert one.heard(acknowledged)[0]["notifications"] == {"resourceSubscriptions": ["raw://1"]}
        w.servers["srv"].update("raw://1")
        await one.until(lambda: bool(one.heard("notifications/resources/updated")))

        assert w.gateway.status["srv"].restarts == 0


@pytest.mark.parametrize("over", ["stdio", "http"])
async def test_a_stateless_client_that_says_it_can_do_such_a_thing(over: str, tmp_path: Path) -> None:
    can: Json = {"elicitation": {}, "experimental": {"mine": HALF}}
    with anyio.fail_after(PATIENCE):
        async with world([script("handshake")], tmp_path, over=over) as w:
            await w.until_ready()
            async with client_of(w.front, capabilities=can) as odd, client_of(w.front) as other:
                await odd.open()
                await other.open()
                under_way = await other.ask("tools/call", {"name": "srv__slow", "arguments": {}})

                assert "result" in await call(odd, "quick")  # its server is told of what can be told
                assert "result" in await other.answered(under_way)
                assert w.gateway.status["srv"].restarts == 0


async def test_a_client_that_shakes_hands_with_such_a_thing_keeps_no_server_from_starting(tmp_path: Path) -> None:
    with anyio.fail_after(PATIENCE):
        async with (
            world([script("handshake")], tmp_path, settings={"srv": {"start": "lazy"}}) as w,
            client_of(w.front, "handshake", capabilities={"roots": {}, "experimental": {"mine": HALF}}) as odd,
        ):
            await odd.open()
            assert "result" in await call(odd, "quick")
            assert w.gateway.status["srv"].failure is None


@pytest.mark.parametrize("over", ["http", "sse"])
@pytest.mark.parametrize(
    "outcome",
    [{"result": {"roots": [{"uri": "file:///\ud800"}]}}, {"error": {"code": -1, "message": "no", "data": nested(800)}}],
    ids=["result", "error"],
)
async def test_an_answer_to_a_server_that_cannot_be_sent_is_an_error_to_the_server(over: str, outcome: Json) -> None:
    with anyio.fail_after(PATIENCE):
        async with (
            world([script("handshake")], over=over) as w,
            client_of(w.front, "handshake", capabilities={"roots": {}}) as one,
        ):
            await w.until_ready()
            await one.open()
            server = w.servers["srv"]
            await one.until(lambda: bool(server.pushes))
            server.push("roots/list", {}, id="q")
            await one.answer(await one.until_asked(), **outcome)
            await one.until(lambda: any(message.get("id") == "q" for message in server.received))

            answer = next(message for message in server.received if message.get("id") == "q")
            assert "cannot be written" in answer["error"]["message"]
            assert "result" in await call(one, "quick")
            assert w.gateway.status["srv"].restarts == 0


@pytest.mark.parametrize("over", ["stdio", "http", "sse"])
async def test_a_notification_that_cannot_be_sent_is_dropped(
    over: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with anyio.fail_after(PATIENCE):
        async with (
            world([script("handshake")], tmp_path, over=over) as w,
            client_of(w.front, "handshake", capabilities={"roots": {"listChanged": True}}) as one,
        ):
            await w.until_ready()
            await one.open()
            await one.send({"method": "notifications/roots/list_changed", "params": {"_meta": {"mine": HALF}}})

            assert "result" in await call(one, "quick")
            assert w.gateway.status["srv"].restarts == 0
    assert all(record.levelname != "ERROR" for record in caplog.records)


@pytest.mark.parametrize("over", ["stdio", "http"])
async def test_it_is_the_same_for_a_client_that_writes_bytes_to_our_http_front(over: str, tmp_path: Path) -> None:
    with anyio.fail_after(PATIENCE):
        async with world([script("stateless")], tmp_path, over=over) as w:
            await w.until_ready()
            async with (
                raw_client(w.port, "stateless") as one,
                raw_client(w.port, "stateless") as other,
                anyio.create_task_group() as tasks,
            ):
                slow: list[Json] = []

                async def wait() -> None:
                    slow.append(await other.request("tools/call", {"name": "srv__slow", "arguments": {}}))

                tasks.start_soon(wait)
                for arguments in UNSENDABLE.values():
                    refused(await one.request("tools/call", {"name": "srv__quick", "arguments": arguments}))
                assert "result" in await one.request("tools/call", {"name": "srv__quick", "arguments": {}})
            assert "result" in slow[0]
            assert w.gateway.status["srv"].restarts == 0


def inner() -> Server[Any]:
    """A server of the SDK that says how much it was told."""

    async def listed(_ctx: ServerRequestContext[Any, Any], _params: Any) -> ListToolsResult:
        return ListToolsResult(tools=[Tool(name="echo", input_schema={"type": "object"})])

    async def called(_ctx: ServerRequestContext[Any, Any], params: CallToolRequestParams) -> CallToolResult:
        return CallToolResult(content=[TextContent(type="text", text=json.dumps(params.arguments))])

    return Server("inner", on_list_tools=listed, on_call_tool=called)


@pytest.mark.parametrize("era", ["handshake", "stateless"])
async def test_it_is_the_same_for_a_server_in_this_process(era: str) -> None:
    with anyio.fail_after(PATIENCE):
        async with world(backends=[InProcessBackend("inner", inner, Era(era))]) as w, client_of(w.front, era) as one:
            await w.until_ready()
            await one.open()
            for arguments in UNSENDABLE.values():
                refused(await one.request("tools/call", {"name": "inner__echo", "arguments": arguments}))
            answer = await one.request("tools/call", {"name": "inner__echo", "arguments": {"x": "fine"}})

            assert answer["result"]["content"][0]["text"] == '{"x": "fine"}'
            assert w.gateway.status["inner"].restarts == 0
