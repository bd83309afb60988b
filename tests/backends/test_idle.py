"""A server that nobody calls is put to sleep, not sooner, and again when it was called."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from magictunnel.backends.idle import doze
from tests.support.memory import until

pytestmark = pytest.mark.anyio

IDLE = 0.05


class Sleeper:
    """What is put to sleep when nobody needs it."""

    def __init__(self) -> None:
        self.needed = anyio.current_time()
        self.slept: list[float] = []
        """When it was put to sleep."""
        self.looks = 0

    def last_needed(self) -> float:
        self.looks += 1
        return self.needed

    def sleep(self) -> None:
        self.slept.append(anyio.current_time())
        self.needed = float("inf")


@asynccontextmanager
async def dozing() -> AsyncIterator[Sleeper]:
    sleeper = Sleeper()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(doze, IDLE, sleeper.last_needed, sleeper.sleep)
            yield sleeper
            tasks.cancel_scope.cancel()


async def test_it_sleeps_when_nobody_has_needed_it_for_so_long_and_no_sooner() -> None:
    async with dozing() as sleeper:
        began = sleeper.needed
        await until(lambda: bool(sleeper.slept))

        assert sleeper.slept[0] - began >= IDLE


async def test_each_time_it_is_needed_it_stays_up_for_as_long_again() -> None:
    async with dozing() as sleeper:
        for _ in range(8):
            await anyio.sleep(IDLE / 5)
            sleeper.needed = began = anyio.current_time()
            assert sleeper.slept == []
        await until(lambda: bool(sleeper.slept))

        assert sleeper.slept[0] - began >= IDLE


async def test_it_does_not_sleep_while_it_is_needed() -> None:
    async with dozing() as sleeper:
        sleeper.needed = float("inf")
        await until(lambda: sleeper.looks > 8)
        assert sleeper.slept == []

        sleeper.needed = anyio.current_time() - IDLE
        await until(lambda: bool(sleeper.slept))


async def test_it_is_put_to_sleep_once_and_again_after_it_was_up() -> None:
    async with dozing() as sleeper:
        await until(lambda: bool(sleeper.slept))
        looks = sleeper.looks
        await until(lambda: sleeper.looks > looks + 6)
        assert len(sleeper.slept) == 1

        sleeper.needed = anyio.current_time()
        await until(lambda: len(sleeper.slept) == 2)
        assert sleeper.slept[1] - sleeper.slept[0] >= IDLE


async def test_it_is_looked_at_now_and_then_and_not_all_the_time() -> None:
    async with dozing() as sleeper:
        sleeper.needed = float("inf")
        began, looks = anyio.current_time(), sleeper.looks
        await anyio.sleep(4 * IDLE)
        assert sleeper.looks - looks <= 2 + 4 * (anyio.current_time() - began) / IDLE
