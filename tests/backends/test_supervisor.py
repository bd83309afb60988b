"""One backend's life: the table of its states, and what is seen of it from outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from magictunnel.backends import states
from magictunnel.backends.base import Phase
from magictunnel.backends.breaker import MISSES
from magictunnel.backends.states import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    LOOP,
    TRANSITIONS,
    Event,
    Limits,
    State,
    Status,
    pause_before,
)
from magictunnel.backends.supervisor import Supervisor
from magictunnel.catalog.model import Kind, Listing
from magictunnel.config.model import Start
from magictunnel.errors import BackendError, BackendUnavailable
from tests.support.memory import PlayedBackend

pytestmark = pytest.mark.anyio

PATIENCE = 10.0
TOOLS = {Kind.TOOL: [{"name": "x"}]}


class Watched:
    """A running supervisor, and every listing it has published."""

    def __init__(self, backend: PlayedBackend, limits: Limits, saved: Listing | None = None) -> None:
        self.listings: list[Listing | None] = []
        self.supervisor = Supervisor(backend, limits, lambda _name, listing: self.listings.append(listing))
        if saved:
            self.supervisor.recall(saved)

    @property
    def status(self) -> Status:
        return self.supervisor.status

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what the supervisor's task does; `watching` bounds it."""
        while not condition():
            await anyio.sleep(0.005)

    async def until_is(self, state: State) -> None:
        await self.until(lambda: self.status.state is state)


@asynccontextmanager
async def watching(
    backend: PlayedBackend,
    start_timeout: float = 5.0,
    grace: float = 60.0,
    limits: Limits | None = None,
    saved: Listing | None = None,
) -> AsyncIterator[Watched]:
    watched = Watched(backend, limits or Limits(start_timeout, grace), saved)
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watched.supervisor.run)
            yield watched
            tasks.cancel_scope.cancel()


# --- the table


def test_every_state_can_be_reached_and_left() -> None:
    assert {state for state, _ in TRANSITIONS} == set(State)
    assert set(TRANSITIONS.values()) == set(State)
    assert {event for _, event in TRANSITIONS} == set(Event)


@pytest.mark.parametrize("state", list(State))
def test_a_backend_that_is_not_stopped_can_always_be_stopped(state: State) -> None:
    assert TRANSITIONS.get((state, Event.STOP)) is (None if state is State.STOPPED else State.STOPPED)


@pytest.mark.parametrize("state", list(State))
def test_an_attempt_is_made_only_where_none_is_under_way(state: State) -> None:
    under_way = (State.STARTING, State.READY, State.DEGRADED)
    assert ((state, Event.ATTEMPT) in TRANSITIONS) is (state not in under_way)


def test_only_a_listing_makes_a_backend_ready_and_only_a_failure_makes_it_back_off() -> None:
    ready = {event for (_, event), state in TRANSITIONS.items() if state is State.READY}
    assert ready == {Event.LISTED, Event.RECOVERED}
    assert {event for (_, event), state in TRANSITIONS.items() if state is State.BACKING_OFF} == {Event.FAILED}


@pytest.mark.parametrize(
    ("failures", "pause"),
    [(0, FIRST_PAUSE), (1, FIRST_PAUSE), (2, 1.0), (3, 2.0), (6, 16.0), (7, LONGEST_PAUSE), (10**9, LONGEST_PAUSE)],
)
def test_the_pause_doubles_up_to_the_longest(failures: int, pause: float) -> None:
    assert pause_before(failures) == pause


# --- ready


async def test_a_backend_that_connects_and_lists_is_ready_with_everything_it_offers() -> None:
    backend = PlayedBackend(offers=TOOLS)
    async with watching(backend) as watched:
        link = await watched.supervisor.ready() if watched.status.state is State.STARTING else None
        await watched.until_is(State.READY)
        link = await watched.supervisor.ready()

        assert link is backend.links[0]
        assert watched.status.phase is Phase.SERVE
        assert watched.status.counts[Kind.TOOL] == 1
        assert (watched.status.era, watched.status.failure, watched.status.attempts) == ("played", None, 0)
        (listing,) = watched.listings
        assert listing is not None
        assert listing.entries[Kind.TOOL] == ({"name": "x"},)
        assert repr(watched.supervisor) == "<played: ready, serve>"


