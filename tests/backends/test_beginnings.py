"""The calls that were begun on one connection: who leaves, when, and what waits for those who are on their way."""

from __future__ import annotations

from time import monotonic

import anyio
import pytest
from anyio.lowlevel import checkpoint

from magictunnel.backends import beginnings as module
from magictunnel.backends.beginnings import Beginnings
from magictunnel.catalog.model import Json
from magictunnel.wire.begun import PATIENCE as LATE
from magictunnel.wire.begun import Begun

pytestmark = pytest.mark.anyio

PATIENCE = 5.0
SOON = 0.1
"""Seconds in place of `LATE`, where what counts is the order."""


class Ground:
    """What the calls of a test were sent over. See `Carrier`."""

    def __init__(self) -> None:
        self.beginnings = Beginnings()
        self.promoted: list[int] = []
        self.late: list[tuple[int, float]] = []
        """Which ones, and how many seconds after they were sent."""
        self.dropped: list[int] = []

    def over(self, begun: Begun) -> None:
        del self.beginnings.begun[begun.number]

    def keep(self, begun: Begun) -> None:
        self.beginnings.promote(begun)

    def drop(self, begun: Begun) -> None:
        if self.beginnings.adopt(begun):
            self.dropped.append(begun.number)

    async def answer(self, begun: Begun, caller: object) -> Json:
        raise AssertionError("nobody awaits it here")

    def send(self, *numbers: int, ago: float = 0.0) -> list[Played]:
        """Calls with these numbers, sent now, or some time ago."""
        calls = []
        for number in numbers:
            call = Played(self)
            call.carrier, call.number, call.is_promoted, call.started = self, number, False, monotonic() - ago
            self.beginnings.add(call)
            calls.append(call)
        return calls

    async def until_late(self, *numbers: int) -> None:
        """Wait until just these have been promoted for having taken too long."""
        with anyio.fail_after(PATIENCE):
            while len(self.late) < len(numbers):
                await anyio.sleep(0.005)
        assert [number for number, _ in self.late] == list(numbers)


class Played(Begun):
    """A call of which it is noted what becomes of it."""

    __slots__ = ("_ground",)

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def take(self, result: Json) -> bool:
        raise AssertionError("its wire gives it its answer")

    def go_on(self) -> None:
        self._ground.promoted.append(self.number)

    def late(self) -> None:
        self._ground.late.append((self.number, monotonic() - self.started))
        super().late()


async def is_open(here: Ground) -> bool:
    """Whether somebody who comes passes at once."""
    with anyio.move_on_after(0.01) as wait:
        await here.beginnings.gate.passed()
    return not wait.cancelled_caught


async def test_what_is_answered_leaves_nothing_behind() -> None:
    here = Ground()
    one, other = here.send(1, 2)
    assert list(here.beginnings.begun) == [1, 2]
    assert not here.beginnings.is_empty
    here.over(one)
    assert not here.beginnings.is_empty
    here.over(other)
    assert (here.beginnings.is_empty, here.promoted) == (True, [])
    assert await is_open(here)


async def test_what_is_promoted_closes_the_gate_until_a_task_has_come_for_each() -> None:
    here = Ground()
    one, other = here.send(1, 2)
    assert await is_open(here)
    one.promote()
    other.promote()
    assert here.beginnings.begun == {}
    assert not here.beginnings.is_empty
    assert not await is_open(here)
    assert here.beginnings.adopt(other)
    assert not await is_open(here)
    assert here.beginnings.adopt(one)
    assert await is_open(here)
    assert here.beginnings.is_empty


async def test_a_call_is_promoted_once_however_many_reasons_there_are() -> None:
    here = Ground()
    (one,) = here.send(1)
    one.promote()
    one.late()
    one.promote()
    assert here.promoted == [1]


async def test_a_call_is_adopted_once_so_what_a_task_has_come_for_is_not_dropped() -> None:
    here = Ground()
    (one,) = here.send(1)
    one.promote()
    assert here.beginnings.adopt(one)
    assert not here.beginnings.adopt(one)
    one.ended()
    assert here.dropped == []


async def test_a_call_for_which_no_task_ever_comes_is_dropped_and_holds_nobody_up() -> None:
    here = Ground()
    one, other = here.send(1, 2)
    one.promote()
    other.promote()
    one.ended()
    assert not await is_open(here)
    other.ended()
    assert here.dropped == [1, 2]
    assert here.beginnings.is_empty
    assert await is_open(here)


async def test_what_was_not_promoted_cannot_be_adopted() -> None:
    here = Ground()
    (one,) = here.send(1)
    assert not here.beginnings.adopt(one)
    assert list(here.beginnings.begun) == [1]


async def test_what_the_server_says_promotes_all_that_are_under_way_in_the_order_they_were_sent() -> None:
    here = Ground()
    here.beginnings.stir()
    assert await is_open(here)
    calls = here.send(3, 1, 2)
    here.over(calls.pop(1))
    here.beginnings.stir()
    here.beginnings.stir()
    assert here.promoted == [3, 2]
    here.send(4)
    assert list(here.beginnings.begun) == [4]


async def test_a_word_passes_after_the_tasks_have_come_and_before_a_later_word() -> None:
    here, heard = Ground(), list[str]()

    async def word(text: str) -> None:
        await here.beginnings.gate.passed()
        heard.append(text)

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            calls = here.send(1, 2)
            here.beginnings.stir()
            tasks.start_soon(word, "first")
            await checkpoint()
            tasks.start_soon(word, "second")
            await checkpoint()
            assert heard == []
            for call in calls:
                here.beginnings.adopt(call)
            tasks.start_soon(word, "third")
    assert heard == ["first", "second", "third"]


async def test_one_that_takes_too_long_is_promoted_when_that_has_passed_and_not_before() -> None:
    here = Ground()
    here.send(1)
    await here.until_late(1)
    (_, after), *others = here.late
    assert others == []
    assert LATE - 0.01 <= after < LATE + 0.5


async def test_each_that_takes_too_long_is_promoted_at_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", SOON)
    here = Ground()
    here.send(1)
    await anyio.sleep(SOON / 2)
    here.send(2)
    await anyio.sleep(SOON / 4)
    here.send(3)
    await here.until_late(1, 2, 3)
    assert all(SOON - 0.01 <= after < SOON + 0.5 for _, after in here.late)
    assert here.promoted == [1, 2, 3]


async def test_those_that_left_in_time_are_not_promoted_and_the_timer_is_set_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PATIENCE", SOON)
    here = Ground()
    (one,) = here.send(1)
    here.over(one)
    await anyio.sleep(1.5 * SOON)
    assert here.promoted == []
    here.send(2)
    (three,) = here.send(3)
    three.promote()
    await here.until_late(2)
    assert here.promoted == [3, 2]


async def test_one_that_ends_another_when_it_is_late_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    """To be promoted may end what else is under way."""
    monkeypatch.setattr(module, "PATIENCE", SOON)
    here = Ground()

    class Ender(Played):
        def go_on(self) -> None:
            super().go_on()
            here.beginnings.stir()

    one = Ender(here)
    one.carrier, one.number, one.is_promoted, one.started = here, 1, False, monotonic()
    here.beginnings.add(one)
    here.send(2, 3)
    with anyio.fail_after(PATIENCE):
        while len(here.promoted) < 3:
            await anyio.sleep(0.005)
    assert sorted(here.promoted) == [1, 2, 3]
