"""What may go wrong with an exchange over streamable HTTP is its own failure, and told for what it is."""

from __future__ import annotations

import json
import socket

import anyio
import anyio.lowlevel
import httpx2
import pytest
from anyio.abc import TaskGroup
from mcp_types import CONNECTION_CLOSED, INTERNAL_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR

from magictunnel.backends.failures import failure
from magictunnel.errors import OutcomeUnknown
from magictunnel.wire import reply as reply_module
from magictunnel.wire.evidence import Evidence
from magictunnel.wire.http import NOT_SENT
from magictunnel.wire.reply import CUT_OFF, TOO_LARGE
from magictunnel.wire.stale import FORGOTTEN
from magictunnel.wire.streamable import HttpWire, http_wire
from tests.wire.http1.stage import Asked, Stage
from tests.wire.http1.wired import (
    OLD,
    Json,
    anyio_backend,
    call,
    echo,
    open_session,
    refused,
    wired,
)

pytestmark = pytest.mark.anyio

__all__ = ["anyio_backend"]

# --- what does not work


async def test_what_cannot_be_sent_is_told_as_such() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/mcp"
        with anyio.fail_after(5):
            async with http_wire(url, {}, Evidence()) as wire:
                error = await refused(wire)
                assert (error.code, error.message) == (CONNECTION_CLOSED, NOT_SENT)
                with pytest.raises(httpx2.ConnectError) as caught:
                    await call(wire, method="server/discover")
                assert str(caught.value.request.url) == url


async def test_a_connection_that_was_closed_meanwhile_is_replaced_unnoticed() -> None:
    async def play(asked: Asked) -> None:
        await echo(asked)
        asked.hang_up()

    async with wired(play) as (wire, stage, _):
        for number in range(3):
            await call(wire, number)
            await stage.until(lambda: stage.open == 0)

    assert [asked.message["id"] for asked in stage.requests] == [0, 1, 2]


