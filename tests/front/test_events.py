"""What a session was sent over HTTP can be had again, for a while, by whoever lost the stream it came on."""

from __future__ import annotations

import anyio
import pytest
from mcp.server.streamable_http import GET_STREAM_KEY, EventMessage
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

NEWS = GET_STREAM_KEY


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
    first = await kept.store_event(NEWS, None)
    ids = [await kept.store_event(NEWS, note(number)) for number in range(3)]
    await kept.store_event("2", note(99))

    assert await replayed(kept, first) == (NEWS, [note(0), note(1), note(2)], ids)
    assert await replayed(kept, ids[1]) == (NEWS, [note(2)], ids[2:])
    assert await replayed(kept, ids[2]) == (NEWS, [], [])


async def test_ids_of_others_are_not_known() -> None:
    one, other = Events(), Events()
    await one.store_event(NEWS, note(0))
    foreign = await other.store_event(NEWS, note(0))

    assert await replayed(one, foreign) == (None, [], [])
    assert await replayed(one, "odd") == (None, [], [])


async def test_only_the_latest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_EVENTS", 3)
    kept = Events()
    ids = [await kept.store_event(NEWS, note(number)) for number in range(5)]

    assert await replayed(kept, ids[1]) == (None, [], [])
    assert (await replayed(kept, ids[2]))[1] == [note(3), note(4)]


async def test_large_results_push_out_older_messages_but_never_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_SIZE", 100)
    kept = Events()
    old = await kept.store_event(NEWS, note(0))
    half = await kept.store_event(NEWS, large(1, 60))
    await kept.store_event(NEWS, large(2, 60))
    assert await replayed(kept, old) == (None, [], [])
    assert await replayed(kept, half) == (None, [], [])

    whole = await kept.store_event(NEWS, large(3, 1_000))
    assert (await replayed(kept, whole))[0] == NEWS
    await kept.store_event(NEWS, note(4))
    assert await replayed(kept, whole) == (None, [], [])


async def test_what_comes_while_a_stream_is_taken_up_is_part_of_it() -> None:
    kept = Events()
    first = await kept.store_event(NEWS, None)
    await kept.store_event(NEWS, note(0))
    found: list[JSONRPCMessage] = []

    async def take(event: EventMessage) -> None:
        found.append(event.message)
        if len(found) < 3:
            await kept.store_event(NEWS, note(len(found)))
            await kept.store_event("2", note(99))

    assert await kept.replay_events_after(first, take) == NEWS
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
    ids = [await kept.store_event(NEWS, message) for _ in range(3)]

    assert (await replayed(kept, ids[0]))[0] is None
    assert (await replayed(kept, ids[1]))[0] is None
    assert await replayed(kept, ids[2]) == (NEWS, [], [])


# --- the stream of a request


class Taken:
    """What comes on a stream that is taken up, and how that ends."""

    def __init__(self) -> None:
        self.messages: list[JSONRPCMessage] = []
        self.ended = False

    async def follow(self, kept: Events, last: str) -> None:
        assert await kept.replay_events_after(last, self._take) is None  # there is nothing for the SDK to go on with
        self.ended = True

    async def _take(self, event: EventMessage) -> None:
        self.messages.append(event.message)
        await anyio.lowlevel.checkpoint()


ANSWERS = [
    JSONRPCResponse(jsonrpc="2.0", id=1, result={}),
    JSONRPCError(jsonrpc="2.0", id=1, error=ErrorData(code=1, message="x")),
]


@pytest.mark.parametrize("answer", ANSWERS, ids=["result", "error"])
@pytest.mark.parametrize("before", range(4))
async def test_it_is_followed_to_its_answer_whatever_of_it_has_come_by_then(
    answer: JSONRPCMessage, before: int
) -> None:
    kept, taken = Events(), Taken()
    last = await kept.store_event("1", None)
    messages = [note(0), note(1), answer]
    with anyio.fail_after(5):
        for message in messages[:before]:
            await kept.store_event("1", message)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(taken.follow, kept, last)
            for message in messages[before:]:
                await anyio.wait_all_tasks_blocked()
                assert not taken.ended
                await kept.store_event("2", note(99))
                await kept.store_event("1", message)

    assert taken.messages == messages


async def test_one_that_was_answered_is_taken_up_in_vain() -> None:
    kept, taken = Events(), Taken()
    last = await kept.store_event("1", ANSWERS[0])
    with anyio.fail_after(5):
        await taken.follow(kept, last)

    assert (taken.messages, taken.ended) == ([], True)


async def test_it_ends_with_its_session() -> None:
    kept, taken = Events(), Taken()
    last = await kept.store_event("1", note(0))
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(taken.follow, kept, last)
            await anyio.wait_all_tasks_blocked()
            kept.end()

    assert taken.ended


async def test_what_others_are_sent_meanwhile_does_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_EVENTS", 3)
    kept, slow = Events(), Taken()
    last = await kept.store_event("1", None)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(slow.follow, kept, last)
            await anyio.wait_all_tasks_blocked()
            for number in range(9):
                await kept.store_event("2", note(number))
            await kept.store_event("1", ANSWERS[0])

    assert slow.messages == [ANSWERS[0]]
