"""What cannot be written as JSON fails at whoever sends it, and nothing of it is sent; everything else goes on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from mcp_types import INTERNAL_ERROR, JSONRPCError, JSONRPCMessage, JSONRPCRequest, jsonrpc_message_adapter

from magictunnel.errors import BadParams
from magictunnel.wire.codec import is_writable
from magictunnel.wire.dispatcher import WireDispatcher
from magictunnel.wire.typed import as_json
from magictunnel.wire.written import line_of, written

Json = dict[str, Any]
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def nested(depth: int) -> Json:
    found: Json = {}
    for _ in range(depth):
        found = {"a": found}
    return found


HALF, DEEP = {"x": "\ud800"}, nested(800)
UNWRITABLE = pytest.mark.parametrize(
    "value",
    [HALF, {"x": {"\udfff": 1}}, DEEP, nested(100_000)],
    ids=["half a character", "half a key", "deep", "abyss"],
)


def message(**fields: Any) -> JSONRPCMessage:
    return jsonrpc_message_adapter.validate_python({"jsonrpc": "2.0"} | fields)


@given(JSON_VALUES)
def test_what_can_be_written_is_on_one_line_and_says_the_same(value: Any) -> None:
    found = written(message(id=1, method="x", params={"value": value}))

    line = line_of(found)
    assert b"\n" not in line
    assert json.loads(line) == {"jsonrpc": "2.0", "id": 1, "method": "x", "params": {"value": value}}
    assert found.model_dump(by_alias=True, exclude_unset=True)["params"] == {"value": value}
    dumped: Any = found.model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert dumped == line


@pytest.mark.parametrize(
    "fields",
    [
        {"id": 1, "method": "x"},
        {"id": "a", "method": "x", "params": {"n": float("inf")}},
        {"method": "x"},
        {"id": 1, "result": {}},
        {"id": 1, "error": {"code": 1, "message": "no"}},
    ],
)
def test_every_sort_of_message_stays_of_its_sort_and_is_written_as_before(fields: Json) -> None:
    before = message(**fields)
    found = written(before)

    assert isinstance(found, type(before))
    assert line_of(found) == as_json(before) == line_of(before)


@UNWRITABLE
def test_what_cannot_be_written_is_known(value: Json) -> None:
    assert not is_writable(value)
    with pytest.raises(ValueError, match=r"surrogate|depth"):
        written(message(id=1, method="x", params=value))


@pytest.mark.parametrize("depth", range(180, 260, 5))
def test_what_can_be_written_alone_can_be_written_within_a_message(depth: int) -> None:
    value = nested(depth)
    if is_writable(value):
        written(message(id=1, method="x", params={"_meta": {"capabilities": {"experimental": value}}}))


class Peer:
    """The other end of the wire."""

    def __init__(self, to_us: Any, from_us: Any, lost: list[str]) -> None:
        self.to_us, self.from_us, self.lost = to_us, from_us, lost

    async def ask(self, number: object = "q") -> None:
        # Made without checks, as a server in this very process may make it.
        question = JSONRPCRequest.model_construct(jsonrpc="2.0", id=number, method="roots/list")
        await self.to_us.send(SessionMessage(question))

    async def next(self) -> Json:
        return dict(json.loads(line_of((await self.from_us.receive()).message)))


async def _refuse(_ctx: Any, method: str, _params: Any) -> Json:
    raise AssertionError(f"nobody asks {method} here")


async def _ignore(_ctx: Any, _method: str, _params: Any) -> None:
    return


@asynccontextmanager
async def wired(answer: Json | Exception | None = None) -> AsyncIterator[tuple[WireDispatcher, Peer]]:
    """A running dispatcher whose questions are answered like this, and its peer."""
    to_us, received = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    to_send, from_us = anyio.create_memory_object_stream[SessionMessage](10)
    lost: list[str] = []

    async def answered() -> Json:
        if isinstance(answer, Exception):
            raise answer
        return answer or {}

    with anyio.fail_after(5):
        async with to_us, received, to_send, from_us, anyio.create_task_group() as tasks:
            wire = WireDispatcher(received, to_send)
            wire.on_lost = lost.append
            wire.on_asked = lambda _method, _params, _number: answered()
            await tasks.start(wire.run, _refuse, _ignore)
            yield wire, Peer(to_us, from_us, lost)
            tasks.cancel_scope.cancel()


@UNWRITABLE
@pytest.mark.anyio
async def test_a_request_is_refused_before_anything_is_sent_and_the_next_one_passes(value: Json) -> None:
    async with wired() as (wire, peer), anyio.create_task_group() as tasks:
        with pytest.raises(BadParams, match="was not sent") as caught:
            await wire.send_raw_request("tools/call", {"arguments": value}, {"request_id": 7})
        assert str(caught.value).isascii()
        tasks.start_soon(lambda: wire.send_raw_request("tools/call", {"name": "fine"}, {"request_id": 7}))

        assert (await peer.next())["params"] == {"name": "fine"}
        await peer.to_us.send(SessionMessage(message(id=7, result={})))
        assert peer.lost == []


@UNWRITABLE
@pytest.mark.anyio
async def test_an_answer_that_cannot_be_written_is_sent_as_an_error(value: Json) -> None:
    async with wired(answer={"content": value}) as (wire, peer):
        await peer.ask()
        answer = await peer.next()

        assert (answer["id"], answer["error"]["code"]) == ("q", INTERNAL_ERROR)
        assert "cannot be written" in answer["error"]["message"]
        assert len(peer.lost) == 1
        assert not wire.is_closed


@UNWRITABLE
@pytest.mark.anyio
async def test_an_error_that_cannot_be_written_is_sent_without_what_it_held(value: Json) -> None:
    async with wired(answer=MCPError(-7, "no", value)) as (wire, peer):
        await peer.ask()

        assert (await peer.next())["error"]["code"] == INTERNAL_ERROR
        assert not wire.is_closed


@pytest.mark.anyio
async def test_an_answer_whose_number_cannot_be_written_is_dropped() -> None:
    async with wired() as (wire, peer):
        await peer.ask("\ud800")
        await peer.ask("next")

        assert await peer.next() == {"jsonrpc": "2.0", "id": "next", "result": {}}
        assert len(peer.lost) == 1
        assert peer.lost[0].isascii()
        assert not wire.is_closed


@UNWRITABLE
@pytest.mark.anyio
async def test_a_notification_that_cannot_be_written_is_dropped_and_told_of(value: Json) -> None:
    async with wired() as (wire, peer):
        await wire.notify("notifications/progress", {"message": value})
        await wire.notify("notifications/progress", {"message": "fine"})

        assert (await peer.next())["params"] == {"message": "fine"}
        assert len(peer.lost) == 1
        assert "notifications/progress" in peer.lost[0]


def test_an_error_that_is_no_answer_to_anything_can_be_written() -> None:
    nobody = message(id=None, error={"code": 1, "message": "no"})

    assert isinstance(written(nobody), JSONRPCError)
    assert json.loads(line_of(nobody))["id"] is None