async def test_whoever_asks_while_a_backend_starts_waits_for_it() -> None:
    backend = PlayedBackend(offers=TOOLS)
    watched = Watched(backend, Limits(5.0, 60.0))
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            await anyio.lowlevel.checkpoint()
            tasks.start_soon(watched.supervisor.run)
            await watched.until(lambda: watched.status.state is not State.STOPPED)

            link = await watched.supervisor.ready()

            assert link is backend.links[0]
            tasks.cancel_scope.cancel()


async def test_a_stopped_backend_says_so_and_its_connection_is_closed() -> None:
    backend = PlayedBackend(offers=TOOLS)
    async with watching(backend) as watched:
        await watched.until_is(State.READY)
        assert backend.open_now == 1

    assert watched.status.state is State.STOPPED
    assert backend.open_now == 0
    with pytest.raises(BackendUnavailable, match="it was stopped"):
        await watched.supervisor.ready()


# --- failing, and coming back


async def test_a_backend_that_fails_backs_off_and_calls_to_it_fail_at_once_with_its_last_error() -> None:
    backend = PlayedBackend(failures=[OSError("no such thing")] * 9)
    async with watching(backend) as watched:
        await watched.until_is(State.BACKING_OFF)

        with pytest.raises(BackendUnavailable) as caught:
            await watched.supervisor.ready()

        assert caught.value.message == "Server 'played' is unavailable: connect: no such thing"
        assert caught.value.hint == "play better"
        assert watched.status.attempts == 1
        assert watched.status.phase is Phase.CONNECT


async def test_a_backend_that_fails_once_is_ready_at_the_next_attempt() -> None:
    backend = PlayedBackend(offers=TOOLS, failures=[OSError("not yet")])
    async with watching(backend) as watched:
        await watched.until_is(State.READY)

        assert backend.attempts == 2
        assert watched.status.attempts == 0


async def test_a_backend_that_says_nothing_is_given_up_after_its_start_timeout() -> None:
    async with watching(PlayedBackend(hangs=True, fails_in=Phase.HANDSHAKE), start_timeout=0.05) as watched:
        await watched.until_is(State.BACKING_OFF)

        assert watched.status.failure is not None
        assert str(watched.status.failure) == ("server 'played': handshake: no answer within 0.05 s (play better)")


async def test_a_backend_that_cannot_list_is_not_ready() -> None:
    backend = PlayedBackend(list_failure=BackendError(-32603, "database is locked"))
    async with watching(backend) as watched:
        await watched.until_is(State.BACKING_OFF)

        assert watched.status.failure is not None
        assert (watched.status.failure.phase, watched.status.failure.cause) == ("list", "database is locked")
        assert watched.listings == []
        assert backend.open_now == 0


async def test_a_failure_is_told_once_in_one_line_however_often_it_repeats(caplog: pytest.LogCaptureFixture) -> None:
    async with watching(PlayedBackend(failures=[OSError("no such thing")] * 9)) as watched:
        await watched.until(lambda: watched.status.attempts == 2)

    assert [record.getMessage() for record in caplog.records] == [
        "server 'played': connect: no such thing (play better)"
    ]


async def test_entries_outlive_a_short_absence() -> None:
    backend = PlayedBackend(offers=TOOLS)
    async with watching(backend, grace=60.0) as watched:
        await watched.until_is(State.READY)

        backend.links[0].lose()
        await watched.until(lambda: len(backend.links) == 2)
        await watched.until_is(State.READY)

        assert None not in watched.listings


async def test_entries_go_when_the_absence_is_longer_than_the_grace() -> None:
    backend = PlayedBackend(offers=TOOLS)
    async with watching(backend, grace=0.01) as watched:
        await watched.until_is(State.READY)

        backend.failures = [OSError("gone")]
        backend.links[0].lose()
        await watched.until(lambda: None in watched.listings)

        assert watched.listings[-1] is None
        assert watched.status.state is State.BACKING_OFF
        await watched.until_is(State.READY)
        assert watched.listings[-1] == watched.listings[0]