BREAKS = {
    "nothing at all": b"",
    "half a head": b"HTTP/1.1 200 OK\r\ncontent-",
    "half a body": b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{",
    "half a chunk": b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n9\r\n{",
}
ODD = {
    "no HTTP": b"SSH-2.0-OpenSSH\r\n",
    "another version": b"HTTP/9 200 OK\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    "a negative length": b"HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\n{}",
    "length and chunks": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "a huge chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffffff\r\n",
    "no chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
    "another protocol": b"HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
    "a long head": b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 40_000,
    "a long line": b"HTTP/1.1 200 OK\r\nx: " + b"y" * 400_000,
    "a long end": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n" + b"x: y\r\n" * 40_000,
    "patience": b"HTTP/1.1 100 X\r\n\r\n" * 100,
}


@pytest.mark.parametrize("odd", [*BREAKS, *ODD])
async def test_an_answer_that_breaks_off_or_is_none_is_the_failure_of_its_call_alone(odd: str) -> None:
    async def play(asked: Asked) -> None:
        if asked.message["id"] == 7:
            await asked.send((BREAKS | ODD)[odd])
            if odd in BREAKS:
                asked.hang_up()
        else:
            await echo(asked)

    async with wired(play) as (wire, stage, _):
        error = await refused(wire)
        await call(wire, 8)

    assert (error.code, error.message) == (CONNECTION_CLOSED, CUT_OFF)
    assert isinstance(failure("srv", "x", error), OutcomeUnknown)
    assert [asked.connection for asked in stage.requests] == [1, 2]


GOOD = b'{"jsonrpc":"2.0","id":7,"result":{}}'
JSON_HEAD = b"content-type: application/json\r\n"
WHOLE = b"HTTP/1.1 200 OK\r\n%scontent-length: %d\r\n\r\n%s" % (JSON_HEAD, len(GOOD), GOOD)
FORMS = {
    "announced": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\n" + WHOLE, True),
    "followed by something": (WHOLE + b"x", False),
    "followed by another": (WHOLE + WHOLE, False),
    "the last": (WHOLE.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"), False),
    "of long ago": (WHOLE.replace(b"HTTP/1.1", b"HTTP/1.0"), False),
    "up to the end": (b"HTTP/1.1 200 OK\r\n" + JSON_HEAD + b"\r\n" + GOOD, False),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("at_once", [True, False])
async def test_an_answer_may_come_in_many_forms(form: str, at_once: bool) -> None:
    data, is_kept = FORMS[form]

    async def play(asked: Asked) -> None:
        for piece in [data] if at_once else [data[at : at + 1] for at in range(len(data))]:
            await asked.send(piece)
            await anyio.lowlevel.checkpoint()
        if form == "up to the end":
            asked.hang_up()
        else:
            await anyio.lowlevel.checkpoint()

    async with wired(play) as (wire, stage, _):
        assert await call(wire) == {}
        await call(wire)
        await stage.until(lambda: len(stage.requests) == 2)

    assert (stage.accepted == 1) == is_kept


@pytest.mark.parametrize("way", ["length", "chunks", "event"])
async def test_an_answer_that_is_too_large_hurts_no_other(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reply_module, "MAX_ANSWER", 50_000)

    async def play(asked: Asked) -> None:
        if asked.message["id"] != 7:
            await stage.until(lambda: ended.is_set())
            await echo(asked)
        elif way == "length":
            await asked.result({"text": "x" * 50_000})
        elif way == "event":
            await asked.stream()
            await asked.event_result({"text": "x" * 50_000})
        else:
            await asked.send(b"HTTP/1.1 200 OK\r\n%stransfer-encoding: chunked\r\n\r\n" % JSON_HEAD)
            for _ in range(6):
                await asked.chunk(b"x" * 10_000)

    ended = anyio.Event()
    async with wired(play) as (wire, stage, _), anyio.create_task_group() as tasks:
        tasks.start_soon(call, wire, 8)
        assert (await refused(wire)).message == TOO_LARGE
        ended.set()
        stage.change()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b'{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"x"}}'),
        (400, b"No valid session ID provided"),
        (503, b"MCP session is unknown on this API instance"),
    ],
)
async def test_a_refusal_because_our_session_is_lost_is_told_as_such(status: int, body: bytes) -> None:
    async def play(asked: Asked) -> None:
        if asked.message.get("method") == "tools/call":
            await asked.answer(status, body)
        else:
            await echo(asked)

    evidence = Evidence()
    async with wired(play, evidence=evidence) as (wire, _, _):
        assert (await refused(wire)).message != FORGOTTEN
        await open_session(wire)
        assert evidence.http_status is None
        error = await refused(wire)

        assert (error.code, error.message) == (CONNECTION_CLOSED, FORGOTTEN)
        assert evidence.http_status == status


@pytest.mark.parametrize(
    ("status", "body", "kind", "code", "message"),
    [
        (500, b"no", "text/plain", INTERNAL_ERROR, "Server returned an error response"),
        (401, b"{}", "application/json", INTERNAL_ERROR, "Server returned an error response"),
        (404, b"no", "text/plain", METHOD_NOT_FOUND, "Not Found"),
        (
            400,
            b'{"jsonrpc":"2.0","id":null,"error":{"code":-9,"message":"x","data":[1]}}',
            "application/json; charset=utf-8",
            -9,
            "x",
        ),
        (200, b'{"jsonrpc":"2.0","id":7,"error":{"code":-9,"message":"x"}}', "application/json", -9, "x"),
        (202, b"", "text/plain", INVALID_REQUEST, "server answered a request with 202 Accepted"),
        (200, b"<html>", "text/html", INVALID_REQUEST, "Unexpected content type: text/html"),
        (204, b"", "", INVALID_REQUEST, "Unexpected content type: "),
    ],
)
async def test_other_refusals_and_answers_are_told_in_the_words_of_the_sdk(
    status: int, body: bytes, kind: str, code: int, message: str
) -> None:
    async def play(asked: Asked) -> None:
        if status == 204:
            await asked.send(b"HTTP/1.1 204 No\r\n\r\n")
        else:
            await asked.answer(status, body, content_type=kind)

    evidence = Evidence()
    async with wired(play, evidence=evidence) as (wire, stage, _):
        error = await refused(wire)
        assert (error.code, error.message) == (code, message)
        assert evidence.http_status == (status if status >= 400 else None)
        await refused(wire)

    assert stage.accepted == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"jsonrpc":"2.0","id":8,"result":{}}',
        b'{"jsonrpc":"2.0","id":7,"result":[]}',
        b'{"jsonrpc":"1.0","id":7,"result":{}}',
        b'{"jsonrpc":"2.0","id":7,"error":"x"}',
        b'{"jsonrpc":"2.0","id":7,"method":"x"}',
        b'{"jsonrpc":"2.0","id":7,"result":{"x":"\xff"}}',
        b"[" * 100_000,
    ],
)
async def test_what_is_no_answer_is_an_error_and_no_wait(body: bytes) -> None:
    async def as_json(asked: Asked) -> None:
        await asked.answer(200, body, content_type="application/json")

    async with wired(as_json) as (wire, _, _):
        assert (await refused(wire)).code == PARSE_ERROR

    async def as_event(asked: Asked) -> None:
        await asked.stream()
        await asked.chunk(b"data: " + (body or b"x") + b"\n\n")

    if b'"id":8' in body or b"method" in body:
        return  # on a stream the former is the answer, the latter a question
    async with wired(as_event) as (wire, _, _):
        assert (await refused(wire)).code == PARSE_ERROR


