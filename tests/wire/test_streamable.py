"""Exchanges with a server over streamable HTTP: every answer is that of its own request, whatever comes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import httpx2
import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED, INTERNAL_ERROR, REQUEST_TIMEOUT

from magictunnel.errors import BadParams
from magictunnel.wire import streamable
from magictunnel.wire.evidence import Evidence
from magictunnel.wire.streamable import HttpWire, http_wire
from tests.wire.http1.stage import Asked, Stage, played
from tests.wire.http1.wired import (
    NEW,
    OLD,
    Heard,
    Json,
    anyio_backend,
    call,
    echo,
    ignore,
    open_session,
    refused,
    to_session,
    wired,
)

pytestmark = pytest.mark.anyio

__all__ = ["anyio_backend"]

# --- requests and what they are answered with


async def test_calls_one_after_the_other_share_a_connection() -> None:
    async with wired(echo) as (wire, stage, _):
        first = await call(wire, 1, name="ä")
        second = await call(wire, 2)

    assert first["echo"] == {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "ä"}}
    assert second["echo"] == {"jsonrpc": "2.0", "id": 2, "method": "tools/call"}
    assert stage.accepted == 1
    assert wire.heard == 2


async def test_calls_at_once_get_their_own_answers() -> None:
    answers: dict[int, int] = {}

    async def one(number: int) -> None:
        answers[number] = (await call(wire, number))["echo"]["id"]

    async with wired(echo) as (wire, _, _), anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(one, number)

    assert answers == {number: number for number in range(50)}


async def test_what_a_request_looks_like() -> None:
    async with wired(echo, {"X-Key": "é", "accept": "text/html", "MCP-Protocol-Version": "0"}) as (wire, stage, _):
        await open_session(wire)
        await call(wire)

    sent = stage.of("tools/call")[0]
    assert sent.target == "/mcp"
    assert sent.headers.pop("content-length") == str(len(sent.body))
    assert sent.headers == {
        "host": f"127.0.0.1:{stage.port}",
        "user-agent": "magictunnel",
        "x-key": "é",
        "accept-encoding": "identity",
        "accept": "application/json, text/event-stream",
        "content-type": "application/json",
        "mcp-session-id": "s1",
        "mcp-protocol-version": OLD,
    }


async def test_the_life_of_a_session() -> None:
    async with wired(echo) as (wire, stage, _):
        await open_session(wire)
        await stage.until(lambda: stage.of("GET"))
        await wire.notify("notifications/roots/list_changed", None)

    assert "mcp-session-id" not in stage.of("initialize")[0].headers
    assert "mcp-protocol-version" not in stage.of("initialize")[0].headers
    for method in ("notifications/initialized", "GET", "notifications/roots/list_changed", "DELETE"):
        (sent,) = stage.of(method)
        assert (sent.headers["mcp-session-id"], sent.headers["mcp-protocol-version"]) == ("s1", OLD)
    assert stage.of("GET")[0].headers["accept"] == "text/event-stream"
    assert stage.requests[-1].method == "DELETE"


async def test_an_answer_may_come_on_a_stream_after_what_belongs_to_it() -> None:
    async def play(asked: Asked) -> None:
        await asked.stream()
        await asked.event(event="message")
        for step in range(3):
            await asked.event({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"step": step}})
        await asked.event({"jsonrpc": "2.0", "id": "another", "result": {"odd": [None]}})
        await asked.end()

    async with wired(play) as (wire, stage, heard):
        assert await call(wire, 7) == {"odd": [None]}
        assert [(params["step"], number) for _, params, number in heard.told] == [(0, 7), (1, 7), (2, 7)]
        await call(wire, 8)
        await call(wire, 9)

    assert stage.accepted <= 2
    assert wire.heard == 12


async def test_a_question_on_the_stream_of_a_call_is_answered_while_that_waits() -> None:
    answers: list[Json] = []

    async def play(asked: Asked) -> None:
        if asked.message.get("method") == "tools/call":
            await asked.stream()
            for number in ("q", 5):
                await asked.event({"jsonrpc": "2.0", "id": number, "method": "roots/list", "params": {"n": number}})
            await stage.until(lambda: len(answers) == 2)
            await asked.event_result()
        elif "method" in asked.message:
            await echo(asked)
        else:
            assert asked.headers.get("mcp-session-id", "s1") == "s1"
            answers.append(asked.message)
            await asked.answer(202)
            stage.change()

    async def answer(params: Json, number: Any) -> Json:
        if params["n"] == 5:
            raise MCPError(-5, "no", {"why": 1})
        return {"on": number}

    async with wired(play) as (wire, stage, heard):
        heard.answer = answer
        await call(wire, 7)

    assert sorted(answers, key=lambda message: "error" in message) == [
        {"jsonrpc": "2.0", "id": "q", "result": {"on": 7}},
        {"jsonrpc": "2.0", "id": 5, "error": {"code": -5, "message": "no", "data": {"why": 1}}},
    ]


async def test_news_come_on_a_stream_of_their_own_that_is_opened_again() -> None:
    async def play(asked: Asked) -> None:
        if asked.method != "GET":
            await echo(asked)
            return
        await asked.stream()
        await asked.event({"jsonrpc": "2.0", "method": "notifications/x", "params": {}}, id="e1", retry="1")
        await asked.event({"jsonrpc": "2.0", "id": 1, "method": "ping"})
        await stage.until(lambda: any(one.message.get("result") for one in stage.requests))
        if len(stage.of("GET")) == 1:
            await asked.end()
        else:
            await anyio.sleep_forever()

    async with wired(play) as (wire, stage, heard):
        await open_session(wire)
        await stage.until(lambda: len(stage.of("GET")) == 2)
        assert heard.told[0] == ("notifications/x", {}, None)

    first, second = stage.of("GET")
    assert "last-event-id" not in first.headers
    assert second.headers["last-event-id"] == "e1"
    answer = next(one.message for one in stage.requests if "result" in one.message)
    assert answer == {"jsonrpc": "2.0", "id": 1, "result": {"by": "session", "method": "ping"}}


@pytest.mark.parametrize("knows_where", [True, False])
async def test_that_news_may_have_been_missed_is_told_where_nobody_can_say_what(knows_where: bool) -> None:
    """The stream is kept up through an outage that lasts longer than one is waited out for an answer."""
    missed: list[bool] = []
    at = {"id": "e1"} if knows_where else {}

    async def play(asked: Asked) -> None:
        if asked.method != "GET":
            await echo(asked)
        elif len(stage.of("GET")) in (2, 3, 4):
            await asked.answer(503)
        else:
            await asked.stream()
            await asked.event({"jsonrpc": "2.0", "method": "notifications/x", "params": {}}, retry="1", **at)
            if len(stage.of("GET")) == 1:
                await asked.end()
            else:
                await anyio.sleep_forever()

    async with wired(play) as (wire, stage, heard):
        wire.on_missed = lambda: missed.append(True)
        await open_session(wire)
        await stage.until(lambda: len(stage.of("GET")) == 5)
        while len(heard.told) < 2:
            await anyio.sleep(0.005)

    assert missed == ([] if knows_where else [True])


# --- calls that nobody waits for any more


async def hang(asked: Asked) -> None:
    """Answer all but calls."""
    if asked.message.get("method") == "tools/call":
        await asked.stream()
        await asked.event({"jsonrpc": "2.0", "method": "notifications/begun"})
        await asked.gone()
        return
    await echo(asked)


@asynccontextmanager
async def given_up(wire: HttpWire, stage: Stage, heard: Heard, version: str) -> AsyncIterator[None]:
    """A call is under way that nobody waits for any more."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call, wire, 7, version)
        while not heard.told:
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    yield


