"""A call's clock stands still while its caller is being asked."""

from __future__ import annotations

import anyio
import pytest

from magictunnel.catalog.model import Json
from magictunnel.errors import AnswerError, Unanswered
from magictunnel.pipeline.clock import Clock
from magictunnel.pipeline.patience import Patient
from magictunnel.wire.caller import Caller
from tests.support.memory import PlayedBack, until

pytestmark = pytest.mark.anyio


def patient(back: PlayedBack, clock: Clock, timeout: float = 5.0, *, stateless: bool = False) -> Patient:
    return Patient(Caller("c", stateless=stateless, back=back), clock, timeout)


async def test_what_is_told_and_answered_passes_as_it_is() -> None:
    back = PlayedBack({"odd": None})
    with Clock(float("inf")) as clock:
        way = patient(back, clock)
        await way.tell("x", {"odd": 1})
        assert await way.ask("roots/list", {"odd": 2}) is back.answer
        await way.let_go()

    assert (back.told, back.asked, back.lets_go) == ([("x", {"odd": 1})], [("roots/list", {"odd": 2})], 1)


async def test_while_any_question_is_open_there_is_no_deadline_and_then_what_was_left_of_it() -> None:
    one, other = PlayedBack(answers=False), PlayedBack(answers=False)
    with Clock(100) as clock:
        way = Patient(Caller("c", back=Both(one, other)), clock, 5.0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(way.ask, "one", {})
            tasks.start_soon(way.ask, "other", {})
            await until(lambda: bool(one.asked and other.asked))
            assert clock.is_still
            one.answer_now()
            await anyio.wait_all_tasks_blocked()
            assert clock.is_still
            other.answer_now()

        assert 99 < clock.left <= 100
        assert not clock.is_still


class Both(PlayedBack):
    """Asks one of two by the name of the method."""

    def __init__(self, one: PlayedBack, other: PlayedBack) -> None:
        super().__init__()
        self._backs = {"one": one, "other": other}

    async def ask(self, method: str, params: Json) -> Json:
        return await self._backs[method].ask(method, params)


async def test_an_error_in_answer_lets_the_clock_go_on() -> None:
    with Clock(100) as clock:
        with pytest.raises(AnswerError):
            await patient(PlayedBack(AnswerError(-1, "no")), clock).ask("roots/list", {})

        assert not clock.is_still


async def test_without_an_answer_in_time_a_session_s_call_goes_on() -> None:
    back = PlayedBack(answers=False)
    with Clock(100) as clock:
        way = patient(back, clock, 0.01)
        with pytest.raises(Unanswered):
            await way.ask("roots/list", {})

    assert back.given_up == 1
    assert way.abandoned is None
    assert not clock.has_rung


async def test_without_an_answer_in_time_a_stateless_call_is_over() -> None:
    with anyio.fail_after(5), Clock(100) as clock:
        way = patient(PlayedBack(answers=False), clock, 0.01, stateless=True)
        with pytest.raises(Unanswered) as caught:
            await way.ask("roots/list", {})
        await anyio.sleep_forever()

    assert way.abandoned is caught.value
    assert clock.has_rung
