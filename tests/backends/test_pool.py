"""Many backends side by side: none holds up or ends another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from magictunnel.backends import pool as pools
from magictunnel.backends.base import US, Link, Topic, resource
from magictunnel.backends.pool import Pool
from magictunnel.backends.states import Limits, State
from magictunnel.backends.supervisor import Supervisor
from magictunnel.catalog.model import Kind, Listing
from magictunnel.config.model import Sharing
from magictunnel.errors import BackendUnavailable
from magictunnel.wire.audience import Audience
from magictunnel.wire.caller import Caller
from tests.support.memory import PlayedBackend, until

pytestmark = pytest.mark.anyio


def kept(backend: PlayedBackend) -> Supervisor:
    return Supervisor(backend, Limits(5.0, 5.0), lambda _name, _listing: None)


@asynccontextmanager
async def running(*backends: PlayedBackend) -> AsyncIterator[Pool]:
    pool = Pool(map(kept, backends))
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


# --- one more


async def test_one_more_backend_is_kept_from_then_on() -> None:
    async with running(PlayedBackend("a")) as pool:
        await pool.settled(5)
        more = PlayedBackend("b")

        pool.add(kept(more))

        assert await pool.link_for("b", US) is more.links[0]
        assert list(pool.status) == ["a", "b"]
    assert more.open_now == 0


async def test_a_backend_that_is_added_before_the_pool_runs_is_run_with_it() -> None:
    pool, backend = Pool(), PlayedBackend("a")
    pool.add(kept(backend))
    assert backend.attempts == 0

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pool.run)
            assert await pool.link_for("a", US) is backend.links[0]
            tasks.cancel_scope.cancel()

    assert backend.attempts == 1


# --- one in place of another


@asynccontextmanager
async def replaced() -> AsyncIterator[tuple[Pool, PlayedBackend, PlayedBackend]]:
    """A backend with a call under way, and another one that was just added in its place."""
    old, new = PlayedBackend("a"), PlayedBackend("a")
    async with running(old) as pool:
        await pool.link_for("a", US)
        pool.get("a").stats.started += 1
        former = pool.get("a")
        pool.add(kept(new))
        await anyio.wait_all_tasks_blocked()
        yield pool, old, new
        former.stats.ended = former.stats.started


async def test_the_old_one_is_ended_when_its_calls_have_and_then_the_new_one_is_started() -> None:
    old, new = PlayedBackend("a"), PlayedBackend("a")
    async with running(old) as pool:
        await pool.link_for("a", US)
        former = pool.get("a")
        former.stats.started += 1
        successor = kept(new)

        pool.add(successor)

        assert pool.get("a") is successor
        await anyio.wait_all_tasks_blocked()
        assert (old.open_now, new.attempts) == (1, 0)

        former.stats.ended += 1
        assert await pool.link_for("a", US) is new.links[0]
        assert (old.open_now, new.open_now, former.status.state) == (0, 1, State.STOPPED)


async def test_calls_wait_for_the_new_one() -> None:
    async with replaced() as (pool, _old, new):
        found: list[Link] = []

        async def call() -> None:
            found.append(await pool.link_for("a", US))

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(call)
            await anyio.wait_all_tasks_blocked()
            assert (found, new.attempts) == ([], 0)
            tasks.cancel_scope.cancel()


async def test_calls_of_the_old_one_have_just_so_long_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "_DRAIN", 0.05)
    async with replaced() as (pool, old, new):
        assert await pool.link_for("a", US) is new.links[0]
        assert old.open_now == 0


async def test_the_new_one_follows_what_was_followed_of_the_old_one() -> None:
    can = {"resources": {"subscribe": True}}
    old, new = PlayedBackend("a", capabilities=can), PlayedBackend("a", capabilities=can)
    topic: Topic = resource("x:1")
    async with running(old) as pool:
        await pool.get("a").followed.follow(topic, Caller("me"))

        pool.add(kept(new))

        await pool.link_for("a", US)
        await until(lambda: new.links[0].followed == [topic])


@pytest.mark.parametrize("between", [0, 1])
async def test_the_new_one_follows_for_each_client_what_the_old_one_did(between: int) -> None:
    can = {"resources": {"subscribe": True}}
    old, new = PlayedBackend("a", capabilities=can), PlayedBackend("a", capabilities=can)
    stays, leaves = Caller("stays", session="h1"), Caller("leaves", session="h2")
    clients = Audience([stays, leaves])
    limits = Limits(5.0, 5.0, Sharing.PER_CLIENT)

    def kept_for_each(backend: PlayedBackend) -> Supervisor:
        return Supervisor(backend, limits, lambda _name, _listing: None, clients)

    async with running() as pool:
        pool.add(kept_for_each(old))
        for client in (stays, leaves):
            await pool.get("a").followed.follow(resource("x:1"), client)
        for _ in range(between):
            pool.add(kept_for_each(PlayedBackend("a", capabilities=can)))
        pool.add(kept_for_each(new))
        clients.leave("h2")

        await until(lambda: [link.followed for link in new.links[1:]] == [[resource("x:1")]])
        assert new.open_now == 2


async def test_the_new_one_looks_at_what_the_old_one_looked_at() -> None:
    can = {"resources": {}}
    old, new = PlayedBackend("a", capabilities=can), PlayedBackend("a", capabilities=can)
    limits = Limits(5.0, 5.0, poll=0.01)
    async with running() as pool:
        pool.add(Supervisor(old, limits, lambda _name, _listing: None))
        await pool.get("a").followed.follow(resource("x:1"), Caller("me"))
        await until(lambda: bool(old.links[0].requests))

        pool.add(Supervisor(new, limits, lambda _name, _listing: None))
        await until(lambda: bool(new.links) and bool(new.links[0].requests))
        assert new.links[0].requests[0].params == {"uri": "x:1"}


async def test_of_two_that_follow_each_other_quickly_only_the_last_is_started() -> None:
    first, second, third = (PlayedBackend("a") for _ in range(3))
    async with running(first) as pool:
        await pool.link_for("a", US)
        pool.add(kept(second))
        pool.add(kept(third))

        assert await pool.link_for("a", US) is third.links[0]
        await until(lambda: first.open_now == 0)
        assert second.attempts == 0


async def test_the_last_of_several_starts_when_the_first_has_ended() -> None:
    third = PlayedBackend("a")
    async with replaced() as (pool, old, _second):
        pool.add(kept(third))
        await anyio.wait_all_tasks_blocked()

        assert (old.open_now, third.attempts) == (1, 0)


async def test_whoever_waits_for_a_new_one_is_told_when_it_never_comes() -> None:
    async with replaced() as (pool, _old, _second), anyio.create_task_group() as tasks:
        tasks.start_soon(refused, pool)
        await anyio.wait_all_tasks_blocked()
        pool.remove("a")


async def refused(pool: Pool) -> None:
    with pytest.raises(BackendUnavailable):
        await pool.link_for("a", US)


async def test_whoever_waits_for_a_new_one_waits_for_the_one_that_takes_its_place() -> None:
    third = PlayedBackend("a")
    async with replaced() as (pool, old, second):
        found: list[Link] = []

        async def call() -> None:
            found.append(await pool.link_for("a", US))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await anyio.wait_all_tasks_blocked()
            former = next(run for run in pool._runs)
            pool.add(kept(third))
            former.stats.ended = former.stats.started
        assert (found, second.attempts, old.open_now) == (third.links, 0, 0)


# --- one less


async def test_a_backend_that_is_removed_is_unknown_at_once_and_ended_when_its_calls_have() -> None:
    gone = PlayedBackend("gone")
    async with running(PlayedBackend("stays"), gone) as pool:
        await pool.link_for("gone", US)
        former = pool.get("gone")
        former.stats.started += 1

        pool.remove("gone")

        with pytest.raises(BackendUnavailable, match="it is not configured any more"):
            await pool.link_for("gone", US)
        assert list(pool.status) == list(pool.stats) == ["stays"]
        await anyio.wait_all_tasks_blocked()
        assert gone.open_now == 1

        former.stats.ended += 1
        await until(lambda: gone.open_now == 0)
        await until(lambda: former.status.state is State.STOPPED)
        assert pool.get("stays").status.state is State.READY


async def test_calls_of_one_that_is_removed_have_just_so_long_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "_DRAIN", 0.05)
    gone = PlayedBackend("gone")
    async with running(gone) as pool:
        await pool.link_for("gone", US)
        pool.get("gone").stats.started += 1

        pool.remove("gone")

        await until(lambda: gone.open_now == 0)


async def test_a_backend_that_is_still_starting_can_be_removed() -> None:
    hangs = PlayedBackend("hangs", hangs=True)
    async with running(hangs) as pool:
        await until(lambda: hangs.attempts == 1)
        former = pool.get("hangs")

        pool.remove("hangs")

        await until(lambda: former.status.state is State.STOPPED)


async def test_a_backend_that_comes_back_while_it_is_ended_starts_when_it_has() -> None:
    old, new = PlayedBackend("a"), PlayedBackend("a")
    async with running(old) as pool:
        await pool.link_for("a", US)
        pool.get("a").stats.started += 1
        pool.remove("a")
        pool.add(kept(new))
        await anyio.wait_all_tasks_blocked()

        assert (old.open_now, new.attempts) == (1, 0)


# --- what is known of them


async def test_they_are_shown_in_the_order_of_the_config_and_others_after_them() -> None:
    async with running(*(PlayedBackend(name) for name in "dcba")) as pool:
        pool.order(["a", "b", "unknown", "c"])
        assert list(pool.status) == list(pool.stats) == ["a", "b", "c", "d"]

        pool.order([])
        assert list(pool.status) == ["a", "b", "c", "d"]


async def test_it_is_known_what_they_offer_when_it_is_of_each() -> None:
    async with running(PlayedBackend("a"), PlayedBackend("hangs", hangs=True)) as pool:
        await pool.link_for("a", US)
        assert not pool.is_known

        pool.get("hangs").listed.recall(Listing({Kind.TOOL: ({"name": "x"},)}))
        assert pool.is_known
        await pool.settled(3_600)

    assert Pool().is_known


async def test_a_deadline_is_counted_for_its_own_backend_and_one_that_is_gone_has_none() -> None:
    async with running(PlayedBackend("a"), PlayedBackend("b")) as pool:
        await pool.settled(5)
        for _ in range(5):
            pool.missed("a")
            pool.missed("gone")

        assert [status.state for status in pool.status.values()] == [State.DEGRADED, State.READY]
