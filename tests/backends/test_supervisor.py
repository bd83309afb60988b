"""One backend's life: the table of its states, and what is seen of it from outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from magictunnel.backends import states
from magictunnel.backends.base import US, AtPhase, Phase, Terms, resource
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
from magictunnel.config.model import Sharing, Start
from magictunnel.errors import BackendError, BackendUnavailable
from magictunnel.wire.audience import Audience
from magictunnel.wire.caller import Caller
from tests.support.memory import PlayedBackend, PlayedLink

pytestmark = pytest.mark.anyio

PATIENCE = 10.0
TOOLS = {Kind.TOOL: [{"name": "x"}]}
CLIENT = Caller("c", session="h1")
NEXT = Caller("o", session="h2")


class Cheap(PlayedBackend):
    """One of which another session needs no other process."""

    @asynccontextmanager
    async def connect(self, at: AtPhase, terms: Terms = Terms()) -> AsyncIterator[PlayedLink]:  # noqa: B008
        async with super().connect(at, terms) as link:
            link.sessions_are_cheap = True
            yield link


class Watched:
    """A running supervisor, and every listing it has published."""

    def __init__(self, backend: PlayedBackend, limits: Limits, saved: Listing | None = None) -> None:
        self.listings: list[Listing | None] = []
        clients = Audience([CLIENT, NEXT] if limits.session is Sharing.PER_CLIENT else [])
        self.supervisor = Supervisor(backend, limits, lambda _name, listing: self.listings.append(listing), clients)
        if saved:
            self.supervisor.listed.recall(saved)

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


FAST_ASLEEP = Limits(5.0, 60.0, idle_timeout=0.04)


async def stays_up(watched: Watched) -> None:
    """For much longer than it takes it to fall asleep."""
    with anyio.move_on_after(0.16) as waited:
        await watched.until_is(State.IDLE)
    assert waited.cancelled_caught


async def test_a_server_that_a_call_is_under_way_at_is_not_stopped() -> None:
    async with watching(PlayedBackend(offers=TOOLS), limits=FAST_ASLEEP) as watched:
        watched.supervisor.stats.started += 1
        await watched.supervisor.ready()
        await stays_up(watched)

        watched.supervisor.stats.ended += 1
        await watched.until_is(State.IDLE)


async def test_a_server_of_which_something_is_followed_is_not_stopped() -> None:
    topic = resource("x:1")
    backend = PlayedBackend(offers=TOOLS, capabilities={"resources": {"subscribe": True}})
    async with watching(backend, limits=FAST_ASLEEP) as watched:
        await watched.supervisor.followed.follow(topic, CLIENT)
        await stays_up(watched)

        await watched.supervisor.followed.forget(topic, watched.supervisor.followed.line_of(CLIENT))
        await watched.until_is(State.IDLE)


async def test_a_server_of_which_a_client_follows_something_on_its_own_connection_is_not_stopped() -> None:
    topic = resource("x:1")
    backend = PlayedBackend(offers=TOOLS, capabilities={"resources": {"subscribe": True}})
    limits = Limits(5.0, 60.0, Sharing.PER_CLIENT, idle_timeout=0.04)
    async with watching(backend, limits=limits) as watched:
        await watched.supervisor.followed.follow(topic, CLIENT)
        await stays_up(watched)
        assert backend.links[1].followed == [topic]

        await watched.supervisor.followed.forget(topic, watched.supervisor.followed.line_of(CLIENT))
        await watched.until_is(State.IDLE)
        await watched.until(lambda: backend.open_now == 0)


async def test_a_server_is_not_stopped_while_a_connection_of_a_client_is_being_opened() -> None:
    backend = PlayedBackend(offers=TOOLS)
    limits = Limits(5.0, 60.0, Sharing.PER_CLIENT, idle_timeout=0.04)
    async with watching(backend, limits=limits) as watched, anyio.create_task_group() as tasks:
        await watched.supervisor.ready()
        backend.hangs = True
        tasks.start_soon(watched.supervisor.link_for, CLIENT)
        await stays_up(watched)
        tasks.cancel_scope.cancel()


async def test_what_a_server_that_sleeps_offers_outlives_a_first_attempt_that_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(states, "FIRST_PAUSE", 0.001)
    backend = PlayedBackend(offers=TOOLS, failures=[OSError("no")])
    async with watching(backend, limits=Limits(5.0, 0.3, start=Start.LAZY), saved=SAVED) as watched:
        await watched.until_is(State.IDLE)
        await anyio.sleep(0.35)  # longer than what it offers outlives its absence
        with pytest.raises(BackendUnavailable):
            await watched.supervisor.ready()
        await watched.until_is(State.READY)

        assert None not in watched.listings


async def test_a_server_that_is_called_stays_up_from_its_last_call_on() -> None:
    async with watching(PlayedBackend(offers=TOOLS), limits=FAST_ASLEEP) as watched:
        await watched.supervisor.ready()
        for _ in range(8):
            watched.supervisor.stats.last = anyio.current_time()
            await anyio.sleep(0.01)
            assert watched.status.state is State.READY

        await watched.until_is(State.IDLE)


async def test_what_was_saved_is_dropped_when_its_server_stays_away() -> None:
    backend = PlayedBackend(failures=[OSError("no")] * 9)
    async with watching(backend, limits=Limits(5.0, 0.05), saved=SAVED) as watched:
        await watched.supervisor.settled()
        assert watched.status.counts == {Kind.TOOL: 1}
        await watched.until(lambda: watched.listings == [None])


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


async def degraded(watched: Watched) -> None:
    """Have it miss as many calls as it takes."""
    await watched.supervisor.ready()
    for _ in range(MISSES):
        watched.supervisor.missed()
    assert watched.status.state is State.DEGRADED


async def test_a_server_that_answers_other_calls_meanwhile_is_not_degraded() -> None:
    """One slow tool is no slow server."""
    async with watching(PlayedBackend(offers=TOOLS)) as watched:
        await watched.supervisor.ready()
        for _ in range(3 * MISSES):
            watched.supervisor.stats.answered += 1
            watched.supervisor.missed()
        assert watched.status.state is State.READY

        for _ in range(MISSES - 1):
            watched.supervisor.missed()
        assert watched.status.state is State.DEGRADED


async def test_calls_that_ran_out_of_time_while_it_was_down_do_not_degrade_it() -> None:
    backend = PlayedBackend(offers=TOOLS)
    async with watching(backend) as watched:
        await watched.supervisor.ready()
        backend.links[0].lose()
        for _ in range(MISSES):
            watched.supervisor.missed()
        await watched.until_is(State.READY)

        watched.supervisor.missed()
        assert watched.status.state is State.READY


async def test_a_degraded_server_that_is_opened_again_is_ready_as_if_nothing_had_been() -> None:
    backend = PlayedBackend(offers=TOOLS)
    async with watching(backend) as watched:
        await degraded(watched)
        backend.links[0].lose()

        link = await watched.supervisor.ready()

        assert (link, watched.status.state) == (backend.links[1], State.READY)
        for _ in range(MISSES - 1):
            watched.supervisor.missed()
        assert await watched.supervisor.ready() is await watched.supervisor.ready() is link


async def test_a_degraded_server_that_is_heard_of_is_tried_at_once() -> None:
    backend = PlayedBackend(offers=TOOLS)
    async with watching(backend) as watched:
        await degraded(watched)
        await watched.supervisor.ready()
        with pytest.raises(BackendUnavailable) as caught:
            await watched.supervisor.ready()
        assert caught.value.hint == "it is tried again in 2 s"

        backend.links[0].heard += 1

        assert await watched.supervisor.ready() is backend.links[0]
        assert watched.status.state is State.DEGRADED


async def test_that_it_is_degraded_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async with watching(PlayedBackend(offers=TOOLS)) as watched:
        await degraded(watched)
        watched.supervisor.missed()

    told = [record.getMessage() for record in caplog.records if "degraded" in record.getMessage()]
    assert told == [f"played: degraded: its last {MISSES} calls were not answered in time"]


# --- connections that take no more calls


async def test_a_link_that_takes_no_more_calls_is_replaced_at_once_where_sessions_are_cheap() -> None:
    """Calls in flight on the old one may still be answered."""
    backend = Cheap(offers=TOOLS)
    async with watching(backend) as watched:
        await watched.supervisor.ready()
        backend.links[0].terms.unfit("the server does not know our session any more")
        assert watched.supervisor.main is None

        assert await watched.supervisor.ready() is backend.links[1]
        assert (backend.open_now, watched.status.restarts) == (2, 1)
        assert "serve: the server does not know our session any more" in str(watched.status.failure)

        backend.links[0].lose()
        await watched.until(lambda: backend.open_now == 1)
        assert (watched.supervisor.main, watched.status.state) == (backend.links[1], State.READY)
        assert len(backend.links) == 2


async def test_a_link_with_a_process_that_takes_no_more_calls_is_replaced_when_it_has_ended() -> None:
    backend = PlayedBackend(offers=TOOLS)
    async with watching(backend) as watched:
        await watched.supervisor.ready()
        backend.links[0].terms.unfit("it closed its stdin")
        assert watched.status.state is State.STARTING
        with anyio.move_on_after(0.05):
            await watched.supervisor.ready()
            raise AssertionError("its process is still there")
        assert (backend.attempts, backend.open_now) == (1, 1)

        backend.links[0].lose()

        assert await watched.supervisor.ready() is backend.links[1]
        assert backend.open_now == 1


@pytest.mark.parametrize("kind", [PlayedBackend, Cheap])
async def test_a_connection_that_breaks_as_its_listing_is_complete_is_opened_again(kind: type[PlayedBackend]) -> None:
    class Breaks(kind):  # type: ignore[misc,valid-type]
        @asynccontextmanager
        async def connect(self, at: AtPhase, terms: Terms = Terms()) -> AsyncIterator[PlayedLink]:  # noqa: B008
            async with super().connect(at, terms) as link:
                listed = link.list

                async def list_and_break(of: Kind) -> object:
                    if of is list(Kind)[-1] and len(self.links) == 1:
                        link.lose()
                    return await listed(of)

                link.list = list_and_break  # type: ignore[method-assign,assignment]
                yield link

    backend = Breaks(offers=TOOLS)
    async with watching(backend) as watched:
        await watched.until(lambda: len(backend.links) == 2)
        assert await watched.supervisor.ready() is backend.links[1]


# --- a client's own connection


async def test_a_client_with_a_connection_of_its_own_is_served_while_the_main_one_is_down() -> None:
    backend = PlayedBackend(offers=TOOLS)
    async with watching(backend, limits=Limits(5.0, 60.0, Sharing.PER_CLIENT)) as watched:
        own = await watched.supervisor.link_for(CLIENT)
        assert own is backend.links[1]

        backend.failures = [OSError("no")] * 99
        backend.links[0].lose()
        await watched.until_is(State.BACKING_OFF)

        assert await watched.supervisor.link_for(CLIENT) is own
        for other in (NEXT, Caller("shell"), US):
            with pytest.raises(BackendUnavailable, match="connect: no"):
                await watched.supervisor.link_for(other)


async def test_a_client_whose_own_connection_went_with_the_main_one_waits_for_both() -> None:
    backend = PlayedBackend(offers=TOOLS)
    async with watching(backend, limits=Limits(5.0, 60.0, Sharing.PER_CLIENT)) as watched:
        await watched.supervisor.link_for(CLIENT)
        for link in tuple(backend.links):
            link.lose()

        own = await watched.supervisor.link_for(CLIENT)

        assert own in backend.links[2:]
        assert own is not watched.supervisor.main
        assert backend.open_now == 2


# --- restart, refresh, drain


async def test_a_server_that_is_ready_is_opened_again_when_it_is_restarted_and_no_failure_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    backend = PlayedBackend(offers=TOOLS)
    async with watching(backend) as watched:
        await watched.supervisor.ready()

        watched.supervisor.restart()

        assert watched.status.state is State.STARTING
        assert await watched.supervisor.ready() is backend.links[1]
        assert (backend.open_now, watched.status.restarts, watched.status.failure) == (1, 1, None)
        assert None not in watched.listings
    assert caplog.records == []


async def test_a_degraded_server_is_opened_again_when_it_is_restarted() -> None:
    backend = PlayedBackend(offers=TOOLS)
    async with watching(backend) as watched:
        await degraded(watched)

        watched.supervisor.restart()

        assert await watched.supervisor.ready() is backend.links[1]
        assert watched.status.state is State.READY


async def test_an_attempt_that_is_under_way_is_begun_anew_by_a_restart() -> None:
    backend = PlayedBackend(offers=TOOLS, hangs=True)
    async with watching(backend) as watched:
        await watched.until(lambda: backend.attempts == 1)
        backend.hangs = False

        watched.supervisor.restart()

        assert await watched.supervisor.ready() is backend.links[0]
        assert (backend.attempts, watched.status.failure) == (2, None)


async def test_a_pause_is_cut_short_by_a_restart_and_the_row_of_failures_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(states, "FIRST_PAUSE", LONGEST_PAUSE)
    backend = PlayedBackend(offers=TOOLS, failures=[OSError("no")] * 3)
    async with watching(backend) as watched:
        for attempt in (1, 2, 3):
            await watched.until(lambda attempt=attempt: backend.attempts == attempt)  # type: ignore[misc]
            await watched.until_is(State.BACKING_OFF)
            assert watched.status.attempts == 1
            watched.supervisor.restart()

        await watched.until_is(State.READY)


async def test_a_server_that_sleeps_is_started_by_a_restart() -> None:
    backend = PlayedBackend(offers=TOOLS)
    async with watching(backend, limits=Limits(5.0, 60.0, start=Start.LAZY), saved=SAVED) as watched:
        await watched.until_is(State.IDLE)

        watched.supervisor.restart()

        await watched.until_is(State.READY)


async def test_what_a_client_follows_on_its_own_connection_is_followed_after_a_restart() -> None:
    topic = resource("x:1")
    backend = PlayedBackend(offers=TOOLS, capabilities={"resources": {"subscribe": True}})
    async with watching(backend, limits=Limits(5.0, 60.0, Sharing.PER_CLIENT)) as watched:
        await watched.supervisor.followed.follow(topic, CLIENT)

        watched.supervisor.restart()

        await watched.until(lambda: [link.followed for link in backend.links[2:]].count([topic]) == 1)


async def test_a_connection_on_which_something_is_followed_is_not_opened_again_and_again_while_it_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(states, "FIRST_PAUSE", LONGEST_PAUSE)
    backend = PlayedBackend(offers=TOOLS, capabilities={"resources": {"subscribe": True}})
    async with watching(backend, limits=Limits(5.0, 60.0, Sharing.PER_CLIENT)) as watched:
        await watched.supervisor.followed.follow(resource("x:1"), CLIENT)
        backend.failures = [OSError("no")] * 99
        backend.links[1].lose()
        await watched.until(lambda: backend.attempts == 3)  # at once, since it was up

        with anyio.move_on_after(1.3) as waited:
            await watched.until(lambda: backend.attempts > 3)
        assert waited.cancelled_caught


async def test_a_connection_on_which_something_is_followed_is_opened_again_as_soon_as_its_server_is_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(states, "FIRST_PAUSE", LONGEST_PAUSE)
    topic = resource("x:1")
    backend = PlayedBackend(offers=TOOLS, capabilities={"resources": {"subscribe": True}})
    async with watching(backend, limits=Limits(5.0, 60.0, Sharing.PER_CLIENT)) as watched:
        await watched.supervisor.followed.follow(topic, CLIENT)
        backend.failures = [OSError("no")]
        backend.links[1].lose()
        await watched.until(lambda: backend.attempts == 3)

        backend.links[0].lose()
        await watched.until(lambda: [link.followed for link in backend.links[2:]] in ([[], [topic]], [[topic], []]))


async def test_a_connection_that_takes_long_to_open_and_does_not_hold_is_not_opened_again_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """How long it took to open is not how long it held."""
    monkeypatch.setattr(states, "STABLE", 0.05)
    monkeypatch.setattr(states, "FIRST_PAUSE", LONGEST_PAUSE)

    class Slow(PlayedBackend):
        @asynccontextmanager
        async def connect(self, at: AtPhase, terms: Terms = Terms()) -> AsyncIterator[PlayedLink]:  # noqa: B008
            async with super().connect(at, terms) as link:
                if len(self.links) > 1:
                    await anyio.sleep(0.1)
                yield link

    backend = Slow(offers=TOOLS, capabilities={"resources": {"subscribe": True}})
    async with watching(backend, limits=Limits(5.0, 60.0, Sharing.PER_CLIENT)) as watched:
        await watched.supervisor.followed.follow(resource("x:1"), CLIENT)
        for own in (1, 2):  # the first time it is opened again at once, since it was up
            await watched.until(lambda own=own: len(backend.links) > own and bool(watched.supervisor.links("h1")))
            backend.links[own].lose()
        with anyio.move_on_after(0.4):
            await watched.until(lambda: backend.attempts > 3)
        assert backend.attempts == 3


async def test_a_client_that_has_gone_is_given_no_connection() -> None:
    """Nobody would be left to end it."""
    backend = PlayedBackend(offers=TOOLS)
    async with watching(backend, limits=Limits(5.0, 60.0, Sharing.PER_CLIENT)) as watched:
        await watched.supervisor.ready()
        with pytest.raises(BackendUnavailable, match="has gone"):
            await watched.supervisor.link_for(Caller("late", session="h9"))

        assert backend.attempts == 1


async def test_a_restart_ends_the_connections_of_clients_too() -> None:
    backend = PlayedBackend(offers=TOOLS)
    async with watching(backend, limits=Limits(5.0, 60.0, Sharing.PER_CLIENT)) as watched:
        own = await watched.supervisor.link_for(CLIENT)

        watched.supervisor.restart()

        assert await watched.supervisor.link_for(CLIENT) not in (own, backend.links[0])
        await watched.until(lambda: backend.open_now == 2)


@asynccontextmanager
async def crash_looping(backend: PlayedBackend, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watched]:
    """A server that has failed so often that it is not waited for; the next attempt is far away."""
    monkeypatch.setattr(states, "FIRST_PAUSE", 0.001)
    backend.failures = [OSError("no")] * LOOP
    async with watching(backend) as watched:
        await watched.until(lambda: watched.status.attempts == LOOP - 1)
        monkeypatch.setattr(states, "FIRST_PAUSE", LONGEST_PAUSE)
        await watched.until_is(State.CRASH_LOOPING)
        yield watched


async def test_a_crash_looping_server_that_was_put_right_is_up_at_once_after_a_restart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with crash_looping(PlayedBackend(offers=TOOLS), monkeypatch) as watched:
        watched.supervisor.restart()

        await watched.until_is(State.READY)
        assert watched.status.attempts == 0


async def test_a_crash_looping_server_that_was_not_put_right_fails_again_after_a_restart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend = PlayedBackend(offers=TOOLS)
    async with crash_looping(backend, monkeypatch) as watched:
        attempts = backend.attempts
        backend.failures = [OSError("still no")]

        watched.supervisor.restart()

        await watched.until(lambda: backend.attempts > attempts)
        await watched.until(lambda: "still no" in str(watched.status.failure))
        assert watched.status.state in (State.BACKING_OFF, State.CRASH_LOOPING)


async def test_a_server_is_listed_again_when_that_is_asked_for() -> None:
    backend = PlayedBackend(offers=TOOLS)
    async with watching(backend) as watched:
        await watched.supervisor.ready()
        backend.links[0].lists.clear()
        backend.offers = {Kind.TOOL: [{"name": "y"}]}

        await watched.supervisor.refresh()

        assert backend.links[0].lists == list(Kind)
        assert watched.listings[-1] is not None
        assert watched.listings[-1].entries[Kind.TOOL] == ({"name": "y"},)
        assert len(watched.listings) == 2


async def test_a_server_that_is_down_cannot_be_listed_again() -> None:
    async with watching(PlayedBackend(failures=[OSError("no")] * 9)) as watched:
        await watched.until_is(State.BACKING_OFF)
        with pytest.raises(BackendUnavailable, match="connect: no"):
            await watched.supervisor.refresh()


async def test_a_server_that_sleeps_is_started_to_be_listed_again() -> None:
    backend = PlayedBackend(offers=TOOLS)
    async with watching(backend, limits=Limits(5.0, 60.0, start=Start.LAZY), saved=SAVED) as watched:
        await watched.until_is(State.IDLE)

        await watched.supervisor.refresh()

        assert watched.status.state is State.READY


# --- tried


@pytest.mark.parametrize(
    ("failures", "state"), [([], State.READY), ([OSError("no")], State.BACKING_OFF)], ids=["well", "badly"]
)
async def test_its_status_is_told_once_its_attempt_has_ended(failures: list[Exception], state: State) -> None:
    async with watching(PlayedBackend(offers=TOOLS, failures=failures)) as watched:
        assert (await watched.supervisor.tried()).state is state


async def test_its_status_is_told_at_once_where_no_attempt_is_under_way() -> None:
    backend = PlayedBackend(offers=TOOLS)
    async with watching(backend, limits=Limits(5.0, 60.0, start=Start.LAZY), saved=SAVED) as watched:
        await watched.until_is(State.IDLE)
        assert (await watched.supervisor.tried()).state is State.IDLE
        assert backend.attempts == 0


async def test_whoever_waits_for_a_server_is_told_when_it_is_stopped_instead() -> None:
    found: list[object] = []
    watched = Watched(PlayedBackend(hangs=True), Limits(5.0, 60.0))

    async def wait() -> None:
        found.append((await watched.supervisor.tried()).state)

    async def call() -> None:
        try:
            await watched.supervisor.ready()
        except BackendUnavailable as error:
            found.append(error.message)

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as waiting, anyio.create_task_group() as running:
            running.start_soon(watched.supervisor.run)
            await watched.until_is(State.STARTING)
            for one in (wait, call, watched.supervisor.settled):
                waiting.start_soon(one)
            await anyio.wait_all_tasks_blocked()
            running.cancel_scope.cancel()

    assert sorted(map(str, found)) == ["Server 'played' is unavailable: it was stopped", "stopped"]


async def test_after_a_restart_the_attempt_that_it_led_to_is_waited_for() -> None:
    backend = PlayedBackend(offers=TOOLS)
    async with watching(backend) as watched:
        await watched.supervisor.ready()
        backend.failures = [OSError("no")]
        watched.supervisor.restart()

        assert "no" in str((await watched.supervisor.tried()).failure)


@pytest.mark.parametrize("looping", [False, True], ids=["backing off", "crash-looping"])
async def test_after_a_restart_of_one_that_is_down_the_attempt_that_it_led_to_is_waited_for(
    looping: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(states, "FIRST_PAUSE", 0.001 if looping else LONGEST_PAUSE)
    backend = PlayedBackend(offers=TOOLS, failures=[OSError("no")] * (LOOP if looping else 1))
    async with watching(backend) as watched:
        await watched.until_is(State.CRASH_LOOPING if looping else State.BACKING_OFF)

        watched.supervisor.restart()

        assert (await watched.supervisor.tried()).state is State.READY


# --- settled


@pytest.mark.parametrize("failures", [[], [OSError("no")]], ids=["well", "badly"])
async def test_a_backend_is_settled_when_its_first_attempt_has_ended(failures: list[Exception]) -> None:
    backend = PlayedBackend(failures=failures)
    async with watching(backend) as watched:
        await watched.supervisor.settled()

        assert watched.status.state in (State.READY, State.BACKING_OFF)
        assert backend.attempts == 1


async def test_what_is_recalled_is_known_and_settled_though_its_server_is_not_up() -> None:
    backend = PlayedBackend(offers=TOOLS, hangs=True)
    async with watching(backend, saved=SAVED) as watched:
        assert watched.supervisor.is_known
        await watched.supervisor.settled()
        await watched.until_is(State.STARTING)

        assert (watched.status.counts, watched.status.listed_at) == ({Kind.TOOL: 1}, 0.0)
        assert watched.listings == []


async def test_what_a_server_offers_is_known_once_it_was_listed_and_no_longer_when_that_is_dropped() -> None:
    backend = PlayedBackend(offers=TOOLS)
    async with watching(backend, grace=0.01) as watched:
        assert not watched.supervisor.is_known
        await watched.until_is(State.READY)
        assert watched.supervisor.is_known
        assert watched.status.listed_at > 0

        backend.failures = [OSError("gone")] * 9
        backend.links[0].lose()
        await watched.until(lambda: None in watched.listings)
        assert not watched.supervisor.is_known


async def test_what_was_recalled_gives_way_to_what_is_offered_now() -> None:
    backend = PlayedBackend(offers={Kind.TOOL: [{"name": "new"}]})
    async with watching(backend, saved=SAVED) as watched:
        await watched.until_is(State.READY)

        assert [listing and listing.entries[Kind.TOOL] for listing in watched.listings] == [
            ({"name": "new"},),
        ]


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
