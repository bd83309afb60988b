"""Many callers, each asked by its own call through one shared server: every answer lands in the call it belongs to."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp.client.client import Client

from magictunnel.config.model import ServerConfig
from tests.support.raw import Json
from tests.support.talker import serving
from tests.support.world import CLIENT_MODE, PATIENCE, World, world

pytestmark = pytest.mark.anyio

CALLERS = 100
ROUNDS = int(os.environ.get("MAGICTUNNEL_ROUNDS", "2"))
"""Calls that each caller makes, one after the other."""
PER_CALL = 0.1
"""Seconds that a call may take, on average, where all callers call at once."""
ROOT = Path(__file__).parents[2]


class Person:
    """A client that is asked only what its own calls ask, and answers with a word that nobody else knows."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.round = 0
        self.asked: list[str] = []
        self.is_slow: Callable[[], bool] = lambda: False

    @property
    def word(self) -> str:
        return f"caller {self.number} round {self.round}"

    async def answers(self, _context: Any, params: Any) -> types.ElicitResult:
        self.asked.append(params.message)
        while self.is_slow():
            await anyio.sleep(0.005)
        return types.ElicitResult(action="accept", content={"word": f"answer of {self.word}"})

    async def calls(self, client: Client, rounds: int) -> None:
        """Make its calls; each is to end with the answer that was given to it."""
        for self.round in range(rounds):
            told = await asks(client, self.word)
            assert told == {
                "nonce": self.word,
                "action": "accept",
                "content": {"word": f"answer of {self.word}"},
            }
        assert self.asked == [f"Say caller {self.number} round {at}" for at in range(rounds)]


async def asks(client: Client, word: str) -> Any:
    """Call a tool that asks; what it says in the end."""
    result = await client.call_tool("talk__elicit", {"nonce": word})
    return json.loads(result.content[0].text)  # type: ignore[union-attr]


@asynccontextmanager
async def behind(over: str, era: str, **keys: Json) -> AsyncIterator[World]:
    """A gateway in front of one talker."""
    async with AsyncExitStack() as stack:
        entry: Json = {"type": over, "era": era, **keys}
        if over == "stdio":
            entry |= {"command": sys.executable, "args": ["-m", "tests.support.talker", "stdio"], "cwd": str(ROOT)}
        else:
            _, port = await stack.enter_async_context(serving())
            entry |= {"url": f"http://127.0.0.1:{port}/mcp"}
        w = await stack.enter_async_context(world(more={"talk": ServerConfig.model_validate(entry)}))
        await w.until_ready()
        yield w


@asynccontextmanager
async def seated(w: World, person: Person, era: str) -> AsyncIterator[Client]:
    """A client of the gateway in this very process, so that what is measured is what is shared."""
    async with Client(w.front, mode=CLIENT_MODE[era], cache=None, elicitation_callback=person.answers) as client:
        yield client


@pytest.mark.parametrize(
    ("client_era", "over", "server_era"),
    [
        ("handshake", "http", "handshake"),
        ("stateless", "http", "handshake"),
        ("handshake", "stdio", "stateless"),
        ("stateless", "stdio", "stateless"),
        ("handshake", "http", "stateless"),
        ("stateless", "http", "stateless"),
    ],
)
async def test_a_hundred_at_once(client_era: str, over: str, server_era: str) -> None:
    people = [Person(number) for number in range(CALLERS)]
    with anyio.fail_after(PATIENCE + CALLERS * ROUNDS * PER_CALL):
        async with AsyncExitStack() as stack:
            w = await stack.enter_async_context(behind(over, server_era))
            clients = [await stack.enter_async_context(seated(w, person, client_era)) for person in people]
            async with anyio.create_task_group() as tasks:
                for person, client in zip(people, clients, strict=True):
                    tasks.start_soon(person.calls, client, ROUNDS)


async def both_ask(w: World) -> list[Any]:
    """What two clients of a handshake server are told whose calls ask while both are under way."""
    told: list[Any] = []
    first, second = Person(1), Person(2)
    async with seated(w, first, "handshake") as one, seated(w, second, "handshake") as other:
        first.is_slow = lambda: not told

        async def ask(person: Person, client: Client) -> None:
            told.append(await asks(client, person.word))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, first, one)
            await w.until(lambda: bool(first.asked))
            tasks.start_soon(ask, second, other)
    return told


async def test_over_one_pipe_a_question_of_either_of_two_clients_is_refused() -> None:
    """A server does not say there whose call asks, and a question must never go to the wrong one."""
    with anyio.fail_after(PATIENCE):
        async with behind("stdio", "handshake") as w:
            refused, answered = await both_ask(w)
            assert refused["nonce"] == Person(2).word
            assert refused["error"] == -32063
            assert "several clients are using this server" in refused["message"]
            assert answered["content"] == {"word": f"answer of {Person(1).word}"}


async def test_with_a_session_per_client_both_are_answered() -> None:
    with anyio.fail_after(PATIENCE):
        async with behind("stdio", "handshake", session="per_client") as w:
            told = await both_ask(w)
            assert [one["content"] for one in told] == [
                {"word": f"answer of {Person(number).word}"} for number in (2, 1)
            ]
