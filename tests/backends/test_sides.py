"""Which connection a call takes, and when another one is opened for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from magictunnel.backends import sides
from magictunnel.backends.base import US, AtPhase, Link, Terms
from magictunnel.backends.sides import Side, side_for
from magictunnel.backends.states import Limits, State
from magictunnel.backends.supervisor import Supervisor
from magictunnel.catalog.model import Json, Kind, Listing
from magictunnel.config.model import Era, Sharing
from magictunnel.errors import BackendUnavailable
from magictunnel.wire.audience import Audience
from magictunnel.wire.caller import Caller
from tests.support.memory import PlayedBackend, PlayedLink, until

pytestmark = pytest.mark.anyio

SESSION = Caller("s", session="h1", capabilities={"roots": {}})
OTHER = Caller("o", session="h2")
ALONE = Caller("a", stateless=True, capabilities={"elicitation": {}})
SHELL = Caller("shell")


def link(*, stateless: bool, other_era: bool = False, cheap: bool = False, declared: Json | None = None) -> PlayedLink:
    made = PlayedLink(PlayedBackend(), Terms())
    made.stateless, made.may_speak_other_era = stateless, other_era
    made.sessions_are_cheap, made.declared = cheap, declared
    return made


# --- which


@pytest.mark.parametrize("caller", [SESSION, ALONE, SHELL, US])
@pytest.mark.parametrize("stateless", [True, False])
def test_a_server_of_one_era_has_one_connection_for_all(stateless: bool, caller: Caller) -> None:
    assert side_for(link(stateless=stateless), caller, Sharing.SHARED) is None


@pytest.mark.parametrize(
    ("stateless", "caller", "side"),
    [
        (True, SESSION, Side(Era.HANDSHAKE)),
        (True, ALONE, None),
        (False, SESSION, None),
        (False, ALONE, Side(Era.STATELESS)),
        (True, SHELL, None),
        (False, SHELL, None),
        (True, US, None),
    ],
)
def test_a_server_of_both_eras_is_called_in_that_of_the_client(
    stateless: bool, caller: Caller, side: Side | None
) -> None:
    assert side_for(link(stateless=stateless, other_era=True), caller, Sharing.SHARED) == side


def test_each_session_may_have_a_connection_of_its_own() -> None:
    main = link(stateless=True)
    assert side_for(main, SESSION, Sharing.PER_CLIENT) == Side(session="h1")
    assert side_for(main, ALONE, Sharing.PER_CLIENT) is None
    assert side_for(main, SHELL, Sharing.PER_CLIENT) is None

    both = link(stateless=True, other_era=True)
    assert side_for(both, SESSION, Sharing.PER_CLIENT) == Side(Era.HANDSHAKE, "h1")


ELICITATION = '{"elicitation": {}}'


@pytest.mark.parametrize(
    ("declared", "caller", "able"),
    [
        ({"elicitation": {}}, ALONE, None),
        ({}, ALONE, None),
        ({"elicitation": {}, "roots": {}}, ALONE, ELICITATION),
        ({"elicitation": {"url": {}}}, ALONE, ELICITATION),
        ({"roots": {}}, SESSION, None),
        ({"roots": {}, "sampling": {}}, SESSION, None),
        ({"roots": {}}, SHELL, None),
        (None, ALONE, None),
    ],
)
def test_a_stateless_client_that_can_do_less_than_a_server_was_told_of_gets_a_session_that_was_told_so(
    declared: Json | None, caller: Caller, able: str | None
) -> None:
    """Where that costs a process, it does not."""
    side = side_for(link(stateless=False, cheap=True, declared=declared), caller, Sharing.SHARED)

    assert side == (None if able is None else Side(able=able))
    assert side_for(link(stateless=False, declared=declared), caller, Sharing.SHARED) is None


# --- when


class Watched:
    """A running supervisor, and its listings."""

    def __init__(self, backend: PlayedBackend, sharing: Sharing) -> None:
        self.backend = backend
        self.listings: list[Listing | None] = []
        self.audience = Audience()
        self.supervisor = Supervisor(
            backend, Limits(0.5, 60.0, sharing), lambda _name, one: self.listings.append(one), self.audience
        )


@asynccontextmanager
async def watching(backend: PlayedBackend, sharing: Sharing = Sharing.SHARED) -> AsyncIterator[Watched]:
    watched = Watched(backend, sharing)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watched.supervisor.run)
            await until(lambda: watched.supervisor.status.state is State.READY)
            yield watched
            tasks.cancel_scope.cancel()


def both() -> PlayedBackend:
    return PlayedBackend(offers={Kind.TOOL: [{"name": "x"}]}, speaks=Era.AUTO)


@asynccontextmanager
async def used() -> AsyncIterator[Watched]:
    """A server of both eras that a stateless client has used already."""
    async with watching(both()) as watched:
        assert await watched.supervisor.link_for(ALONE) is watched.backend.links[0]
        yield watched


@pytest.mark.parametrize(("caller", "connections"), [(ALONE, 1), (SESSION, 2), (SHELL, 1)])
async def test_a_server_that_nobody_used_yet_is_opened_in_the_era_of_the_first_who_does(
    caller: Caller, connections: int
) -> None:
    """A second process of it is only had once clients of both eras use it."""
    async with watching(both()) as watched:
        found: list[Any] = []

        async def call() -> None:
            found.append(await watched.supervisor.link_for(caller))

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(call)

        assert len(watched.backend.links) == connections
        assert watched.backend.open_now == 1
        assert all(one is watched.backend.links[-1] for one in found)
        assert None not in watched.listings
        assert watched.supervisor.status.state is State.READY


async def test_a_side_connection_is_opened_once_however_many_need_it_and_in_the_era_asked_for() -> None:
    async with used() as watched:
        found: list[Any] = []

        async def call() -> None:
            found.append(await watched.supervisor.link_for(SESSION))

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(call)

        assert watched.backend.attempts == watched.backend.open_now == 2
        main, side = watched.backend.links
        assert all(one is side for one in found)
        assert side.terms.era is Era.HANDSHAKE
        assert await watched.supervisor.link_for(ALONE) is main


async def test_a_side_connection_that_ends_is_opened_again_by_the_next_call_and_the_main_one_is_not_disturbed() -> None:
    async with used() as watched:
        await watched.supervisor.link_for(SESSION)
        watched.backend.links[1].lose()
        await until(lambda: watched.backend.open_now == 1)

        assert watched.supervisor.status.state is State.READY
        assert await watched.supervisor.link_for(SESSION) is watched.backend.links[2]


async def test_a_side_connection_that_does_not_open_is_done_without() -> None:
    async with used() as watched:
        watched.backend.failures = [OSError("no")] * 9
        for _ in range(3):
            assert await watched.supervisor.link_for(SESSION) is watched.backend.links[0]

        assert watched.backend.attempts == 2
        assert watched.supervisor.status.state is State.READY


async def test_a_side_connection_that_says_nothing_is_given_up_after_the_start_timeout() -> None:
    async with used() as watched:
        watched.backend.hangs = True
        assert await watched.supervisor.link_for(SESSION) is watched.backend.links[0]


async def test_what_was_refused_is_tried_again_with_the_next_main_connection() -> None:
    async with used() as watched:
        watched.backend.failures = [OSError("no")]
        await watched.supervisor.link_for(SESSION)
        watched.backend.links[0].lose()
        await until(lambda: watched.supervisor.status.state is not State.READY)
        await until(lambda: watched.supervisor.status.state is State.READY)

        assert await watched.supervisor.link_for(SESSION) is watched.backend.links[-1]
        assert len(watched.backend.links) == 3


async def test_a_change_that_is_told_on_a_side_connection_alone_is_listed_too() -> None:
    async with used() as watched:
        await watched.supervisor.link_for(SESSION)
        watched.backend.offers = {Kind.TOOL: [{"name": "y"}]}
        watched.backend.links[1].say_changed(Kind.TOOL)
        await until(lambda: len(watched.listings) == 2)

        assert watched.listings[1] is not None
        assert watched.listings[1].entries[Kind.TOOL] == ({"name": "y"},)


async def test_a_stateless_side_connection_knows_the_tools_before_it_is_used() -> None:
    """Their schemas say which arguments go as headers."""
    async with watching(both()) as watched:
        await watched.supervisor.link_for(SESSION)
        side = await watched.supervisor.link_for(ALONE)

        assert side is watched.backend.links[-1]
        assert watched.backend.links[-1].lists == [Kind.TOOL]


async def test_a_session_has_a_connection_of_its_own_for_as_long_as_it_is_there() -> None:
    async with watching(PlayedBackend(), Sharing.PER_CLIENT) as watched:
        watched.audience.join(SESSION)
        watched.audience.join(OTHER)
        one, other = await watched.supervisor.link_for(SESSION), await watched.supervisor.link_for(OTHER)
        assert (one, other) == (watched.backend.links[1], watched.backend.links[2])
        assert watched.backend.links[1].terms.audience.callers == [SESSION]
        assert watched.supervisor.links("h1") == [one]
        assert watched.supervisor.links() == watched.backend.links

        watched.audience.leave("h1")
        await until(lambda: watched.backend.open_now == 2)
        assert watched.supervisor.links("h1") == []
        assert await watched.supervisor.link_for(OTHER) is other


async def test_a_session_whose_own_connection_does_not_open_is_not_given_somebody_else_s() -> None:
    async with watching(PlayedBackend(), Sharing.PER_CLIENT) as watched:
        watched.audience.join(SESSION)
        watched.backend.failures = [OSError("no such thing")]
        with pytest.raises(BackendUnavailable, match="no such thing"):
            await watched.supervisor.link_for(SESSION)

        assert await watched.supervisor.link_for(SESSION) is watched.backend.links[1]


async def test_clients_that_differ_in_too_many_ways_share_the_main_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cheap(PlayedBackend):
        @asynccontextmanager
        async def connect(self, at: AtPhase, terms: Terms = Terms()) -> AsyncIterator[PlayedLink]:  # noqa: B008
            async with super().connect(at, terms) as made:
                made.sessions_are_cheap, made.declared = True, {"roots": {}, "sampling": {}}
                yield made

    monkeypatch.setattr(sides, "MAX_KINDS", 1)
    async with watching(Cheap()) as watched:
        first = await watched.supervisor.link_for(Caller("1", stateless=True, capabilities={"roots": {}}))
        assert first is watched.backend.links[1]
        assert watched.backend.links[1].terms.audience.capabilities == {"roots": {}}

        other = Caller("2", stateless=True, capabilities={"sampling": {}})
        assert await watched.supervisor.link_for(other) is watched.backend.links[0]


async def test_a_call_that_waits_for_its_own_connection_as_the_server_is_restarted_gets_the_next_one() -> None:
    async with watching(PlayedBackend(), Sharing.PER_CLIENT) as watched, anyio.create_task_group() as tasks:
        watched.audience.join(SESSION)
        watched.backend.hangs = True
        found: list[Link] = []

        async def call() -> None:
            found.append(await watched.supervisor.link_for(SESSION))

        tasks.start_soon(call)
        await until(lambda: watched.backend.attempts == 2)
        watched.backend.hangs = False
        watched.supervisor.restart()
        await until(lambda: bool(found))
        assert found == watched.supervisor.links("h1")


async def test_whoever_waits_for_a_side_connection_is_told_when_its_session_ends_meanwhile() -> None:
    async with watching(PlayedBackend(), Sharing.PER_CLIENT) as watched, anyio.create_task_group() as tasks:
        watched.audience.join(SESSION)
        watched.backend.hangs = True
        ended = anyio.Event()

        async def call() -> None:
            with pytest.raises(BackendUnavailable):
                await watched.supervisor.link_for(SESSION)
            ended.set()

        tasks.start_soon(call)
        await until(lambda: watched.backend.attempts == 2)
        watched.audience.leave("h1")
        await ended.wait()
