"""Many backends side by side: none holds up or ends another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from magictunnel.backends.base import US
from magictunnel.backends.pool import Pool
from magictunnel.backends.states import Limits, State
from magictunnel.backends.supervisor import Supervisor
from magictunnel.errors import BackendUnavailable
from tests.support.memory import PlayedBackend

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def running(*backends: PlayedBackend) -> AsyncIterator[Pool]:
    pool = Pool(Supervisor(backend, Limits(5.0, 5.0), lambda _name, _listing: None) for backend in backends)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pool.run)
            yield pool
            tasks.cancel_scope.cancel()


async def test_a_backend_is_ready_whatever_is_wrong_with_the_others() -> None:
    good = PlayedBackend("good")
    async with running(
        PlayedBackend("hangs", hangs=True), PlayedBackend("bad", failures=[OSError("x")] * 9), good
    ) as pool:
        await pool.settled(0.1)

        assert await pool.link_for("good", US) is good.links[0]
        assert {name: status.state for name, status in pool.status.items()} == {
            "hangs": State.STARTING,
            "bad": State.BACKING_OFF,
            "good": State.READY,
        }
        with pytest.raises(BackendUnavailable, match="connect: x"):
            await pool.link_for("bad", US)


async def test_it_is_settled_as_soon_as_all_are() -> None:
    async with running(PlayedBackend("good"), PlayedBackend("bad", failures=[OSError("x")] * 9)) as pool:
        await pool.settled(3_600)

        assert [status.state for status in pool.status.values()] == [State.READY, State.BACKING_OFF]


async def test_nobody_waits_for_a_pool_of_none() -> None:
    async with running() as pool:
        await pool.settled(3_600)

        assert pool.status == {}


async def test_a_backend_that_is_not_there_is_unavailable() -> None:
    async with running() as pool:
        with pytest.raises(BackendUnavailable, match="Server 'gone' is unavailable: it is not configured any more"):
            await pool.link_for("gone", US)


async def test_it_shows_the_state_of_each() -> None:
    async with running(PlayedBackend("good")) as pool:
        await pool.settled(5)

        assert repr(pool) == "Pool([<good: ready, serve>])"
