"""Exchanges over HTTP that fail: each is its own failure, told as the answer that did not come."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest
from mcp_types import CONNECTION_CLOSED
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from magictunnel.wire import http
from magictunnel.wire.evidence import Evidence
from magictunnel.wire.http import NOT_SENT, TOO_LARGE, CallClient
from magictunnel.wire.stale import FORGOTTEN
from tests.support.web import served

pytestmark = pytest.mark.anyio

Answer = Callable[[], Response]
SESSION = {"mcp-session-id": "abc"}


def call(number: int = 7) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": "x"}}


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[tuple[CallClient, str, Evidence]]:
    """A client, and a server that answers every POST like this."""

    async def post(_request: Request) -> Response:
        return answer()

    evidence = Evidence()
    with anyio.fail_after(5):
        async with (
            served(Starlette(routes=[Route("/mcp", post, methods=["POST"])])) as port,
            CallClient({}, evidence, ("POST",)) as client,
        ):
            yield client, f"http://127.0.0.1:{port}/mcp", evidence


def told(response: httpx2.Response, number: int = 7) -> str:
    """The message of the error that stands in for an answer."""
    assert response.status_code == 200
    body = response.json()
    assert (body["jsonrpc"], body["id"], body["error"]["code"]) == ("2.0", number, CONNECTION_CLOSED)
    return str(body["error"]["message"])


def sized(size: int, pieces: int = 1) -> Answer:
    """A JSON answer of that many bytes; in several pieces its length is not told beforehand."""
    body = json.dumps({"jsonrpc": "2.0", "id": 7, "result": {"text": "x" * size}}).encode()[:size].ljust(size, b" ")

    async def stream() -> AsyncIterator[bytes]:
        for at in range(pieces):
            yield body[at * size // pieces : (at + 1) * size // pieces]

    if pieces == 1:
        return lambda: Response(body, media_type="application/json")
    return lambda: StreamingResponse(stream(), media_type="application/json")


@pytest.mark.parametrize("pieces", [1, 5])
async def test_an_answer_that_is_too_large_is_told_as_such_and_the_next_one_comes(
    pieces: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "MAX_EVENT", 10_000)
    sizes = [10_001, 10_000]
    async with answering(lambda: sized(sizes.pop(0), pieces)()) as (client, url, _):
        async with client.stream("POST", url, json=call()) as response:
            await response.aread()
            assert told(response) == TOO_LARGE

        async with client.stream("POST", url, json=call()) as response:
            assert len(await response.aread()) == 10_000


@pytest.mark.parametrize(
    "answer",
    [
        lambda: JSONResponse({"jsonrpc": "2.0", "id": None, "error": {"code": -1, "message": "x"}}, status_code=404),
        lambda: Response("No valid session ID provided", status_code=400),
        lambda: Response("MCP session is unknown on this API instance", status_code=503),
    ],
)
async def test_a_refusal_because_our_session_is_lost_is_told_as_such(answer: Answer) -> None:
    async with answering(answer) as (client, url, evidence):
        response = await client.post(url, json=call(), headers=SESSION)

        assert told(response) == FORGOTTEN
        assert evidence.http_status is not None


async def test_whoever_named_no_session_has_lost_none() -> None:
    async with answering(lambda: Response("Session not found", status_code=404)) as (client, url, _):
        assert (await client.post(url, json=call())).status_code == 404


@pytest.mark.parametrize("status", [401, 403, 429, 500])
async def test_other_refusals_are_passed_on_as_they_came(status: int) -> None:
    async with answering(lambda: Response("no", status_code=status)) as (client, url, evidence):
        response = await client.post(url, json=call(), headers=SESSION)

        assert (response.status_code, response.text) == (status, "no")
        assert evidence.http_status == status


async def test_the_error_of_a_tool_that_speaks_of_sessions_is_its_answer() -> None:
    answer = {"jsonrpc": "2.0", "id": 7, "error": {"code": -32000, "message": "Session not found"}}
    async with answering(lambda: JSONResponse(answer)) as (client, url, _):
        assert (await client.post(url, json=call(), headers=SESSION)).json() == answer


@pytest.mark.parametrize("method", ["initialize", "server/discover"])
async def test_whoever_opens_a_session_is_told_of_every_refusal_as_it_is(method: str) -> None:
    async with answering(lambda: Response("Session not found", status_code=404)) as (client, url, _):
        response = await client.post(url, json=call() | {"method": method}, headers=SESSION)
        assert response.status_code == 404


async def test_a_call_that_could_not_be_sent_is_told_as_such() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        async with CallClient({}, Evidence(), ("POST",)) as client:
            with anyio.fail_after(5):
                assert told(await client.post(f"http://127.0.0.1:{port}/mcp", json=call(9)), 9) == NOT_SENT


async def test_what_stands_in_for_an_answer_goes_where_answers_go() -> None:
    """Over HTTP+SSE the POST itself is never answered."""
    aside: list[tuple[Any, str]] = []
    async with answering(lambda: Response("no such session", status_code=400)) as (client, url, _):
        client.answer_aside(lambda number, message: aside.append((number, message)))

        response = await client.post(f"{url}?session=abc", json=call())

        assert response.status_code == 202
        assert aside == [(7, FORGOTTEN)]


@pytest.mark.parametrize("aside", [True, False])
async def test_a_message_that_is_refused_ends_nothing(aside: bool) -> None:
    told_aside: list[Any] = []
    async with answering(lambda: Response("no", status_code=500)) as (client, url, _):
        if aside:
            client.answer_aside(lambda number, message: told_aside.append((number, message)))
        message = {"jsonrpc": "2.0", "method": "notifications/initialized"}

        response = await client.post(url, json=message)

        assert response.status_code == (202 if aside else 500)
        assert told_aside == []


async def test_it_is_quiet_when_no_call_is_being_sent() -> None:
    async def slowly() -> AsyncIterator[bytes]:
        await answered.wait()
        yield b"{}"

    answered = anyio.Event()
    async with answering(lambda: StreamingResponse(slowly(), media_type="application/json")) as (client, url, _):
        await client.until_quiet(list)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(post, client, url)
            with anyio.move_on_after(0.1) as waited:  # also while it is only about to be sent
                await client.until_quiet(lambda: [call()["id"]])
            assert waited.cancelled_caught
            answered.set()
            await client.until_quiet(lambda: [call()["id"]])


async def post(client: CallClient, url: str) -> None:
    await client.post(url, json=call())


async def test_json_that_is_written_already_goes_as_it_is() -> None:
    line = b'{"jsonrpc":"2.0", "id":7}'
    async with CallClient({}, Evidence(), ("POST",)) as client:
        as_bytes = client.build_request("POST", "http://x/", json=line)
        named = client.build_request("POST", "http://x/", json=line, headers={"content-type": "application/json; v=1"})
        as_value = client.build_request("POST", "http://x/", json={"id": 7})

    assert (as_bytes.content, as_bytes.headers["content-type"]) == (line, "application/json")
    assert as_bytes.headers["content-length"] == str(len(line))
    assert named.headers["content-type"] == "application/json; v=1"
    assert json.loads(as_value.content) == {"id": 7}