async def test_between_two_connections_there_is_no_link() -> None:
    backend = PlayedBackend(offers=TOOLS)
    async with watching(backend) as watched:
        await watched.until_is(State.READY)

        backend.hangs = True
        backend.links[0].lose()

        assert watched.status.state is State.STARTING
        assert watched.supervisor.main is None
        with anyio.move_on_after(0.05):
            await watched.supervisor.ready()
            raise AssertionError("there is none")


async def test_a_server_that_was_up_is_opened_again_at_once_and_after_a_pause_if_that_does_not_hold() -> None:
    backend = PlayedBackend(offers=TOOLS)
    async with watching(backend) as watched:
        await watched.until_is(State.READY)
        backend.links[0].lose()
        link = await watched.supervisor.ready()
        assert link is backend.links[1]
        assert watched.status.restarts == 1

        backend.links[1].lose()
        await watched.until_is(State.BACKING_OFF)
        assert "serve: the connection was closed" in str(watched.status.failure)

        assert await watched.supervisor.ready() is backend.links[2]  # it opens: a call does not wait for the pause


async def test_a_server_that_cannot_stay_up_is_crash_looping_also_while_it_is_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(states, "FIRST_PAUSE", 0.01)
    backend = PlayedBackend(offers=TOOLS, failures=[OSError("no")] * LOOP)
    async with watching(backend) as watched:
        await watched.until_is(State.CRASH_LOOPING)
        assert watched.status.attempts == LOOP
        with pytest.raises(BackendUnavailable, match="connect: no"):
            await watched.supervisor.ready()
        backend.hangs = True
        watched.supervisor.restart()
        await watched.until(lambda: backend.attempts == LOOP + 1)
        assert watched.status.state is State.CRASH_LOOPING


async def test_a_server_without_a_sign_of_life_is_taken_for_hung_and_opened_again() -> None:
    backend = PlayedBackend(offers=TOOLS)
    limits = Limits(5.0, 60.0, heartbeat=0.01, patience=0.05)
    async with watching(backend, limits=limits) as watched:
        await watched.until_is(State.READY)
        await watched.until(lambda: backend.links[0].pings > 2)
        assert len(backend.links) == 1

        backend.links[0].is_frozen = True
        await watched.until(lambda: len(backend.links) == 2)

        assert watched.status.failure is not None
        assert "it hangs: no sign of life for 0.05 s" in str(watched.status.failure)


# --- idle


SAVED = Listing({Kind.TOOL: ({"name": "x"},)})


async def test_a_lazy_server_whose_listing_is_known_starts_with_the_first_call_and_once_for_all() -> None:
    backend = PlayedBackend(offers=TOOLS)
    async with watching(backend, limits=Limits(5.0, 60.0, start=Start.LAZY), saved=SAVED) as watched:
        await watched.until_is(State.IDLE)
        await watched.supervisor.settled()
        assert backend.attempts == 0

        links = []

        async def call() -> None:
            links.append(await watched.supervisor.ready())

        async with anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(call)

        assert (set(links), backend.attempts) == ({backend.links[0]}, 1)


async def test_a_lazy_server_of_which_nothing_is_known_is_started_to_be_listed() -> None:
    backend = PlayedBackend(offers=TOOLS)
    async with watching(backend, limits=Limits(5.0, 60.0, start=Start.LAZY)) as watched:
        await watched.until_is(State.READY)


async def test_a_server_that_nobody_calls_is_stopped_until_somebody_does_and_stays_listed() -> None:
    backend = PlayedBackend(offers=TOOLS)
    async with watching(backend, limits=Limits(5.0, 0.01, idle_timeout=0.05)) as watched:
        await watched.until_is(State.IDLE)
        await watched.until(lambda: backend.open_now == 0)
        assert None not in watched.listings

        assert await watched.supervisor.ready() is backend.links[1]
        assert watched.status.state is State.READY