async def test_in_the_stateless_era_a_call_is_cancelled_by_closing_its_connection() -> None:
    async with wired(hang) as (wire, stage, heard):
        async with given_up(wire, stage, heard, NEW):
            assert stage.open == 1
            await wire.notify("notifications/cancelled", {"requestId": 7})
            await stage.until(lambda: stage.open == 0)
        await wire.notify("notifications/cancelled", {"requestId": 7})
        await wire.notify("notifications/cancelled", {"requestId": []})

    assert len(stage.requests) == 1


async def test_in_the_handshake_era_a_call_is_cancelled_by_word() -> None:
    async with wired(hang) as (wire, stage, heard), given_up(wire, stage, heard, OLD):
        await wire.notify("notifications/cancelled", {"requestId": 7})
        await stage.until(lambda: stage.open == 1)

    assert stage.of("notifications/cancelled")[0].message["params"] == {"requestId": 7}


async def test_a_request_that_somebody_waits_for_may_be_cancelled_too() -> None:
    async with wired(hang) as (wire, _, heard), anyio.create_task_group() as tasks:

        async def cancel() -> None:
            while not heard.told:
                await anyio.lowlevel.checkpoint()
            await wire.notify("notifications/cancelled", {"requestId": 7})

        tasks.start_soon(cancel)
        assert (await refused(wire)).code == CONNECTION_CLOSED


