"""What waits for a client: told in order, one at a time, bounded, and never lost because somebody else gave up."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from magictunnel.catalog.model import Json
from magictunnel.front import outbox
from magictunnel.front.outbox import Outbox
from tests.support.memory import until

pytestmark = pytest.mark.anyio

CHANGED, UPDATED, STATUS = "notifications/tools/list_changed", "notifications/resources/updated", "notifications/tasks"


class Reader:
    """A client that reads only while a test lets it."""

    def __init__(self, *, reads: bool = True) -> None:
        self.heard: list[tuple[str, Json]] = []
        self.begun: list[tuple[str, Json]] = []
        """What was begun to be told, read or not."""
        self._reads = anyio.Event()
        if reads:
            self._reads.set()

    def read(self) -> None:
        self._reads.set()

    async def __call__(self, method: str, params: Json) -> None:
        self.begun.append((method, params))
        await self._reads.wait()
        self.heard.append((method, params))


async def test_each_message_is_told_before_whoever_put_it_goes_on() -> None:
    box = Outbox(reader := Reader())

    for number in range(3):
        await box.put("x", {"number": number})
        assert len(reader.heard) == number + 1

    assert [params["number"] for _, params in reader.heard] == [0, 1, 2]
    assert box.is_empty


async def test_behind_one_that_is_being_told_nobody_waits_and_the_order_stays() -> None:
    box = Outbox(reader := Reader(reads=False))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(box.put, "x", {"number": 0})
        await until(lambda: len(reader.begun) == 1)
        with anyio.fail_after(1):
            for number in range(1, 5):
                await box.put("x", {"number": number})
        assert len(reader.begun) == 1
        assert not box.is_empty

        reader.read()
        with anyio.fail_after(1):
            await box.emptied()

    assert [params["number"] for _, params in reader.heard] == [0, 1, 2, 3, 4]


async def test_what_is_the_same_is_told_once_while_it_waits_and_again_afterwards() -> None:
    box = Outbox(reader := Reader())
    box.hold()
    for _ in range(3):
        await box.put(CHANGED, {}, once=True)
        await box.put(UPDATED, {"uri": "x:1"}, once=True)
        await box.put(UPDATED, {"uri": "x:2"}, once=True)
        await box.put("x", {})
    await box.release()
    assert reader.heard == [
        (CHANGED, {}),
        (UPDATED, {"uri": "x:1"}),
        (UPDATED, {"uri": "x:2"}),
        ("x", {}),
        ("x", {}),
        ("x", {}),
    ]

    await box.put(CHANGED, {}, once=True)
    assert reader.heard[-1] == (CHANGED, {})


async def test_what_differs_in_anything_is_not_the_same() -> None:
    """The states of a task are told one after the other, and those of two tasks are two pieces of news."""
    box = Outbox(reader := Reader())
    box.hold()
    news = [
        {"taskId": "t1", "status": "working"},
        {"taskId": "t2", "status": "working"},
        {"taskId": "t1", "status": "completed"},
    ]
    for params in news:
        await box.put(STATUS, params, once=True)
    await box.release()

    assert [params for _, params in reader.heard] == news


async def test_while_it_is_held_nothing_is_told_and_then_all_of_it_in_order() -> None:
    box = Outbox(reader := Reader())
    box.hold()
    for number in range(3):
        await box.put("x", {"number": number})
    assert reader.heard == []
    assert not box.is_empty

    await box.release()
    assert [params["number"] for _, params in reader.heard] == [0, 1, 2]
    assert box.is_empty


async def test_of_too_many_messages_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MAX_UNTOLD", 3)
    box = Outbox(reader := Reader())
    box.hold()
    for number in range(10):
        await box.put("x", {"number": number})
    await box.release()

    assert [params["number"] for _, params in reader.heard] == [7, 8, 9]


async def test_a_client_that_takes_too_long_over_one_message_is_told_the_next(caplog: pytest.LogCaptureFixture) -> None:
    box = Outbox(reader := Reader(reads=False), patience=0.05)
    with anyio.fail_after(5):
        await box.put("x", {"number": 0})
        reader.read()
        await box.put("x", {"number": 1})

    assert [params["number"] for _, params in reader.heard] == [1]
    assert box.is_empty
    assert [record.getMessage() for record in caplog.records] == ["a client does not read; it was not told of x"]


async def test_that_whoever_told_has_been_cancelled_keeps_nothing_behind_it_from_being_told() -> None:
    box = Outbox(reader := Reader(reads=False))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(box.put, "x", {"number": 0})
        await until(lambda: len(reader.begun) == 1)
        await box.put("x", {"number": 1})
        tasks.cancel_scope.cancel()

    reader.read()
    with anyio.fail_after(1):
        await box.emptied()

    assert [params["number"] for _, params in reader.heard] == [1]
    assert box.is_empty


async def test_nobody_waits_for_an_outbox_that_is_empty() -> None:
    with anyio.fail_after(1):
        await Outbox(Reader()).emptied()