async def test_redirects_are_followed_within_the_origin_and_remembered() -> None:
    async def play(asked: Asked) -> None:
        if asked.target == "/mcp":
            await asked.answer(307, b"there", location="/mcp/?a=b")
        else:
            await echo(asked)

    async with wired(play) as (wire, stage, _):
        await call(wire, 1)
        await call(wire, 2)

    assert [asked.target for asked in stage.requests] == ["/mcp", "/mcp/?a=b", "/mcp/?a=b"]


async def test_what_stands_in_a_redirect_is_no_answer_whatever_it_is_called() -> None:
    async def play(asked: Asked) -> None:
        if asked.target == "/mcp":
            event = {"jsonrpc": "2.0", "id": asked.message["id"], "result": {"from": "a redirect"}}
            body = f"data: {json.dumps(event)}\n\n".encode()
            await asked.answer(307, body, location="/mcp/", content_type="text/event-stream")
        else:
            await echo(asked)

    async with wired(play) as (wire, stage, _):
        assert "from" not in await call(wire, 1)
        await call(wire, 2)

    assert [asked.target for asked in stage.requests] == ["/mcp", "/mcp/", "/mcp/"]


async def test_of_two_requests_that_are_led_away_at_once_both_arrive() -> None:
    async def play(asked: Asked) -> None:
        if asked.target == "/mcp":
            await stages[0].until(lambda: len(stages[0].requests) >= 2)
            await asked.answer(307, b"there", location="mcp/")
        else:
            await echo(asked)

    stages: list[Stage] = []
    async with wired(play) as (wire, stage, _):
        stages.append(stage)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, wire, 1)
            tasks.start_soon(call, wire, 2)
        await call(wire, 3)

    assert [asked.target for asked in stage.requests] == ["/mcp", "/mcp", "/mcp/", "/mcp/", "/mcp/"]


@pytest.mark.parametrize(("status", "location"), [(302, "/x"), (307, "http://localhost:1/x?token=1"), (307, "/mcp")])
async def test_other_redirects_are_an_error(status: int, location: str) -> None:
    async def play(asked: Asked) -> None:
        await asked.answer(status, b"there", location=location)

    async with wired(play) as (wire, stage, _):
        error = await refused(wire)

    assert error.code == INVALID_REQUEST
    assert "not followed; use that URL" in error.message
    assert "token" not in error.message
    assert len(stage.requests) <= 2


# --- streams that end before the answer


async def test_a_stream_that_ends_without_an_answer_is_told_as_such() -> None:
    async def play(asked: Asked) -> None:
        await asked.stream()
        await asked.event({"jsonrpc": "2.0", "method": "notifications/x"})
        await asked.end()

    async with wired(play) as (wire, _, heard):
        error = await refused(wire)

    assert (error.code, error.message) == (CONNECTION_CLOSED, "SSE stream ended without a response")
    assert isinstance(failure("srv", "x", error), OutcomeUnknown)
    assert heard.let_go == []


