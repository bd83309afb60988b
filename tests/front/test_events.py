"""What a session was sent over HTTP can be had again, for a while, by whoever lost the stream it came on."""

from __future__ import annotations

import pytest
from mcp.server.streamable_http import EventMessage
from mcp_types import (
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)

from magictunnel.front import events
from magictunnel.front.events import Events

pytestmark = pytest.mark.anyio


def note(number: int) -> JSONRPCMessage:
    return JSONRPCNotification(jsonrpc="2.0", method="x", params={"number": number})


def large(number: int, size: int) -> JSONRPCMessage:
    return JSONRPCResponse(jsonrpc="2.0", id=number, result={"content": [{"type": "text", "text": "x" * size}]})


async def replayed(kept: Events, last: str) -> tuple[str | None, list[JSONRPCMessage], list[str | None]]:
    """The stream that is taken up, and the messages and event ids that come again."""
    found: list[EventMessage] = []

    async def take(event: EventMessage) -> None:
        found.append(event)

    stream = await kept.replay_events_after(last, take)
    return stream, [event.message for event in found], [event.event_id for event in found]


async def test_what_came_after_on_the_same_stream_comes_again_in_order_under_the_same_ids() -> None:
    kept = Events()
    first = await kept.store_event("1", None)
    ids = [await kept.store_event("1", note(number)) for number in range(3)]
    await kept.store_event("2", note(99))

    assert await replayed(kept, first) == ("1", [note(0), note(1), note(2)], ids)
    assert await replayed(kept, ids[1]) == ("1", [note(2)], ids[2:])
    assert await replayed(kept, ids[2]) == ("1", [], [])


async def test_ids_of_others_are_not_known() -> None:
    one, other = Events(), Events()
    await one.store_event("1", note(0))
    foreign = await other.store_event("1", note(0))

    assert await replayed(one, foreign) == (None, [], [])
    assert await replayed(one, "odd") == (None, [], [])


async def test_only_the_latest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_EVENTS", 3)
    kept = Events()
    ids = [await kept.store_event("1", note(number)) for number in range(5)]

    assert await replayed(kept, ids[1]) == (None, [], [])
    assert (await replayed(kept, ids[2]))[1] == [note(3), note(4)]


async def test_large_results_push_out_older_messages_but_never_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_SIZE", 100)
    kept = Events()
    old = await kept.store_event("1", note(0))
    half = await kept.store_event("1", large(1, 60))
    await kept.store_event("1", large(2, 60))
    assert await replayed(kept, old) == (None, [], [])
    assert await replayed(kept, half) == (None, [], [])

    whole = await kept.store_event("1", large(3, 1_000))
    assert (await replayed(kept, whole))[0] == "1"
    await kept.store_event("1", note(4))
    assert await replayed(kept, whole) == (None, [], [])


async def test_what_comes_while_a_stream_is_taken_up_is_part_of_it() -> None:
    kept = Events()
    first = await kept.store_event("1", None)
    await kept.store_event("1", note(0))
    found: list[JSONRPCMessage] = []

    async def take(event: EventMessage) -> None:
        found.append(event.message)
        if len(found) < 3:
            await kept.store_event("1", note(len(found)))
            await kept.store_event("2", note(99))

    assert await kept.replay_events_after(first, take) == "1"
    assert found == [note(0), note(1), note(2)]


@pytest.mark.parametrize(
    "message",
    [
        JSONRPCResponse(jsonrpc="2.0", id=1, result={"structuredContent": {"deep": [{"x": "x" * 1_000}]}}),
        JSONRPCResponse(jsonrpc="2.0", id=1, result={"content": [{"resource": {"blob": "x" * 1_000}}]}),
        JSONRPCResponse(jsonrpc="2.0", id=1, result={"messages": [{"content": {"text": "x" * 1_000}}]}),
        JSONRPCNotification(jsonrpc="2.0", method="x", params={"data": ["x" * 1_000]}),
        JSONRPCRequest(jsonrpc="2.0", id=1, method="x", params={"x" * 1_000: 1}),
        JSONRPCError(jsonrpc="2.0", id=1, error=ErrorData(code=1, message="x", data={"x": "x" * 1_000})),
        JSONRPCError(jsonrpc="2.0", id=1, error=ErrorData(code=1, message="x" * 1_000)),
    ],
)
async def test_all_that_is_large_counts(message: JSONRPCMessage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_SIZE", 1_500)
    kept = Events()
    ids = [await kept.store_event("1", message) for _ in range(3)]

    assert (await replayed(kept, ids[0]))[0] is None
    assert (await replayed(kept, ids[1]))[0] is None
    assert await replayed(kept, ids[2]) == ("1", [], [])
