"""A peer whose other side does what it likes: each request has its own answer or an error, and nothing is left over."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.exceptions import MCPError

from tests.fuzz.budget import tries
from tests.fuzz.other_side import Scene, Steps, answers, on_notify, on_request, scene
from tests.fuzz.other_side import steps as step

PATIENCE = 15.0


async def play(script: list[tuple[str, Any]], *, is_closed_by_them: bool, is_answered: bool) -> None:
    """Play a script against a running peer, then judge what is left."""
    faults: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(
        lambda _loop, about: faults.append(f"{about.get('message')}: {about.get('exception')!r}")
    )
    before = asyncio.all_tasks()
    played = await scene()
    running = loop.create_task(played.peer.run(on_request, on_notify))
    steps = Steps(played)
    try:
        for what, how in script:
            await getattr(steps, what)(how)
        if is_answered:
            await answer_all(played)
        if is_closed_by_them:
            os.close(played.to_peer)
        else:
            await asyncio.sleep(0)
            played.peer.end()
        async with asyncio.timeout(PATIENCE):
            outcomes = await asyncio.gather(*played.asked, return_exceptions=True)
            await running
        for nonce, outcome in enumerate(outcomes):
            judge(nonce, outcome)
        assert not played.peer._pending
        assert all(task.done() for _, task in played.peer._in_flight.values())  # of a peer that has ended
        assert not len(played.peer.crew)
        assert asyncio.all_tasks() == before
    finally:
        running.cancel()
        played.reader.close()
        played.writer.finish()
        for fd in (played.from_peer, *(() if is_closed_by_them else (played.to_peer,))):
            os.close(fd)
        await asyncio.sleep(0)
    assert not faults, faults[:2]


async def answer_all(played: Scene) -> None:
    """After whatever has happened, what is right is heard: everything that still waits gets its answer."""
    async with asyncio.timeout(PATIENCE):
        while not all(one.done() for one in played.asked):
            await asyncio.sleep(0.001)
            played.hear()
            numbers = played.numbers()
            left = [nonce for nonce, one in enumerate(played.asked) if not one.done() and nonce in numbers]
            for nonce in left:
                played.say(b"", *answers("right", numbers[nonce], nonce))


def judge(nonce: int, outcome: Any) -> None:
    """A request has its own answer, its own error, or one that says that there is none."""
    if isinstance(outcome, dict):
        assert outcome["nonce"] == nonce
    elif isinstance(outcome, MCPError):
        assert outcome.code in (-nonce - 1, -32603, -32700) or outcome.code <= -32000
    else:
        assert isinstance(outcome, asyncio.CancelledError), outcome


@given(script=st.lists(step, max_size=30), is_closed_by_them=st.booleans(), is_answered=st.booleans())
@tries(80)
def test_whatever_the_other_side_does(
    script: list[tuple[str, Any]], is_closed_by_them: bool, is_answered: bool
) -> None:
    asyncio.run(play(script, is_closed_by_them=is_closed_by_them, is_answered=is_answered))
