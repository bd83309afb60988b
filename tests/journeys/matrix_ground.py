"""Where the matrix is played: one running gateway per way, and clients that keep all they hear."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import mcp_types as types
from anyio.abc import TaskGroup
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from magictunnel.config.model import ServerConfig
from tests.journeys.matrix_plan import Way
from tests.support.process import config_file, gone
from tests.support.raw import Json
from tests.support.seat import TappedClient
from tests.support.talker import Talker, serving
from tests.support.world import PATIENCE, world

ROOT = Path(__file__).parents[2]
HURRY = 0.3
"""Seconds in which whoever `hurry` asks has to answer; and `insist`, of clients that nobody can see go."""
Person = Callable[[str], Awaitable[types.ElicitResult]]
"""Answers a question; given what it says."""


def nonce() -> str:
    return uuid4().hex[:8]


async def obliging(message: str) -> types.ElicitResult:
    """A person that says what it is asked to say."""
    return types.ElicitResult(action="accept", content={"word": message.removeprefix("Say ")})


@dataclass
class Seat(TappedClient):
    """A real SDK client of the gateway."""

    person: Person = obliging

    async def tool(self, tool_name: str, **arguments: Any) -> Any:
        """What a tool says, read as JSON if it is some."""
        result = await self.client.call_tool(f"talk__{tool_name}", arguments)
        text = result.content[0].text  # type: ignore[union-attr]
        return json.loads(text) if text.startswith("{") else text

    async def until_said(self, expected: Any, tool_name: str, **arguments: Any) -> None:
        """Wait until a tool says just that."""
        while await self.tool(tool_name, **arguments) != expected:
            await anyio.sleep(0.01)

    @asynccontextmanager
    async def opened(self, transport: Any) -> AsyncIterator[Seat]:
        """Sit down, until the block ends."""
        async with self.over(transport, self._elicited, self._sampled, self._rooted) as self._client:
            await self._client.list_tools()
            yield self
        self._client = None

    async def _elicited(self, _context: Any, params: Any) -> types.ElicitResult:
        return await self.person(params.message)

    async def _sampled(self, _context: Any, params: Any) -> types.CreateMessageResult:
        said = f"about {params.messages[0].content.text}"
        return types.CreateMessageResult(role="assistant", content=types.TextContent(text=said), model="tiny")

    async def _rooted(self, _context: Any) -> types.ListRootsResult:
        return types.ListRootsResult(roots=[types.Root(uri="file:///seat", name="seat")])


@dataclass
class Ground:
    """One way: a gateway, the talker behind it under the name `talk`, and another one called `other` beside it."""

    way: Way
    mark: str
    """Stands on the command line of the talker, if that is a process."""
    talker: Talker | None
    """The talker, if it is in this process."""
    connect: Callable[[], Any]
    """A transport to the gateway."""
    tasks: TaskGroup
    _shared: Seat | None = None
    _over: anyio.Event = field(default_factory=anyio.Event)

    @asynccontextmanager
    async def seat(self) -> AsyncIterator[Seat]:
        """A client: over stdio the only one there is, else a new one. The block takes PATIENCE at most."""
        with anyio.fail_after(PATIENCE):
            if self.way.front != "stdio":
                async with Seat(self.way.client).opened(self.connect()) as seat:
                    yield seat
                return
            if self._shared is None:
                self._shared = await self.tasks.start(self._keep)
            self._shared.person = obliging
            yield self._shared

    async def hang_up(self) -> None:
        """End the client over stdio, and with it its gateway; another one is started when a seat is taken."""
        self._over.set()
        while self._shared is not None:
            await anyio.sleep(0.005)

    async def until_fate(self, fate: str, word: str) -> None:
        """Wait until a call has come to that at the talker, though the client that made it cannot ask any more."""
        with anyio.fail_after(PATIENCE):
            if self.talker is not None:
                while self.talker.fates[word] != fate:
                    await anyio.sleep(0.01)
            elif self.way.front == "stdio":
                assert not await gone(self.mark)  # the talker has ended with the gateway
            else:
                async with self.seat() as seat:
                    await seat.until_said(fate, "was_cancelled", nonce=word)

    async def _keep(self, *, task_status: Any) -> None:
        self._over = anyio.Event()
        async with Seat(self.way.client).opened(self.connect()) as seat:
            task_status.started(seat)
            await self._over.wait()
        self._shared = None


@asynccontextmanager
async def ground(way: Way, folder: Path) -> AsyncIterator[Ground]:
    """A running gateway for one way; over stdio it is started by its client."""
    async with AsyncExitStack() as stack:
        talker, mark = None, f"mark-{nonce()}"
        hurried = ("hurry", "insist") if way.client == "stateless" else ("hurry",)
        keys = {"era": way.server, "tools": {name: {"ask_timeout": f"{HURRY}s"} for name in hurried}}
        if way.over == "stdio":
            words = ["-m", "tests.support.talker", "stdio", mark]
            entry: Json = {"type": "stdio", "command": sys.executable, "args": words, "cwd": str(ROOT)}
        else:
            talker, port = await stack.enter_async_context(serving())
            entry = {"type": way.over, "url": f"http://127.0.0.1:{port}/{'sse' if way.over == 'sse' else 'mcp'}"}
        _, port = await stack.enter_async_context(serving())
        other = {"type": "http", "url": f"http://127.0.0.1:{port}/mcp", "era": way.server}
        servers = {"talk": entry | keys, "other": other}
        tasks = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(tasks.cancel_scope.cancel)
        if way.front == "stdio":
            words = [
                "-m",
                "magictunnel",
                "serve",
                "--stdio",
                "--log-level",
                "error",
                "-c",
                str(config_file(folder, servers)),
            ]
            parameters = StdioServerParameters(command=sys.executable, args=words)
            yield Ground(way, mark, talker, lambda: stdio_client(parameters), tasks)
            return
        more = {name: ServerConfig.model_validate(entry) for name, entry in servers.items()}
        w = await stack.enter_async_context(world(more=more))
        await w.until_ready()
        targets = {
            "http": lambda: streamable_http_client(f"http://127.0.0.1:{w.port}/mcp"),
            "sse": lambda: sse_client(f"http://127.0.0.1:{w.port}/sse"),
        }
        yield Ground(way, mark, talker, targets[way.front], tasks)
