"""A clock ends what takes too long, and nothing else: other cancellations pass, other errors too."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from magictunnel.pipeline.clock import Clock, Rows
from magictunnel.wire.crew import Crew

pytestmark = pytest.mark.anyio

SOON = 0.01


async def test_a_block_that_takes_too_long_is_ended_and_goes_on_behind_it() -> None:
    with anyio.fail_after(5):
        with Clock(SOON) as clock:
            await anyio.sleep_forever()
        assert clock.has_rung
        await anyio.lowlevel.checkpoint()  # nothing is left of it

    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@pytest.mark.parametrize("seconds", [100, float("inf")])
async def test_a_block_that_ends_in_time_is_as_if_it_had_none(seconds: float) -> None:
    with Clock(seconds) as clock:
        await anyio.lowlevel.checkpoint()

    assert not clock.has_rung
    assert clock.is_still


async def test_an_error_of_the_block_is_its_own() -> None:
    with pytest.raises(ValueError, match="mine"), Clock(100):
        raise ValueError("mine")


async def test_an_error_that_comes_of_the_end_is_told_instead() -> None:
    async def work() -> None:
        with clock:
            try:
                await anyio.sleep_forever()
            finally:
                raise ValueError("while it ended")

    clock = Clock(SOON)
    with anyio.fail_after(5), pytest.raises(ValueError, match="while it ended"):
        await work()
    assert clock.has_rung


async def test_whoever_else_cancels_has_their_way() -> None:
    with anyio.fail_after(5), anyio.CancelScope() as scope:
        with Clock(100) as clock:
            scope.cancel()
            await anyio.sleep_forever()
        raise AssertionError("it was cancelled")
    assert not clock.has_rung


async def test_whoever_else_cancels_at_the_same_time_has_their_way_too() -> None:
    async def work() -> None:
        with clock:
            began.set()
            await anyio.sleep_forever()
        raise AssertionError("it was cancelled")

    clock, began = Clock(100), anyio.Event()
    with anyio.fail_after(5):
        task = Crew().start(work())
        await began.wait()
        clock.end()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert clock.has_rung


async def test_of_two_blocks_the_one_whose_time_is_up_is_ended() -> None:
    rows: Rows = {}
    with anyio.fail_after(5), Clock(100, rows) as outer:
        with Clock(SOON, rows) as inner:
            await anyio.sleep_forever()
        assert (inner.has_rung, outer.has_rung) == (True, False)

    with anyio.fail_after(5), Clock(SOON, rows) as outer:
        with Clock(100, rows) as inner:
            await anyio.sleep_forever()
        raise AssertionError("it was ended")
    assert (inner.has_rung, outer.has_rung) == (False, True)


async def test_inside_a_group_of_tasks_all_of_them_end() -> None:
    ended = 0

    async def work() -> None:
        nonlocal ended
        try:
            await anyio.sleep_forever()
        finally:
            ended += 1

    with anyio.fail_after(5), Clock(SOON) as clock:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work)
            tasks.start_soon(work)
    assert clock.has_rung
    assert ended == 2


async def test_clocks_of_one_row_ring_for_themselves_alone_in_their_order() -> None:
    rows: Rows = {}
    rung: list[int] = []

    async def work(number: int) -> None:
        with Clock(SOON * 5, rows):
            if number % 3 == 0:
                return
            await anyio.sleep_forever()
        rung.append(number)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for number in range(10):
                tasks.start_soon(work, number)
                await anyio.sleep(0.002)

    assert rung == [1, 2, 4, 5, 7, 8]
    assert list(rows) == [SOON * 5]


async def test_a_row_serves_those_who_come_when_all_others_have_rung() -> None:
    rows: Rows = {}
    for _ in range(3):
        with anyio.fail_after(5), Clock(SOON, rows) as clock:
            await anyio.sleep_forever()
        assert clock.has_rung


async def test_a_clock_that_stands_still_does_not_ring_until_it_goes_on() -> None:
    with anyio.fail_after(5), Clock(SOON) as clock:
        clock.stop()
        left = clock.left
        await anyio.sleep(3 * SOON)
        assert not clock.has_rung
        assert clock.left == left <= SOON
        clock.go_on()
        await anyio.sleep_forever()
    assert clock.has_rung


async def test_to_stop_or_go_on_twice_changes_nothing() -> None:
    with Clock(100) as clock:
        clock.stop()
        clock.stop()
        assert clock.is_still
        clock.go_on()
        clock.go_on()
        assert 99 < clock.left <= 100
    clock.go_on()
    clock.end()
    assert not clock.has_rung


async def test_a_clock_without_an_end_may_stop_and_go_on_too() -> None:
    with Clock(float("inf")) as clock:
        clock.stop()
        clock.go_on()
        assert clock.is_still
        assert clock.left == float("inf")


async def test_a_clock_that_shares_no_timer_leaves_none_behind() -> None:
    loop: Any = asyncio.get_running_loop()
    with Clock(100) as clock:
        clock.stop()
        clock.go_on()
    with Clock(200):
        assert [timer.when() - loop.time() > 99 for timer in loop._scheduled if not timer.cancelled()] == [True]
    assert [timer for timer in loop._scheduled if not timer.cancelled()] == []


async def test_whoever_rings_it_in_its_own_block_goes_on_until_it_waits() -> None:
    noted = []
    with anyio.fail_after(5), Clock(100) as clock:
        clock.ring()
        clock.stop()
        noted.append("goes on")
        await anyio.sleep_forever()
    assert clock.has_rung
    assert noted == ["goes on"]


async def test_one_that_was_rung_and_left_at_once_leaves_nothing_behind() -> None:
    with Clock(100) as clock:
        clock.ring()
    await anyio.lowlevel.checkpoint()
    await anyio.lowlevel.checkpoint()
    assert not clock.has_rung
