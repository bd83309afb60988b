"""Whether a silent server is still there: when it is asked, what counts as life, when it is given up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from magictunnel.backends.base import LinkLost, Terms
from magictunnel.backends.health import keep_alive
from magictunnel.backends.states import Limits
from magictunnel.errors import BackendError, BackendUnavailable
from tests.support.memory import PlayedBackend, PlayedLink, until

pytestmark = pytest.mark.anyio

PATIENCE = 5.0
OFTEN = Limits(5.0, 60.0, heartbeat=0.01, patience=0.05)


def made() -> PlayedLink:
    return PlayedLink(PlayedBackend(), Terms())


@asynccontextmanager
async def kept(link: PlayedLink, limits: Limits = OFTEN) -> AsyncIterator[list[str]]:
    """Looked after while the block lasts; why it was given up, if it was."""
    given_up: list[str] = []

    async def keep() -> None:
        try:
            await keep_alive(link, limits.heartbeat, lambda: limits.patience)
            given_up.append("it returned")
        except LinkLost as error:
            given_up.append(str(error))

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(keep)
            yield given_up
            tasks.cancel_scope.cancel()


async def test_a_silent_server_is_asked_again_and_again_for_as_long_as_it_answers() -> None:
    link = made()
    async with kept(link) as given_up:
        await until(lambda: link.pings >= 5)
        assert given_up == []


async def test_a_server_that_speaks_is_not_asked() -> None:
    link = made()
    limits = Limits(5.0, 60.0, heartbeat=0.04, patience=0.05)
    async with kept(link, limits) as given_up:
        for _ in range(25):
            link.heard += 1
            await anyio.sleep(0.004)
        assert (link.pings, given_up) == (0, [])

        await until(lambda: link.pings > 0)


async def test_nobody_is_asked_before_the_first_heartbeat() -> None:
    link = made()
    async with kept(link, Limits(5.0, 60.0, heartbeat=60.0, patience=0.0)):
        await anyio.wait_all_tasks_blocked()
        assert link.pings == 0


async def test_where_nothing_can_die_unnoticed_nobody_is_asked() -> None:
    link = made()
    link.needs_no_heartbeat = link.is_frozen = True
    async with kept(link) as given_up:
        await until(lambda: bool(given_up))

    assert given_up == ["it returned"]
    assert link.pings == 0


async def test_a_server_that_is_silent_for_longer_than_any_call_may_take_hangs() -> None:
    link = made()
    link.is_frozen = True
    started = anyio.current_time()
    async with kept(link) as given_up:
        await until(lambda: bool(given_up))

    assert given_up == ["it hangs: no sign of life for 0.05 s"]
    assert anyio.current_time() - started >= OFTEN.heartbeat + OFTEN.patience
    assert link.pings == 1


async def test_a_server_of_which_anything_else_is_heard_meanwhile_does_not_hang() -> None:
    link = made()
    link.is_frozen = True
    async with kept(link) as given_up:
        for asked in (1, 2):
            await until(lambda asked=asked: link.pings == asked)  # type: ignore[misc]
            link.heard += 1
        assert given_up == []

        await until(lambda: bool(given_up))
        assert link.pings == 3


@pytest.mark.parametrize(
    "error", [BackendError(-32601, "Method not found"), BackendUnavailable("s", "it has just ended")]
)
async def test_an_error_is_a_sign_of_life_too(error: Exception) -> None:
    """And if the connection is over, that is known elsewhere."""

    class Refuses(PlayedLink):
        async def ping(self) -> None:
            self.pings += 1
            raise error

    link = Refuses(PlayedBackend(), Terms())
    async with kept(link) as given_up:
        await until(lambda: link.pings >= 4)
        assert given_up == []