async def test_a_deadline_of_the_sdk_is_kept_and_told() -> None:
    async with wired(hang) as (wire, stage, _):
        with pytest.raises(MCPError) as caught:
            await wire.send_raw_request("tools/call", {}, {"timeout": 0.05, "request_id": 7})

    assert caught.value.code == REQUEST_TIMEOUT
    assert stage.of("notifications/cancelled")[0].message["params"]["requestId"] == 7


@pytest.mark.parametrize("streamed", [True, False])
async def test_an_answer_that_comes_too_late_is_counted_and_given_to_nobody(streamed: bool) -> None:
    async def play(asked: Asked) -> None:
        if asked.message["id"] != 7:
            await echo(asked)
            return
        if streamed:
            await asked.stream()
        await stage.until(lambda: is_over.is_set())
        if streamed:
            await asked.event_result({"too": "late"})
            await asked.end()
        else:
            await asked.result({"too": "late"})

    is_over = anyio.Event()
    async with wired(play) as (wire, stage, _):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, wire)
            await stage.until(lambda: stage.requests)
            tasks.cancel_scope.cancel()
        assert (await call(wire, 8))["echo"]["id"] == 8
        is_over.set()
        stage.change()
        while not wire.late_answers:
            await anyio.lowlevel.checkpoint()

    assert wire.late_answers == 1


async def test_two_requests_cannot_have_the_same_number() -> None:
    async with wired(hang) as (wire, stage, _), anyio.create_task_group() as tasks:
        tasks.start_soon(call, wire)
        await stage.until(lambda: stage.requests)
        with pytest.raises(ValueError, match="in flight"):
            await call(wire)
        tasks.cancel_scope.cancel()


# --- what cannot be written


async def test_what_cannot_be_written_is_not_sent() -> None:
    async with wired(echo) as (wire, stage, heard):
        with pytest.raises(BadParams, match="cannot be written"):
            await call(wire, text="\ud800")
        with pytest.raises(BadParams, match="HTTP does not allow"):
            await wire.send_raw_request("tools/call", {}, {"headers": {"mcp-name": "a\r\nb: c"}})
        await wire.notify("notifications/x", {"text": "\ud800"})
        await wire.notify("notifications/x", {}, {"headers": {"mcp-name": "\ud800"}})
        assert stage.accepted == 0
        assert len(heard.lost) == 1
        assert "'notifications/x' cannot be written as JSON" in heard.lost[0]
        await call(wire)


@pytest.mark.parametrize("outcome", [{"half": "\ud800"}, MCPError(-5, "no", "\ud800")])
async def test_an_answer_of_ours_that_cannot_be_written_is_an_error_to_the_server(outcome: Any) -> None:
    answers: list[Json] = []

    async def play(asked: Asked) -> None:
        if "method" not in asked.message:
            answers.append(asked.message)
            await asked.answer(202)
            stage.change()
            return
        await asked.stream()
        await asked.event({"jsonrpc": "2.0", "id": "q", "method": "roots/list"})
        await stage.until(lambda: answers)
        await asked.event_result()

    async def answer(_params: Json, _number: Any) -> Json:
        if isinstance(outcome, MCPError):
            raise outcome
        return outcome

    async with wired(play) as (wire, stage, heard):
        heard.answer = answer
        await call(wire)

    assert answers[0]["error"]["code"] == INTERNAL_ERROR
    assert "cannot be written" in answers[0]["error"]["message"]
    assert "the answer to 'q' cannot be written" in heard.lost[0]


@pytest.mark.parametrize("headers", [{"x": "a\r\nb: c"}, {"x y": "z"}, {"x": "€"}])
async def test_headers_that_are_none_are_refused_before_anything_is_sent(headers: dict[str, str]) -> None:
    with pytest.raises(httpx2.LocalProtocolError):
        async with http_wire("http://127.0.0.1:1/", headers, Evidence()):
            pass


# --- sizes, and pace


async def test_a_large_request_goes_out_whole_however_slowly_it_is_read() -> None:
    text = "ü" * 5_000_000

    async with wired(echo) as (wire, stage, _):
        assert (await call(wire, 1, text=text))["echo"]["params"]["text"] == text
        await call(wire, 2)

    assert stage.accepted == 1


