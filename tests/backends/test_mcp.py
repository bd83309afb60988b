"""One server's lists, requests and changes, as they pass through a link."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.server.mcpserver import MCPServer

from magictunnel.backends.base import LinkLost, Phase, Request, Terms
from magictunnel.backends.link import McpLink
from magictunnel.backends.mcp import InProcessBackend, McpBackend
from magictunnel.catalog.model import Kind
from magictunnel.config.model import Era, ServerConfig, Transport
from magictunnel.errors import BackendError, OutcomeUnknown
from magictunnel.secrets import Secrets
from magictunnel.wire.caller import Caller
from tests.support.memory import PlayedBack, raw_link, sent, until
from tests.support.raw import HANDSHAKE, STATELESS, Crash, Json, RawServer, Script, command, tool
from tests.support.wires import own_wire
from tests.support.world import ERAS
from tests.wire.http1.stage import Asked, played

pytestmark = pytest.mark.anyio

PATIENCE = 10.0
AT_ONCE = 20
ABOUT = {"name": "hangs", "version": "1"}
ALL = {
    "tools": [tool("x")],
    "prompts": [{"name": "p"}],
    "resources": [{"uri": "x:1", "name": "r"}],
    "resourceTemplates": [{"uriTemplate": "x:{id}", "name": "t"}],
}


def ignored(_phase: Phase) -> None:
    return


@asynccontextmanager
async def link_to(script: Script, era: str = "handshake") -> AsyncIterator[tuple[McpLink, RawServer]]:
    script.era = era
    with anyio.fail_after(PATIENCE):
        async with raw_link(script) as (link, server):
            yield link, server


def config(words: list[str], **keys: Any) -> ServerConfig:
    return ServerConfig(type=Transport.STDIO, command=words[0], args=tuple(words[1:]), **keys)


# --- lists


@pytest.mark.parametrize("era", ERAS)
async def test_every_kind_is_listed_as_its_server_wrote_it(era: str) -> None:
    odd = tool("x", odd={"deep": None}, inputSchema={"type": "object", "x-odd": [1]})
    async with link_to(Script(offers=ALL | {"tools": [odd]}, instructions="be kind"), era) as (link, _server):
        assert [list(await link.list(kind)) for kind in Kind] == [
            [odd],
            ALL["prompts"],
            ALL["resources"],
            ALL["resourceTemplates"],
        ]
        assert link.era == {"handshake": HANDSHAKE, "stateless": STATELESS}[era]
        assert link.instructions == "be kind"
        assert set(link.capabilities) == {"tools", "prompts", "resources"}


async def test_all_pages_are_followed() -> None:
    many = [tool(f"t{number}") for number in range(7)]
    async with link_to(Script(offers={"tools": many}, page_size=3)) as (link, server):
        assert list(await link.list(Kind.TOOL)) == many
        cursors = [
            message.get("params", {}).get("cursor") for message in server.received if "list" in message["method"]
        ]
        assert cursors == [None, "3", "6"]


async def test_a_list_that_never_ends_is_cut_and_told(caplog: pytest.LogCaptureFixture) -> None:
    async with link_to(Script(offers={"tools": [tool("x")]}, page_size=1, repeat_cursor=True)) as (link, _server):
        assert 1 <= len(await link.list(Kind.TOOL)) <= 3

    assert "does not end" in caplog.text


async def test_a_kind_that_is_not_advertised_is_not_asked_for() -> None:
    async with link_to(Script(offers=ALL, capabilities={"tools": {}})) as (link, server):
        assert list(await link.list(Kind.PROMPT)) == []
        assert sent(server, "prompts/list") == []


async def test_a_method_that_the_server_does_not_know_is_an_empty_list() -> None:
    refusal = {"error": {"code": -32601, "message": "Method not found"}}
    script = Script(offers={"resources": []}, answers={"resources/templates/list": refusal})
    async with link_to(script) as (link, _server):
        assert list(await link.list(Kind.TEMPLATE)) == []


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"error": {"code": -32603, "message": "database is locked"}}, "database is locked"),
        ({"items": []}, "has no list of tools"),
        ({"tools": {"x": 1}}, "has no list of tools"),
    ],
)
async def test_a_list_that_cannot_be_had_is_an_error(answer: dict[str, Any], message: str) -> None:
    async with link_to(Script(offers=ALL, answers={"tools/list": answer})) as (link, _server):
        with pytest.raises(BackendError, match=message):
            await link.list(Kind.TOOL)


async def test_what_is_no_definition_at_all_is_left_out_of_a_list() -> None:
    async with link_to(Script(offers=ALL, answers={"tools/list": {"tools": [None, tool("x"), "y", []]}})) as (link, _):
        assert list(await link.list(Kind.TOOL)) == [tool("x")]


async def test_a_stateless_tool_with_unusable_header_annotations_is_left_out_and_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def annotated(name: str, header: Any) -> dict[str, Any]:
        schema = {"type": "object", "properties": {"a": {"type": "string", "x-mcp-header": header}}}
        return tool(name, inputSchema=schema)

    offers = {"tools": [annotated("bad", "not a header!"), annotated("good", "Region")]}
    async with link_to(Script(offers=offers), "stateless") as (link, _server):
        assert [found["name"] for found in await link.list(Kind.TOOL)] == ["good"]
    async with link_to(Script(offers=offers), "handshake") as (link, _server):
        assert [found["name"] for found in await link.list(Kind.TOOL)] == ["bad", "good"]

    assert "'bad' left out" in caplog.text


# --- requests


@pytest.mark.parametrize("era", ERAS)
async def test_a_result_comes_back_as_it_was_sent(era: str) -> None:
    odd = {"content": [{"type": "odd", "x": None}], "structuredContent": [1], "more": {"ü": 1.5}, "_meta": {"m": 1}}
    async with link_to(Script(offers=ALL, answers={"tools/call x": odd}), era) as (link, server):
        params = {"name": "x", "arguments": {"a": [None, {"b": "→"}]}, "odd": True}
        assert await link.request(Request("tools/call", params)) == odd

        (received,) = sent(server, "tools/call")
        assert {key: value for key, value in received.items() if key != "_meta"} == params


async def test_a_stateless_server_is_told_what_this_caller_can_do() -> None:
    async with link_to(Script(offers=ALL), "stateless") as (link, server):
        caller = Caller("c", stateless=True, capabilities={"sampling": {}})
        await link.request(Request("tools/call", {"name": "x"}, caller))

        (received,) = sent(server, "tools/call")
        assert received["_meta"]["io.modelcontextprotocol/clientCapabilities"] == {"sampling": {}}


async def test_an_error_passes_with_the_code_message_and_data_its_server_chose() -> None:
    refusal = {"code": -31999, "message": "no", "data": {"why": [1]}}
    async with link_to(Script(offers=ALL, answers={"tools/call x": {"error": refusal}})) as (link, _server):
        with pytest.raises(BackendError) as caught:
            await link.request(Request("tools/call", {"name": "x"}))

    assert (caught.value.code, caught.value.message, caught.value.data) == (-31999, "no", {"why": [1]})


async def test_a_connection_that_breaks_after_a_call_left_leaves_its_outcome_unknown() -> None:
    async with link_to(Script(offers=ALL, crash_on=["tools/call x"])) as (link, _server):
        with pytest.raises(OutcomeUnknown) as caught:
            await link.request(Request("tools/call", {"name": "x"}))

    assert caught.value.server == "s"
    assert "during x" in caught.value.message


async def test_a_server_that_itself_answers_with_the_code_of_a_closed_connection_is_taken_at_its_word() -> None:
    refusal = {"code": -32000, "message": "server busy"}
    async with link_to(Script(offers=ALL, answers={"tools/call x": {"error": refusal}})) as (link, _server):
        with pytest.raises(BackendError, match="server busy"):
            await link.request(Request("tools/call", {"name": "x"}))


@pytest.mark.parametrize("era", ERAS)
async def test_progress_reaches_the_request_that_asked_for_it(era: str) -> None:
    one, other = PlayedBack(), PlayedBack()
    params = {"name": "x", "_meta": {"progressToken": "t"}}
    async with (
        link_to(Script(offers=ALL, hang_on=["tools/call"]), era) as (link, server),
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(link.request, Request("tools/call", params, Caller("other", stateless=True, back=other)))
        await until(lambda: len(sent(server, "tools/call")) == 1)
        tasks.start_soon(link.request, Request("tools/call", params, Caller("one", stateless=True, back=one)))
        await until(lambda: len(sent(server, "tools/call")) == 2)
        token = sent(server, "tools/call")[1]["_meta"]["progressToken"]
        told = {"progressToken": token, "progress": 1, "total": 2, "message": "half", "odd": None}
        server.push("notifications/progress", told)
        await until(lambda: bool(one.told))
        tasks.cancel_scope.cancel()

    assert [(method, params | {"progressToken": 0}) for method, params in one.told] == [
        ("notifications/progress", told | {"progressToken": 0})
    ]
    assert other.told == []


async def test_a_request_that_asked_for_no_progress_lets_its_server_tell_none() -> None:
    async with link_to(Script(offers=ALL)) as (link, server):
        await link.request(Request("tools/call", {"name": "x"}))

        (received,) = sent(server, "tools/call")
        assert "progressToken" not in received.get("_meta", {})


# --- changes


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("kind", "dirty"),
    [
        ("tools", {Kind.TOOL}),
        ("prompts", {Kind.PROMPT}),
        ("resources", {Kind.RESOURCE, Kind.TEMPLATE}),
    ],
)
async def test_a_change_says_which_kinds_to_list_again(era: str, kind: str, dirty: set[Kind]) -> None:
    async with link_to(Script(offers=ALL), era) as (link, server):
        if era == "stateless":
            # What changed before its listen stream was open was told to nobody, so all is looked at once.
            assert await link.changed() == frozenset(Kind)

        server.change(kind, [], times=3)

        assert await link.changed() == dirty


async def test_a_stateless_server_that_announces_nothing_is_not_listened_to() -> None:
    async with link_to(Script(offers=ALL, capabilities={"tools": {}}), "stateless") as (link, server):
        await link.list(Kind.TOOL)

        assert sent(server, "subscriptions/listen") == []


async def test_the_end_of_the_connection_ends_the_wait_for_changes() -> None:
    async with link_to(Script(offers=ALL, crash_on=["tools/call x"])) as (link, _server):
        async with anyio.create_task_group() as tasks:
            lost = anyio.Event()

            async def wait() -> None:
                with pytest.raises(LinkLost):
                    await link.changed()
                lost.set()

            tasks.start_soon(wait)
            with pytest.raises(OutcomeUnknown):
                await link.request(Request("tools/call", {"name": "x"}))
            await lost.wait()
        with pytest.raises(LinkLost):
            await link.changed()


# --- backends


async def test_a_server_that_hangs_up_on_the_probe_is_opened_with_a_handshake_and_not_probed_again(
    tmp_path: Path,
) -> None:
    transcript = tmp_path / "transcript"
    script = Script(offers=ALL, crash_on=["server/discover"], transcript=str(transcript))
    backend = McpBackend("s", config(command(script, tmp_path)), Secrets({}))
    with anyio.fail_after(PATIENCE):
        for _ in range(2):
            async with backend.connect(ignored) as link:
                assert link.era == HANDSHAKE

    asked = [json.loads(line)["method"] for line in transcript.read_text().splitlines()]
    assert asked.count("server/discover") == 1


async def test_a_connection_that_was_given_up_for_another_says_nothing_of_that_one(tmp_path: Path) -> None:
    script = Script(offers=ALL, crash_on=["server/discover"])
    told: list[str] = []
    backend = McpBackend("s", config(command(script, tmp_path)), Secrets({}))
    with anyio.fail_after(PATIENCE):
        async with backend.connect(ignored, Terms(unfit=told.append)) as link:
            assert link.era == HANDSHAKE
            assert told == []

    assert told == ["the connection was closed"]


class Leaver(RawServer):
    """Answers the handshake, and is gone."""

    def handle(self, message: Json, push: Callable[[Json], None]) -> Json | None:
        answer = super().handle(message, push)
        assert answer is not None
        push(answer)
        raise Crash


async def test_a_connection_that_ends_in_the_very_moment_in_which_it_opens_is_told_of() -> None:
    told: list[str] = []
    with anyio.fail_after(PATIENCE):
        async with raw_link(Script(offers=ALL), Terms(Era.HANDSHAKE, unfit=told.append), Leaver) as (link, _server):
            assert told == ["the connection was closed"]
            with pytest.raises(LinkLost):
                await link.changed()

    assert told == ["the connection was closed"]


DIES_ONCE = 'test -e $1 && shift && exec "$@"; touch $1; exit 1'


async def test_a_server_that_died_at_its_first_start_is_asked_for_its_era_anew(tmp_path: Path) -> None:
    """Its end at the first probe says nothing of the era it speaks."""
    script = Script(offers=ALL, era="stateless")
    words = ["/bin/sh", "-c", DIES_ONCE, "sh", str(tmp_path / "flag"), *command(script, tmp_path)]
    backend = McpBackend("s", config(words), Secrets({}))
    with anyio.fail_after(PATIENCE):
        with pytest.raises(ExceptionGroup):
            async with backend.connect(ignored):
                raise AssertionError("it died")
        async with backend.connect(ignored) as link:
            assert link.era == STATELESS


async def test_phases_are_told_as_they_are_entered(tmp_path: Path) -> None:
    phases: list[Phase] = []
    backend = McpBackend("s", config(command(Script(offers=ALL), tmp_path)), Secrets({}))
    with anyio.fail_after(PATIENCE):
        async with backend.connect(phases.append):
            pass

    assert phases == [Phase.RESOLVE, Phase.LAUNCH, Phase.HANDSHAKE]


async def test_a_failure_is_explained_by_what_the_server_left_and_hides_its_secrets(tmp_path: Path) -> None:
    secrets = Secrets({"TOKEN": "hunter2-hunter2"})
    code = "import os, sys; sys.exit('no access for ' + os.environ['KEY'])"
    words = [sys.executable, "-S", "-c", code]
    backend = McpBackend("s", config(words, env={"KEY": "${TOKEN}"}), secrets)
    with anyio.fail_after(PATIENCE), pytest.raises(ExceptionGroup) as caught:
        async with backend.connect(ignored):
            raise AssertionError("it cannot be open")

    failure = backend.explain(Phase.HANDSHAKE, caught.value)
    assert failure.cause == "the process ended with exit code 1"
    assert failure.hint == "its stderr ends: no access for ***"


@pytest.mark.parametrize(("era", "version"), [(Era.HANDSHAKE, HANDSHAKE), (Era.AUTO, STATELESS)])
async def test_a_server_in_this_process_is_a_backend_like_any_other(era: Era, version: str) -> None:
    def server() -> Any:
        inner = MCPServer("inner")

        @inner.tool()
        def shout(text: str) -> str:
            return text.upper()

        return inner._lowlevel_server

    with anyio.fail_after(PATIENCE):
        async with InProcessBackend("inner", server, era).connect(ignored) as link:
            assert link.era == version
            assert [found["name"] for found in await link.list(Kind.TOOL)] == ["shout"]
            result = await link.request(Request("tools/call", {"name": "shout", "arguments": {"text": "hi"}}))
            assert result["content"][0]["text"] == "HI"


@own_wire
async def test_cancels_do_not_wait_for_each_other() -> None:
    """Each holds the connection of its call; and a server that hangs takes none of them."""

    async def hanging(asked: Asked) -> None:
        if asked.message.get("method") == "initialize":
            await asked.result({"protocolVersion": HANDSHAKE, "capabilities": {"tools": {}}, "serverInfo": ABOUT})
        elif asked.message.get("method") == "notifications/initialized":
            await asked.answer(202)
        else:
            await asked.gone()

    with anyio.fail_after(PATIENCE):
        async with played(hanging) as stage:
            where = ServerConfig(type=Transport.HTTP, url=stage.url, era=Era.HANDSHAKE)
            backend = McpBackend("s", where, Secrets({}))
            async with backend.connect(ignored) as link:
                async with anyio.create_task_group() as tasks:
                    for number in range(AT_ONCE):
                        tasks.start_soon(link.request, Request("tools/call", {"name": f"t{number}"}, Caller("c")))
                    await stage.until(lambda: len(stage.of("tools/call")) == AT_ONCE)
                    tasks.cancel_scope.cancel()
                await stage.until(lambda: len(stage.of("notifications/cancelled")) == AT_ONCE)
