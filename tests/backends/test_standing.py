"""Where a backend stands: stepped by the table alone, told to hooks, waited on."""

from __future__ import annotations

import time

import anyio
import pytest
from anyio.lowlevel import checkpoint

from magictunnel.backends.base import Phase
from magictunnel.backends.standing import Standing
from magictunnel.backends.states import Event, State
from magictunnel.errors import StartFailure

pytestmark = pytest.mark.anyio

FAILURE = StartFailure("s", "connect", "no such host", hint="correct `url`")


class Hooked:
    """A standing, and what its hook was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, State]] = []
        self.standing = Standing("s", lambda name, state: self.told.append((name, state)))

    def through(self, *events: Event) -> Standing:
        for event in events:
            self.standing.step(event)
        return self.standing


CRASH_LOOPING = (Event.ATTEMPT, Event.LOOPED)


def test_it_begins_stopped_and_goes_by_the_table() -> None:
    hooked = Hooked()
    assert hooked.standing.state is State.STOPPED

    hooked.through(Event.ATTEMPT, Event.LISTED, Event.FALTERED, Event.RECOVERED, Event.SLEEP, Event.STOP)

    assert hooked.told == [
        ("s", State.STARTING),
        ("s", State.READY),
        ("s", State.DEGRADED),
        ("s", State.READY),
        ("s", State.IDLE),
        ("s", State.STOPPED),
    ]


def test_what_the_table_has_not_is_a_defect_and_changes_nothing() -> None:
    hooked = Hooked()
    before = hooked.standing.status

    with pytest.raises(KeyError):
        hooked.standing.step(Event.LISTED)

    assert hooked.standing.status is before
    assert hooked.told == []


def test_a_hook_is_told_when_the_new_status_stands() -> None:
    seen: list[tuple[State, str]] = []
    standing = Standing("s", lambda _name, _state: seen.append((standing.state, standing.status.era)))

    standing.step(Event.ATTEMPT)
    standing.step(Event.LISTED, era="2025-11-25")

    assert seen == [(State.STARTING, ""), (State.READY, "2025-11-25")]


def test_a_step_that_leads_nowhere_else_is_told_to_no_hook_and_keeps_its_since() -> None:
    hooked = Hooked()
    standing = hooked.through(*CRASH_LOOPING)
    standing.note(since=5.0)
    told = len(hooked.told)

    standing.step(Event.ATTEMPT, attempts=6)
    standing.step(Event.LOOPED)

    assert (standing.status.since, standing.status.attempts) == (5.0, 6)
    assert len(hooked.told) == told


def test_since_is_when_it_came_into_its_state() -> None:
    standing = Hooked().standing
    assert standing.status.since == 0.0

    before = time.time()
    standing.step(Event.ATTEMPT)

    assert before <= standing.status.since <= time.time()


def test_what_is_noted_is_kept_by_the_steps_that_follow() -> None:
    standing = Hooked().standing
    standing.note(restarts=3, failure=FAILURE)
    standing.step(Event.ATTEMPT)
    standing.at(Phase.HANDSHAKE)

    status = standing.status
    assert (status.restarts, status.failure, status.phase, status.state) == (
        3,
        FAILURE,
        Phase.HANDSHAKE,
        State.STARTING,
    )


async def test_each_step_wakes_all_who_wait_also_one_that_leads_nowhere_else() -> None:
    standing = Hooked().through(*CRASH_LOOPING)
    woken: list[State] = []

    async def wait() -> None:
        await standing.moved()
        woken.append(standing.state)

    for event, state in ((Event.ATTEMPT, State.CRASH_LOOPING), (Event.LISTED, State.READY)):
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(wait)
                await checkpoint()
                await checkpoint()
                standing.note(restarts=1)
                standing.at(Phase.LIST)
                await checkpoint()
                await checkpoint()
                assert woken == []
                standing.step(event)
        assert woken == [state] * 3
        woken.clear()


@pytest.mark.parametrize(
    ("events", "failure", "message", "hint"),
    [
        ((), None, "Server 's' is unavailable: it was stopped", ""),
        ((Event.ATTEMPT, Event.FAILED), FAILURE, "Server 's' is unavailable: connect: no such host", "correct `url`"),
        (CRASH_LOOPING, FAILURE, "Server 's' is unavailable: connect: no such host", "correct `url`"),
        ((Event.ATTEMPT, Event.FAILED, Event.STOP), FAILURE, "Server 's' is unavailable: it was stopped", ""),
    ],
    ids=["never ran", "failed", "crash-looping", "stopped after a failure"],
)
def test_why_its_calls_fail(events: tuple[Event, ...], failure: StartFailure | None, message: str, hint: str) -> None:
    standing = Hooked().through(*events)
    standing.note(failure=failure)

    error = standing.unavailable()

    assert (error.message, error.hint, error.server) == (message, hint, "s")


# --- whether it is worth waiting


def test_whoever_wants_it_may_wait_before_and_during_an_attempt_and_no_longer() -> None:
    standing = Hooked().standing
    assert standing.is_under_way

    standing.step(Event.ATTEMPT)
    assert standing.is_under_way

    for event in (Event.FAILED, Event.ATTEMPT, Event.LISTED, Event.SLEEP):
        standing.step(event)
        assert standing.is_under_way is (event is Event.ATTEMPT)


def test_what_is_not_kept_any_more_is_not_waited_for() -> None:
    hooked = Hooked()
    standing = hooked.through(Event.ATTEMPT)

    standing.end()

    assert not standing.is_under_way
    assert hooked.told[-1] == ("s", State.STOPPED)
