"""HTTP+SSE: where requests go, what comes back on the stream, and what is known when either ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest
from mcp.shared.dispatcher import DispatchContext
from mcp.shared.exceptions import MCPError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from magictunnel.wire import http, oneway
from magictunnel.wire.dispatcher import WireDispatcher
from magictunnel.wire.evidence import Evidence
from magictunnel.wire.http import CUT_OFF
from magictunnel.wire.oneway import one_way_wire
from magictunnel.wire.stale import FORGOTTEN
from tests.support.memory import until
from tests.support.web import served
from tests.wire.http1.stage import Asked, Stage, played

pytestmark = pytest.mark.anyio

Json = dict[str, Any]
PATIENCE = 5.0
ENDPOINT = "event: endpoint\r\ndata: /messages?session=1\r\n\r\n"


class Post:
    """A server whose stream says what a test says, and which answers POSTs as it is told."""

    def __init__(self, *first: str) -> None:
        self.first = first or (ENDPOINT,)
        self.received: list[Json] = []
        self.on_post: Callable[[Json], Response | None] = lambda _message: None
        """What a POST is answered with; None: it is accepted."""
        self.waits: dict[str, anyio.Event] = {}
        """What a POST of a tool of that name waits for."""
        self._said: asyncio.Queue[str | None] = asyncio.Queue()

    def say(self, event: str) -> None:
        self._said.put_nowait(event)

    def answer(self, number: object, result: Json) -> None:
        self.say(message({"jsonrpc": "2.0", "id": number, "result": result}))

    def hang_up(self) -> None:
        self._said.put_nowait(None)

    def number_of(self, tool: str) -> object:
        return next(one["id"] for one in self.received if one.get("params", {}).get("name") == tool)

    def has(self, *tools: str) -> bool:
        """Whether calls of all of them have come."""
        return set(tools) <= {one.get("params", {}).get("name") for one in self.received}

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/sse", self._sse), Route("/messages", self._messages, methods=["POST"])])

    async def _sse(self, _request: Request) -> Response:
        return StreamingResponse(self._events(), media_type="text/event-stream")

    async def _events(self) -> AsyncIterator[str]:
        for event in self.first:
            yield event
        while (event_said := await self._said.get()) is not None:
            yield event_said

    async def _messages(self, request: Request) -> Response:
        posted = await request.json()
        self.received.append(posted)
        if wait := self.waits.get(posted.get("params", {}).get("name", "")):
            await wait.wait()
        return self.on_post(posted) or Response(status_code=202)


class Caller:
    """Our end: calls, and what came of them."""

    def __init__(self, wire: WireDispatcher) -> None:
        self.wire = wire
        self.results: dict[str, Json] = {}
        self.errors: dict[str, str] = {}

    async def call(self, tool: str) -> None:
        try:
            self.results[tool] = await self.wire.send_raw_request("tools/call", {"name": tool}, {})
        except MCPError as error:
            self.errors[tool] = error.message


async def nothing(_ctx: DispatchContext[Any], _method: str, _params: Any) -> Any:
    return {}


@asynccontextmanager
async def connected(server: Post, evidence: Evidence | None = None) -> AsyncIterator[Caller]:
    with anyio.fail_after(PATIENCE):
        async with (
            served(server.app()) as port,
            one_way_wire(f"http://127.0.0.1:{port}/sse", {}, evidence or Evidence()) as wire,
            anyio.create_task_group() as tasks,
        ):
            await tasks.start(wire.run, nothing, nothing)
            yield Caller(wire)
            server.hang_up()
            tasks.cancel_scope.cancel()


class Bytes:
    """A server that answers each POST with the very bytes that a test wants."""

    def __init__(self, on_post: Callable[[Asked], Awaitable[None]]) -> None:
        self.stage: Stage
        self._on_post = on_post

    async def play(self, asked: Asked) -> None:
        if asked.method == "POST":
            await self._on_post(asked)
            return
        await asked.stream()
        await asked.chunk(b"event: endpoint\ndata: /messages\n\n")
        await asyncio.Event().wait()

    async def answer(self, tool: str) -> None:
        """Answer the call of that tool, on the stream."""
        number = next(one.message["id"] for one in self.stage.requests if self.names(one, tool))
        (stream,) = self.stage.of("GET")
        await stream.event({"jsonrpc": "2.0", "id": number, "result": {"by": tool}}, event="message")

    def names(self, asked: Asked, tool: str) -> bool:
        return asked.message.get("params", {}).get("name") == tool

    async def has(self, tool: str) -> None:
        """Wait until that tool has been called."""
        await self.stage.until(lambda: any(self.names(one, tool) for one in self.stage.requests))


@asynccontextmanager
async def connected_to(server: Bytes) -> AsyncIterator[Caller]:
    with anyio.fail_after(PATIENCE):
        async with (
            played(server.play) as server.stage,
            one_way_wire(server.stage.url, {}, Evidence()) as wire,
            anyio.create_task_group() as tasks,
        ):
            await tasks.start(wire.run, nothing, nothing)
            yield Caller(wire)
            tasks.cancel_scope.cancel()


def message(body: Json) -> str:
    return f"event: message\r\ndata: {json.dumps(body)}\r\n\r\n"


async def refusal(server: Post, kind: type[Exception]) -> str:
    """Why no connection comes about."""
    server.hang_up()
    with anyio.fail_after(PATIENCE):
        async with served(server.app()) as port:
            with pytest.raises(kind) as caught:
                async with one_way_wire(f"http://127.0.0.1:{port}/sse", {}, Evidence()):
                    raise AssertionError("there is none")
            return str(caught.value)


# --- where requests go


@pytest.mark.parametrize(
    "endpoint", ["http://other.example/messages?token=hunter2", "http://127.0.0.1:1/messages", "//other.example/m"]
)
async def test_requests_go_to_no_other_origin(endpoint: str) -> None:
    told = await refusal(Post(f"event: endpoint\r\ndata: {endpoint}\r\n\r\n"), httpx2.SSEError)

    assert told.startswith("its requests are to go to another origin, http://")
    assert "hunter2" not in told


async def test_a_server_that_does_not_say_where_requests_go_is_none() -> None:
    first = (": hello\r\n\r\n", message({"jsonrpc": "2.0", "method": "notifications/message"}))

    assert "before it said where requests go" in await refusal(Post(*first), ConnectionResetError)


async def test_whoever_is_no_such_server_is_none() -> None:
    async def no(_request: Request) -> Response:
        return Response("no", status_code=404)

    evidence = Evidence()
    with anyio.fail_after(PATIENCE):
        async with served(Starlette(routes=[Route("/sse", no)])) as port:
            with pytest.raises(httpx2.HTTPError):
                async with one_way_wire(f"http://127.0.0.1:{port}/sse", {}, evidence):
                    raise AssertionError("there is none")

    assert evidence.http_status == 404


# --- the stream


async def test_a_request_is_posted_and_its_answer_comes_on_the_stream_in_whatever_order() -> None:
    server = Post()
    async with connected(server) as here, anyio.create_task_group() as tasks:
        for tool in ("a", "b"):
            tasks.start_soon(here.call, tool)
        await until(lambda: server.has("a", "b"))
        for tool in ("b", "a"):
            server.answer(server.number_of(tool), {"by": tool})
        await until(lambda: len(here.results) == 2)

        assert here.results == {"a": {"by": "a"}, "b": {"by": "b"}}


async def test_comments_and_events_of_other_kinds_mean_nothing() -> None:
    server, evidence = Post(": hello\r\n\r\n", ENDPOINT), Evidence()
    async with connected(server, evidence) as here, anyio.create_task_group() as tasks:
        tasks.start_soon(here.call, "a")
        await until(lambda: server.has("a"))
        for said in (
            ": ping\r\n\r\n",
            "event: ping\r\ndata: {}\r\n\r\n",
            "event: endpoint\r\ndata: http://other.example/\r\n\r\n",
            "event: message\r\n\r\n",
            "event: message\r\ndata:\r\n\r\n",
            "retry: 10\r\n\r\n",
        ):
            server.say(said)
        server.answer(server.number_of("a"), {"by": "a"})
        await until(lambda: bool(here.results))

        assert here.results == {"a": {"by": "a"}}
        assert (evidence.junk, evidence.broke) == (0, "")


async def test_what_is_no_message_is_skipped_and_counted() -> None:
    server, evidence = Post(), Evidence()
    async with connected(server, evidence) as here, anyio.create_task_group() as tasks:
        tasks.start_soon(here.call, "a")
        await until(lambda: server.has("a"))
        server.say("event: message\r\ndata: not json\r\n\r\n")
        server.answer(server.number_of("a"), {"by": "a"})
        await until(lambda: bool(here.results))

    assert (evidence.junk, evidence.first_junk) == (1, "not json")


async def test_an_answer_of_many_megabytes_passes() -> None:
    server, text = Post(), "x" * 20_000_000
    async with connected(server) as here, anyio.create_task_group() as tasks:
        tasks.start_soon(here.call, "a")
        await until(lambda: server.has("a"))
        server.answer(server.number_of("a"), {"text": text})
        await until(lambda: bool(here.results))

        assert here.results["a"]["text"] == text


async def test_a_stream_with_an_event_that_is_too_large_ends_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oneway, "MAX_EVENT", 10_000)
    server, evidence = Post(), Evidence()
    async with connected(server, evidence) as here, anyio.create_task_group() as tasks:
        tasks.start_soon(here.call, "a")
        await until(lambda: server.has("a"))
        server.answer(server.number_of("a"), {"text": "x" * 20_000})
        await until(lambda: bool(here.errors))

        assert here.wire.is_closed
        assert here.errors == {"a": "Connection closed"}
        assert evidence.broke.startswith("its stream of answers cannot be read: ")


async def test_nothing_overtakes_the_word_that_we_have_begun() -> None:
    server = Post()
    server.waits[""] = anyio.Event()
    async with connected(server) as here, anyio.create_task_group() as tasks:
        await here.wire.notify("notifications/initialized", None)
        tasks.start_soon(here.call, "a")
        await until(lambda: bool(server.received))
        with anyio.move_on_after(0.1) as waited:
            await until(lambda: server.has("a"))
        assert waited.cancelled_caught

        server.waits[""].set()
        await until(lambda: server.has("a"))
        server.answer(server.number_of("a"), {"by": "a"})
        await until(lambda: bool(here.results))


async def test_a_server_that_does_not_take_that_word_gets_what_comes_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oneway, "_FIRST_POST", 0.05)
    server = Post()
    server.waits[""] = anyio.Event()
    async with connected(server) as here, anyio.create_task_group() as tasks:
        await here.wire.notify("notifications/initialized", None)
        tasks.start_soon(here.call, "a")
        await until(lambda: server.has("a"))
        server.answer(server.number_of("a"), {"by": "a"})
        await until(lambda: bool(here.results))
        server.waits[""].set()


# --- refusals


@pytest.mark.parametrize(
    ("status", "text", "told"),
    [(500, "no", CUT_OFF), (404, "Could not find session", FORGOTTEN), (400, "no such session", FORGOTTEN)],
)
async def test_a_request_that_is_refused_is_answered_and_no_other(status: int, text: str, told: str) -> None:
    server = Post()
    server.on_post = lambda posted: (
        Response(text, status_code=status) if posted.get("params", {}).get("name") == "bad" else None
    )
    async with connected(server) as here, anyio.create_task_group() as tasks:
        tasks.start_soon(here.call, "good")
        await until(lambda: server.has("good"))
        tasks.start_soon(here.call, "bad")
        await until(lambda: bool(here.errors))
        assert here.errors == {"bad": told}
        assert (here.results, here.wire.is_closed) == ({}, False)

        server.answer(server.number_of("good"), {"by": "good"})
        await until(lambda: bool(here.results))


async def test_a_message_that_is_refused_is_nobody_s_failure() -> None:
    server = Post()
    server.on_post = lambda _posted: Response("no", status_code=500)
    async with connected(server) as here, anyio.create_task_group() as tasks:
        await here.wire.notify("notifications/initialized", {})
        await until(lambda: bool(server.received))
        server.on_post = lambda _posted: None
        tasks.start_soon(here.call, "a")
        await until(lambda: server.has("a"))
        server.answer(server.number_of("a"), {"by": "a"})
        await until(lambda: bool(here.results))

    assert here.errors == {}


CUT = b"HTTP/1.1 %s\r\ncontent-type: text/plain\r\ncontent-length: 99\r\n%s\r\naccep"
MISCODED = b"HTTP/1.1 %s\r\ncontent-type: %s\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}"
TAKEN = {"cut off": CUT % (b"202 X", b""), "miscoded": MISCODED % (b"202 X", b"text/plain")}
"""What is wrong with these is wrong after their head, which says that the message was taken."""
NOT_TAKEN = {
    "a redirect that is cut off": CUT % (b"307 X", b"location: /messages/\r\n"),
    "a miscoded redirect": (MISCODED % (b"307 X", b"text/plain")).replace(b"\r\n", b"\r\nlocation: /x\r\n", 1),
    "a miscoded refusal": MISCODED % (b"500 X", b"text/plain"),
    "miscoded JSON": MISCODED % (b"200 X", b"application/json"),
}


def broken(response: bytes) -> Bytes:
    """Responds like this to all that does not name `good`, and hangs up."""

    async def on_post(asked: Asked) -> None:
        if server.names(asked, "good"):
            await asked.answer(202)
            return
        await asked.send(response)
        asked.hang_up()

    server = Bytes(on_post)
    return server


@pytest.mark.parametrize("how", TAKEN)
async def test_a_call_that_was_taken_is_answered_however_the_response_to_it_ends(how: str) -> None:
    server = broken(TAKEN[how])
    async with connected_to(server) as here, anyio.create_task_group() as tasks:
        for tool in ("bad", "good"):
            tasks.start_soon(here.call, tool)
            await server.has(tool)
        for tool in ("good", "bad"):
            await server.answer(tool)
        await until(lambda: len(here.results) == 2)

    assert (here.errors, len(server.stage.of("tools/call"))) == ({}, 2)


@pytest.mark.parametrize("how", NOT_TAKEN)
async def test_a_call_with_a_response_that_cannot_be_read_is_answered_and_no_other_is(how: str) -> None:
    server = broken(NOT_TAKEN[how])
    async with connected_to(server) as here, anyio.create_task_group() as tasks:
        for tool in ("good", "bad"):
            tasks.start_soon(here.call, tool)
            await server.has(tool)
        await until(lambda: bool(here.errors))
        await server.answer("good")
        await until(lambda: bool(here.results))

    assert here.errors == {"bad": CUT_OFF}


@pytest.mark.parametrize("how", TAKEN | NOT_TAKEN)
async def test_a_notification_with_a_response_that_cannot_be_read_is_nobody_s_failure(how: str) -> None:
    server = broken((TAKEN | NOT_TAKEN)[how])
    async with connected_to(server) as here, anyio.create_task_group() as tasks:
        await here.wire.notify("notifications/x", {})
        await server.stage.until(lambda: server.stage.of("notifications/x"))
        tasks.start_soon(here.call, "good")
        await server.has("good")
        await server.answer("good")
        await until(lambda: bool(here.results))

    assert here.errors == {}


@pytest.mark.parametrize("status", [202, 307])
async def test_the_end_of_a_response_to_a_notification_is_not_waited_for(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "_ASIDE_TIMEOUT", 0.05)

    async def on_post(asked: Asked) -> None:
        if server.names(asked, "good"):
            await asked.answer(202)
            return
        await asked.send(CUT % (b"%d X" % status, b"location: /messages/\r\n"))
        await asked.gone()
        given_up.set()

    given_up = anyio.Event()
    server = Bytes(on_post)
    async with connected_to(server) as here, anyio.create_task_group() as tasks:
        tasks.start_soon(here.call, "good")
        await server.has("good")
        await here.wire.notify("notifications/x", {})
        await given_up.wait()
        await server.answer("good")
        await until(lambda: bool(here.results))

    assert here.errors == {}


async def test_a_call_may_be_given_up_while_the_response_to_it_goes_on() -> None:
    async def on_post(asked: Asked) -> None:
        if not server.names(asked, "bad"):
            await asked.answer(202)
            return
        await asked.send(CUT % (b"202 X", b""))
        await asked.gone()
        given_up.set()

    given_up = anyio.Event()
    server = Bytes(on_post)
    async with connected_to(server) as here, anyio.create_task_group() as tasks:
        tasks.start_soon(here.call, "good")
        await server.has("good")
        async with anyio.create_task_group() as caller:
            caller.start_soon(here.call, "bad")
            await server.has("bad")
            caller.cancel_scope.cancel()
        await given_up.wait()
        await server.answer("good")
        await until(lambda: bool(here.results))

    assert here.errors == {}


async def test_notifications_that_are_refused_leave_no_connection_behind() -> None:
    async def on_post(asked: Asked) -> None:
        await asked.answer(500, b"no")

    server = Bytes(on_post)
    async with connected_to(server) as here:
        for number in range(5):
            await here.wire.notify("notifications/x", {})
            await server.stage.until(lambda number=number: len(server.stage.of("POST")) > number)
            await server.stage.until(lambda: server.stage.open <= 2)


@pytest.mark.parametrize(("status", "location"), [(302, "/elsewhere"), (307, "http://other.example/messages")])
async def test_a_call_whose_redirect_is_not_followed_is_told_so(status: int, location: str) -> None:
    async def on_post(asked: Asked) -> None:
        await asked.answer(status, location=location)

    server = Bytes(on_post)
    async with connected_to(server) as here:
        await here.call("a")

    assert here.errors == {"a": CUT_OFF}


# --- the end of the stream


async def test_a_call_that_was_taken_is_not_answered_any_more_when_the_stream_ends() -> None:
    server = Post()
    async with connected(server) as here, anyio.create_task_group() as tasks:
        tasks.start_soon(here.call, "a")
        await until(lambda: server.has("a"))
        server.hang_up()
        await until(lambda: bool(here.errors))

        assert here.errors == {"a": "Connection closed"}
        assert here.wire.is_closed


async def test_a_call_that_is_being_sent_when_the_stream_ends_waits_for_its_refusal() -> None:
    """By that it is known that it was not executed."""
    server = Post()
    server.waits["a"] = anyio.Event()
    server.on_post = lambda _posted: Response("no such session", status_code=404)
    async with connected(server) as here, anyio.create_task_group() as tasks:
        tasks.start_soon(here.call, "a")
        await until(lambda: server.has("a"))
        server.hang_up()
        await anyio.sleep(0.05)
        assert (here.errors, here.wire.is_closed) == ({}, False)

        server.waits["a"].set()
        await until(lambda: bool(here.errors))

        assert here.errors == {"a": FORGOTTEN}
        await until(lambda: here.wire.is_closed)


async def test_nobody_waits_for_ever_for_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oneway, "_LAST_POSTS", 0.05)
    server = Post()
    server.waits["a"] = anyio.Event()
    async with connected(server) as here, anyio.create_task_group() as tasks:
        tasks.start_soon(here.call, "a")
        await until(lambda: server.has("a"))
        server.hang_up()
        await until(lambda: bool(here.errors))

        assert here.errors == {"a": "Connection closed"}
        server.waits["a"].set()