async def test_what_was_saved_is_dropped_when_its_server_stays_away() -> None:
    backend = PlayedBackend(failures=[OSError("no")] * 9)
    async with watching(backend, limits=Limits(5.0, 0.05), saved=SAVED) as watched:
        await watched.supervisor.settled()
        assert watched.status.counts == {Kind.TOOL: 1}
        await watched.until(lambda: watched.listings == [SAVED, None])


# --- degraded


async def test_a_server_that_answers_no_call_is_degraded_and_only_one_call_is_let_through() -> None:
    backend = PlayedBackend(offers=TOOLS)
    async with watching(backend) as watched:
        link = await watched.supervisor.ready()
        for _ in range(MISSES):
            watched.supervisor.missed()

        assert watched.status.state is State.DEGRADED
        assert await watched.supervisor.ready() is link
        with pytest.raises(BackendUnavailable, match="its last 5 calls were not answered in time"):
            await watched.supervisor.ready()

        watched.supervisor.stats.answered += 1
        assert await watched.supervisor.ready() is link
        assert watched.status.state is State.READY


# --- settled


@pytest.mark.parametrize("failures", [[], [OSError("no")]], ids=["well", "badly"])
async def test_a_backend_is_settled_when_its_first_attempt_has_ended(failures: list[Exception]) -> None:
    backend = PlayedBackend(failures=failures)
    async with watching(backend) as watched:
        await watched.supervisor.settled()

        assert watched.status.state in (State.READY, State.BACKING_OFF)
        assert backend.attempts == 1


# --- changes


async def test_only_what_changed_is_listed_again_and_changes_close_together_once() -> None:
    backend = PlayedBackend(offers=TOOLS)
    async with watching(backend) as watched:
        await watched.until_is(State.READY)
        link = backend.links[0]
        link.lists.clear()

        backend.offers = {Kind.TOOL: [{"name": "y"}], Kind.PROMPT: [{"name": "p"}]}
        link.say_changed(Kind.TOOL)
        await anyio.lowlevel.checkpoint()
        link.say_changed(Kind.TOOL, Kind.PROMPT)
        await watched.until(lambda: len(watched.listings) == 2)

        assert link.lists == [Kind.TOOL, Kind.PROMPT]
        assert watched.listings[1] is not None
        assert watched.listings[1].entries[Kind.TOOL] == ({"name": "y"},)
        assert watched.listings[1].entries[Kind.RESOURCE] == ()
        assert watched.status.counts[Kind.PROMPT] == 1


async def test_a_list_that_cannot_be_had_again_leaves_the_last_one_and_the_backend_ready(
    caplog: pytest.LogCaptureFixture,
) -> None:
    backend = PlayedBackend(offers=TOOLS)
    async with watching(backend) as watched:
        await watched.until_is(State.READY)
        backend.list_failure = BackendError(-32603, "database is locked")
        backend.links[0].say_changed(Kind.TOOL)
        await watched.until(lambda: "database is locked" in caplog.text)

        assert watched.status.state is State.READY
        assert len(watched.listings) == 1

        backend.list_failure = None
        backend.offers = {Kind.TOOL: [{"name": "y"}]}
        backend.links[0].say_changed(Kind.TOOL)
        await watched.until(lambda: len(watched.listings) == 2)


async def test_a_change_is_not_lost_when_listing_it_failed(caplog: pytest.LogCaptureFixture) -> None:
    """The kind is still stale: the next news of another kind lists it too, since nobody will announce it again."""
    backend = PlayedBackend(offers=TOOLS)
    async with watching(backend) as watched:
        await watched.until_is(State.READY)
        backend.list_failure = BackendError(-32603, "database is locked")
        backend.links[0].say_changed(Kind.TOOL)
        await watched.until(lambda: "database is locked" in caplog.text)

        backend.list_failure = None
        backend.offers = {Kind.TOOL: [{"name": "y"}]}
        backend.links[0].say_changed(Kind.PROMPT)
        await watched.until(lambda: len(watched.listings) == 2)

        assert watched.listings[1] is not None
        assert watched.listings[1].entries[Kind.TOOL] == ({"name": "y"},)
