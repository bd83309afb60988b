"""At most so many calls at once, and no client waits for all the calls of another."""

from __future__ import annotations

import random

import anyio
import pytest
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from magictunnel.backends.turns import Turns

pytestmark = pytest.mark.anyio

PATIENCE = 5.0


class Counter:
    """Calls that take their turns, and stay until they are let go."""

    def __init__(self, limit: int) -> None:
        self.turns = Turns(limit)
        self.inside = 0
        self.peak = 0
        self.entered: list[str] = []
        """The clients, in the order in which their calls got their turns."""
        self.scopes: list[anyio.CancelScope] = []
        self._doors: list[anyio.Event] = []

    async def call(self, client: str) -> None:
        with anyio.CancelScope() as scope:
            self.scopes.append(scope)
            async with self.turns.taken(client):
                self._enter(client)
                try:
                    self._doors.append(door := anyio.Event())
                    await door.wait()
                finally:
                    self.inside -= 1

    def _enter(self, client: str) -> None:
        self.entered.append(client)
        self.inside += 1
        self.peak = max(self.peak, self.inside)

    async def start(self, tasks: TaskGroup, *clients: str) -> None:
        """One call of each, in this order; returns when all of them have a turn, or wait."""
        for client in clients:
            tasks.start_soon(self.call, client)
        await settle()

    async def let_go(self) -> None:
        """Have the call end that is longest inside."""
        self._doors.pop(0).set()
        await settle()


async def settle() -> None:
    """Let everybody go on who can."""
    for _ in range(10):
        await checkpoint()


async def test_no_more_calls_than_the_limit_go_on_and_each_that_ends_lets_one_in() -> None:
    here = Counter(3)
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            await here.start(tasks, *"abcde")
            assert (here.inside, here.turns.waiting) == (3, 2)

            await here.let_go()
            assert (here.inside, here.turns.waiting) == (3, 1)
            for _ in range(4):
                await here.let_go()

    assert (here.inside, here.turns.waiting, here.peak) == (0, 0, 3)
    assert here.entered == list("abcde")


async def test_a_client_with_one_call_does_not_wait_for_a_hundred_of_another() -> None:
    here = Counter(2)
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            await here.start(tasks, *["many"] * 102)
            await here.start(tasks, "one")
            assert here.turns.waiting == 101

            await here.let_go()
            await here.let_go()

            assert "one" in here.entered[2:4]
            tasks.cancel_scope.cancel()


async def test_clients_that_wait_take_turns_and_the_calls_of_each_keep_their_order() -> None:
    here = Counter(1)
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            await here.start(tasks, "x", *"aaaabbc")
            for _ in range(8):
                await here.let_go()

    assert "".join(here.entered) == "xabcabaa"


async def test_a_call_that_gives_up_while_it_waits_leaves_the_queue() -> None:
    here = Counter(1)
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            await here.start(tasks, *"xaab")
            here.scopes[1].cancel()
            await settle()
            assert here.turns.waiting == 2

            here.scopes[3].cancel()
            await settle()
            assert here.turns.waiting == 1
            for _ in range(2):
                await here.let_go()

    assert "".join(here.entered) == "xa"
    assert await goes_on_at_once(here.turns, 1)


@pytest.mark.parametrize("others", ["b", ""])
@pytest.mark.parametrize("first", ["the turn", "the end"])
async def test_a_call_that_gives_up_at_the_moment_its_turn_comes_passes_it_on(first: str, others: str) -> None:
    here = Counter(1)
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            async with here.turns.taken("x"):
                await here.start(tasks, "a", *others)
                assert here.entered == []
                if first == "the end":
                    here.scopes[0].cancel()
            here.scopes[0].cancel()  # its turn was given to it in the same step
            await settle()

            assert (here.inside, here.turns.waiting) == (len(others), 0)
            assert "".join(here.entered).removeprefix("a") == others
            tasks.cancel_scope.cancel()

    assert await goes_on_at_once(here.turns, 1)


@pytest.mark.parametrize("fails", [ValueError, KeyError])
async def test_a_call_that_fails_gives_its_turn_back(fails: type[Exception]) -> None:
    turns = Turns(1)
    with pytest.raises(fails):
        async with turns.taken("a"):
            raise fails

    assert await goes_on_at_once(turns, 1)


@pytest.mark.parametrize("seed", range(12))
async def test_whoever_comes_and_goes_in_whatever_order_the_limit_holds_and_all_are_served(seed: int) -> None:
    chance = random.Random(seed)
    limit = chance.randint(1, 4)
    turns = Turns(limit)
    inside, served, given_up = 0, 0, 0

    async def call(client: str, steps: int) -> None:
        nonlocal inside, served, given_up
        with anyio.CancelScope() as scope:
            scopes.append(scope)
            async with turns.taken(client):
                inside += 1
                assert inside <= limit
                try:
                    for _ in range(steps):
                        await checkpoint()
                finally:
                    inside -= 1
            served += 1
        given_up += scope.cancelled_caught

    scopes: list[anyio.CancelScope] = []
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            for _ in range(150):
                tasks.start_soon(call, chance.choice("aaaabc"), chance.randint(0, 4))
                for _ in range(chance.randint(0, 2)):
                    await checkpoint()
                if scopes and chance.random() < 0.3:
                    chance.choice(scopes).cancel()

    assert served + given_up == 150
    assert given_up > 0
    assert turns.waiting == 0
    assert await goes_on_at_once(turns, limit)


async def goes_on_at_once(turns: Turns, calls: int) -> bool:
    """Whether just so many calls go on without waiting: no turn was lost, and none was made."""
    here = Counter(1)
    here.turns = turns
    async with anyio.create_task_group() as tasks:
        await here.start(tasks, *["new"] * (calls + 1))
        went_on = here.inside
        tasks.cancel_scope.cancel()
    return went_on == calls