async def test_a_large_request_may_be_answered_before_it_is_read() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 X\r\ncontent-length: 0\r\n\r\n")

    writers: list[asyncio.StreamWriter] = []
    with anyio.fail_after(10):
        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with http_wire(f"http://127.0.0.1:{port}/", {}, Evidence()) as wire:
            for number in range(2):
                error = await refused(wire, number=number, text="x" * 50_000_000)
                assert error.message == "Server returned an error response"
        server.close()
        for writer in writers:
            writer.transport.abort()

    assert len(writers) == 2


async def test_a_stream_is_read_no_faster_than_its_messages_are_dealt_with() -> None:
    message = {"jsonrpc": "2.0", "method": "notifications/x", "params": {"text": "x" * 1_000}}
    many = 8_000

    async def play(asked: Asked) -> None:
        if asked.message["id"] != 7:
            await echo(asked)
            return
        await asked.stream()
        for _ in range(many):
            await asked.event(message)
        await asked.event_result()
        await asked.end()

    async with wired(play) as (wire, _, _), anyio.create_task_group() as tasks:
        wire.on_told = lambda _method, _params, _number: go_on.wait()
        go_on = anyio.Event()
        tasks.start_soon(call, wire, 7)
        while wire.heard < 256:
            await anyio.lowlevel.checkpoint()
        for number in range(100, 200):
            await call(wire, number)
        assert wire.heard < 2_000
        go_on.set()


# --- the end


async def test_the_end_is_told_once_to_everybody() -> None:
    errors: list[str] = []

    async def fail(number: int) -> None:
        errors.append((await refused(wire, number=number)).message)

    with anyio.fail_after(5):
        async with played(hang) as stage, anyio.create_task_group() as callers:
            async with http_wire(stage.url, {}, Evidence()) as wire, anyio.create_task_group() as tasks:
                heard = Heard(wire)
                await tasks.start(wire.run, to_session, ignore)
                for number in (7, 8):
                    callers.start_soon(fail, number)
                await stage.until(lambda: len(stage.requests) == 2)
                assert heard.closed == 0
                tasks.cancel_scope.cancel()
            assert (await refused(wire)).message == "Connection closed"
            await wire.notify("notifications/x", None)
            await stage.until(lambda: stage.open == 0)

    assert errors == ["Connection closed"] * 2
    assert (heard.closed, wire.is_closed) == (1, True)


async def test_the_end_of_a_session_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamable, "_ASIDE_TIMEOUT", 0.05)

    async def play(asked: Asked) -> None:
        if asked.method == "DELETE":
            await anyio.sleep_forever()
        await echo(asked)

    async with wired(play) as (wire, stage, _):
        await open_session(wire)

    assert len(stage.of("DELETE")) == 1


async def test_what_the_server_takes_back_is_not_answered() -> None:
    asked_back = anyio.Event()

    async def play(asked: Asked) -> None:
        if "method" not in asked.message:
            raise AssertionError(json.dumps(asked.message))
        await asked.stream()
        await asked.event({"jsonrpc": "2.0", "id": 1, "method": "roots/list"})
        await asked_back.wait()
        await asked.event({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})
        await stage.until(lambda: is_cancelled.is_set())
        await asked.event_result()

    async def answer(_params: Json, _number: Any) -> Json:
        asked_back.set()
        try:
            await anyio.sleep_forever()
        finally:
            is_cancelled.set()
            stage.change()
        raise AssertionError

    is_cancelled = anyio.Event()
    async with wired(play) as (wire, stage, heard):
        heard.answer = answer
        await call(wire)

    assert len(stage.requests) == 1


async def test_what_the_server_takes_back_at_once_is_not_asked_of_anybody() -> None:
    async def play(asked: Asked) -> None:
        if "method" not in asked.message:
            answers.append(asked.message["id"])
            await asked.answer(202)
            stage.change()
            return
        await asked.stream()
        questions = [{"jsonrpc": "2.0", "id": number, "method": "roots/list"} for number in (1, 2)]
        withdrawn = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
        burst = "".join(f"data: {json.dumps(message)}\n\n" for message in (questions[0], withdrawn, questions[1]))
        await asked.chunk(burst.encode())
        await stage.until(lambda: answers)
        await asked.event_result()

    async def answer(_params: Json, number: Any) -> Json:
        asked_of.append(number)
        return {}

    answers: list[int] = []
    asked_of: list[Any] = []
    async with wired(play) as (wire, stage, heard):
        heard.answer = answer
        await call(wire)
        assert wire._questions == {}

    assert (answers, asked_of) == ([2], [7])
