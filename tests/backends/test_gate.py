"""Everybody passes the gate in the order in which they came, and nobody whom it stops is forgotten."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.backends.gate import Gate

pytestmark = pytest.mark.anyio

PATIENCE = 5.0
STEPS = st.lists(st.sampled_from(["come", "come", "come", "close", "open", "leave", "settle"]), max_size=40)


class Crowd:
    """Those who come to one gate, by number, and who of them have passed it."""

    def __init__(self, tasks: TaskGroup) -> None:
        self.gate = Gate()
        self.passed: list[int] = []
        self.scopes: dict[int, anyio.CancelScope] = {}
        """Of those who have not passed."""
        self._tasks = tasks
        self._count = 0

    async def come(self, times: int = 1) -> None:
        """As many more; returns when each has passed, or waits."""
        for _ in range(times):
            self.start()
        await settle()

    def start(self) -> None:
        """One more, who has not come to the gate yet when this returns."""
        self.scopes[self._count] = anyio.CancelScope()
        self._tasks.start_soon(self._pass, self._count)
        self._count += 1

    async def _pass(self, number: int) -> None:
        with self.scopes[number]:
            try:
                await self.gate.passed()
                self.passed.append(number)
            finally:
                del self.scopes[number]


@asynccontextmanager
async def crowd() -> AsyncIterator[Crowd]:
    """A gate, open, that nobody has come to."""
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            yield Crowd(tasks)


async def settle() -> None:
    """Let everybody go on who can: each of those who wait has to be woken by the one before."""
    for _ in range(60):
        await checkpoint()


async def test_an_open_gate_holds_nobody_up_even_for_a_step() -> None:
    gate = Gate()
    coming = gate.passed()
    with pytest.raises(StopIteration):
        coming.send(None)


async def test_all_wait_while_it_is_closed_and_pass_in_their_order_once_it_is_open() -> None:
    async with crowd() as here:
        here.gate.close()
        await here.come(5)
        assert here.passed == []
        here.gate.open()
        await settle()
        assert here.passed == [0, 1, 2, 3, 4]
        await here.come()
        assert here.passed[-1] == 5


async def test_a_newcomer_queues_behind_those_who_wait_though_the_gate_is_open() -> None:
    async with crowd() as here:
        here.gate.close()
        await here.come(3)
        here.gate.open()
        here.start()
        await settle()
        assert here.passed == [0, 1, 2, 3]


async def test_it_may_be_opened_and_closed_more_often_than_needed() -> None:
    async with crowd() as here:
        here.gate.open()
        here.gate.close()
        here.gate.close()
        await here.come(2)
        here.gate.open()
        here.gate.open()
        await settle()
        assert here.passed == [0, 1]


@pytest.mark.parametrize("leaves", range(3))
async def test_whoever_gives_up_while_it_is_closed_is_not_waited_for(leaves: int) -> None:
    async with crowd() as here:
        here.gate.close()
        await here.come(3)
        here.scopes[leaves].cancel()
        await settle()
        assert here.passed == []
        here.gate.open()
        await settle()
        assert here.passed == [number for number in range(3) if number != leaves]


@pytest.mark.parametrize("leaves", range(3))
async def test_whoever_gives_up_as_it_opens_holds_up_nobody(leaves: int) -> None:
    """The first of them has been called by then, and has not gone yet."""
    async with crowd() as here:
        here.gate.close()
        await here.come(3)
        here.gate.open()
        here.scopes[leaves].cancel()
        await settle()
        assert [number for number in here.passed if number != leaves] == [
            number for number in range(3) if number != leaves
        ]
        await here.come()
        assert here.passed[-1] == 3


async def test_if_it_is_closed_again_those_wait_on_who_were_not_called() -> None:
    """The first was called when it opened. The others go on in their order, before those who came since."""
    async with crowd() as here:
        here.gate.close()
        await here.come(3)
        here.gate.open()
        here.gate.close()
        await here.come()
        assert here.passed == [0]
        here.gate.open()
        await settle()
        assert here.passed == [0, 1, 2, 3]


async def test_if_all_who_wait_give_up_it_is_as_if_they_had_never_come() -> None:
    async with crowd() as here:
        here.gate.close()
        await here.come(4)
        for scope in tuple(here.scopes.values()):
            scope.cancel()
        await settle()
        here.gate.open()
        await here.gate.passed()
        assert here.passed == []


@given(STEPS)
def test_whatever_happens_all_pass_in_their_order_unless_they_give_up(steps: list[str]) -> None:
    anyio.run(_whatever, deque(steps))


async def _whatever(steps: deque[str]) -> None:
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            here, left = Crowd(tasks), set[int]()
            while steps:
                step = steps.popleft()
                if step == "come":
                    here.start()
                    await checkpoint()
                elif step == "leave" and here.scopes:
                    number = next(iter(here.scopes))
                    left.add(number)
                    here.scopes[number].cancel()
                elif step in ("open", "close"):
                    getattr(here.gate, step)()
                else:
                    await settle()
            here.gate.open()
            await settle()
            assert here.scopes == {}
            assert here.passed == sorted(here.passed)
            assert set(here.passed) | left == set(range(here._count))
