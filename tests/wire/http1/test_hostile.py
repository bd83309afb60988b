"""Whatever a server sends, the call that it was sent for ends, and the next one is answered."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp.shared.exceptions import MCPError

from magictunnel.wire.evidence import Evidence
from magictunnel.wire.reply import Ended
from magictunnel.wire.streamable import http_wire
from magictunnel.wire.streams import ATTEMPTS, Progress
from magictunnel.wire.verdict import is_answer, parsed, result_of
from tests.wire.http1.stage import Asked, played

PIECES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 307 X\r\nlocation: /x\r\n",
        b"HTTP/1.1 404 X\r\n",
        b"content-length: 36\r\n",
        b"content-length: 0\r\n",
        b"transfer-encoding: chunked\r\n",
        b"connection: close\r\n",
        b"content-type: application/json\r\n",
        b"content-type: text/event-stream\r\n",
        b"\r\n",
        b'{"jsonrpc":"2.0","id":7,"result":{}}',
        b"24\r\n",
        b"0\r\n\r\n",
        b"data: ",
        b"id: 1\nretry: 0\n",
        b"\n\n",
    ]
)
STREAMS = st.lists(PIECES | st.binary(max_size=20), max_size=12).map(b"".join)


@given(STREAMS)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_call_ends_whatever_is_sent(data: bytes) -> None:
    anyio.run(call_twice, data)


async def call_twice(data: bytes) -> None:
    async def play(asked: Asked) -> None:
        if asked.message.get("id") == 8:
            await asked.result({"good": True})
            return
        await asked.send(data)
        asked.hang_up()

    with anyio.fail_after(5):
        async with played(play) as stage, http_wire(stage.url, {}, Evidence()) as wire:
            try:
                with anyio.move_on_after(0.3):  # it may want the stream to be taken up, again and again
                    await wire.send_raw_request("tools/call", {}, {"request_id": 7, "cancel_on_abandon": False})
            except MCPError:
                pass
            assert await wire.send_raw_request("tools/call", {}, {"request_id": 8}) == {"good": True}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("jsonrpc", "id", "method", "params", "result", "error"), JSON)
)


@given(FIELDS, st.booleans())
def test_what_counts_as_a_message_has_the_shape_of_one(fields: dict[str, Any], right: bool) -> None:
    text = json.dumps(fields | ({"jsonrpc": "2.0"} if right else {})).encode()
    try:
        message = parsed(text)
    except ValueError:
        return

    if is_answer(message):
        with suppress(MCPError):
            assert isinstance(result_of(message), dict)
    else:
        assert isinstance(message["method"], str)
        assert isinstance(message.get("params"), dict | None)


@pytest.mark.parametrize("odd", [{}, "", False, 0, [], {"code": "x"}])
def test_an_error_of_any_shape_beside_a_result_is_an_error(odd: Any) -> None:
    with pytest.raises(MCPError):
        result_of(parsed(json.dumps({"jsonrpc": "2.0", "id": 1, "result": {}, "error": odd}).encode()))


def test_a_notification_may_say_that_it_has_no_number() -> None:
    assert parsed(b'{"jsonrpc":"2.0","id":null,"method":"x"}')["method"] == "x"


def test_a_stream_is_opened_again_while_anything_comes_of_it() -> None:
    progress = Progress(Ended("1", None, has_said=True))
    assert (progress.last_id, progress.delay) == ("1", 1.0)

    for _ in range(5):
        progress.ended(Ended("", 0.0, has_said=True), lasted=0)
        progress.ended(Ended("", None, has_said=False), lasted=60)
        progress.failed()
        assert not progress.is_over
    assert (progress.last_id, progress.delay) == ("1", 0.1)

    progress.ended(Ended("2", 5.0, has_said=False), lasted=0)
    assert (progress.last_id, progress.delay, progress.is_over) == ("2", 5.0, True)


def test_a_stream_of_news_that_was_open_once_is_opened_again_less_and_less_often_until_it_is_refused() -> None:
    progress = Progress(is_kept=True)
    progress.ended(Ended("", None, has_said=True), lasted=0)
    delays = []
    for _ in range(2_000):
        progress.failed()
        delays.append(progress.delay)
        assert not progress.is_over

    assert delays[:9] == [1.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert delays[-1] == 30.0
    progress.failed(is_final=True)
    assert progress.is_over


@pytest.mark.parametrize("final", [True, False])
def test_a_stream_that_cannot_be_opened_is_given_up(final: bool) -> None:
    progress = Progress(is_kept=True)
    attempts = 0
    while not progress.is_over:
        progress.failed(is_final=final)
        attempts += 1

    assert attempts == (1 if final else ATTEMPTS)