@pytest.mark.parametrize("breaks", [True, False])
async def test_a_stream_that_can_be_taken_up_is_taken_up(breaks: bool) -> None:
    async def play(asked: Asked) -> None:
        await asked.stream()
        if asked.method == "POST":
            await asked.event(id="e1", retry="1")
            if breaks:
                asked.hang_up()
                return
        elif len(stage.of("GET")) == 1:
            await asked.event({"jsonrpc": "2.0", "method": "notifications/x"}, id="e2")
        else:
            await asked.event({"jsonrpc": "2.0", "id": 7, "result": {"late": True}})
        await asked.end()

    async with wired(play) as (wire, stage, heard):
        assert await call(wire, 7) == {"late": True}

    assert [asked.headers["last-event-id"] for asked in stage.of("GET")] == ["e1", "e2"]
    assert heard.let_go == [7]
    assert heard.told == [("notifications/x", {}, 7)]


class Begun:
    """Takes its answer at once, or in a task from when it is promoted."""

    def __init__(self, wire: HttpWire, number: int, tasks: TaskGroup) -> None:
        self.results: list[Json] = []
        self._wire = wire
        self._number = number
        self._tasks = tasks

    def take(self, result: Json) -> bool:
        self.results.append(result)
        return True

    def promote(self) -> None:
        self._wire.keep(self._number)
        self._tasks.start_soon(self._await)

    async def _await(self) -> None:
        self.results.append(await self._wire.awaited(self._number))


class Lost:
    """A server that ends the stream of call 7, and has the answer to it on the stream of news once that is wanted."""

    def __init__(self) -> None:
        self.stage: Stage
        self.wanted = anyio.Event()
        self.told = anyio.Event()

    async def play(self, asked: Asked) -> None:
        if asked.method == "GET" and "last-event-id" not in asked.headers:
            await asked.stream()
            await self.wanted.wait()
            await asked.event({"jsonrpc": "2.0", "id": 7, "result": {"late": True}})
            await asked.event({"jsonrpc": "2.0", "method": "notifications/after", "params": {}})
            await asked.gone()
        elif asked.message.get("id") == 7:
            await asked.stream()
            await asked.event(id="e1", retry="1")
            await asked.end()
        else:
            await echo(asked)

    async def let_go(self, _number: object) -> None:
        """Return when the answer has been heard."""
        self.wanted.set()
        await self.told.wait()

    async def opened(self, wire: HttpWire) -> None:
        """Open a session, with its stream of news."""
        wire.on_let_go = self.let_go
        wire.on_told = self._told
        await open_session(wire)
        await self.stage.until(lambda: self.stage.of("GET"))

    def _told(self, _method: str, _params: Json, _number: object) -> None:
        self.told.set()


@pytest.mark.parametrize("is_begun", [True, False])
async def test_an_answer_among_the_news_is_taken_while_its_own_stream_is_about_to_be_taken_up(is_begun: bool) -> None:
    server = Lost()
    async with wired(server.play) as (wire, server.stage, _):
        await server.opened(wire)
        if is_begun:
            await call(wire, 1)
            async with anyio.create_task_group() as tasks:
                begun = Begun(wire, 7, tasks)
                assert wire.begin(7, "tools/call", {}, {"MCP-Protocol-Version": OLD}, begun)
                await server.told.wait()
            assert begun.results == [{"late": True}]
        else:
            assert await call(wire, 7) == {"late": True}

    assert len(server.stage.of("GET")) == 1
    assert wire.late_answers == 0


@pytest.mark.parametrize("ends", [True, False])
async def test_a_call_that_is_over_is_told_so_while_its_stream_is_about_to_be_taken_up(ends: bool) -> None:
    async def let_go(_number: object) -> None:
        if ends:
            wire.end()
        else:
            await wire.notify("notifications/cancelled", {"requestId": 7})

    server = Lost()
    async with wired(server.play) as (wire, server.stage, _):
        await server.opened(wire)
        wire.on_let_go = let_go

        assert (await refused(wire, number=7)).message == ("Connection closed" if ends else "cancelled")

    assert len(server.stage.of("GET")) == 1


async def test_a_stream_that_brings_nothing_more_is_given_up() -> None:
    async def play(asked: Asked) -> None:
        if asked.method == "POST":
            await asked.stream()
            await asked.event(id="e1", retry="1")
            await asked.end()
        elif len(stage.of("GET")) == 1:
            await asked.answer(500)
        else:
            asked.hang_up()

    evidence = Evidence()
    async with wired(play, evidence=evidence) as (wire, stage, _):
        error = await refused(wire)

    assert error.message == "SSE stream ended and reconnection attempts were exhausted"
    assert len(stage.of("GET")) == 2
    assert evidence.http_status is None
