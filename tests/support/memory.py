"""In the test's own process: a scripted server at the end of a wire, and a Backend that a test plays by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from magictunnel.backends.base import AtPhase, LinkLost, Phase, Request
from magictunnel.catalog.model import Json, Kind
from magictunnel.errors import StartFailure
from magictunnel.wire.dispatcher import WireDispatcher
from tests.support.raw import Crash, RawServer, Script


@asynccontextmanager
async def raw_wire(
    script: Script, kind: type[RawServer] = RawServer
) -> AsyncIterator[tuple[WireDispatcher, RawServer]]:
    """A dispatcher, and the scripted server at its other end; if that crashes, the connection is over."""
    to_us, received = anyio.create_memory_object_stream[SessionMessage | Exception](1_000)
    to_send, from_us = anyio.create_memory_object_stream[SessionMessage](1_000)
    server = kind(script)

    def push(message: Json) -> None:
        to_us.send_nowait(SessionMessage(jsonrpc_message_adapter.validate_python(message)))

    async def serve() -> None:
        async with to_us:
            async for message in from_us:
                try:
                    reply = server.handle(message.message.model_dump(by_alias=True, exclude_unset=True), push)
                except Crash:
                    return
                if reply is not None:
                    push(reply)

    server.pushes.append(push)
    async with to_us, received, to_send, from_us, anyio.create_task_group() as tasks:
        tasks.start_soon(serve)
        yield WireDispatcher(received, to_send), server
        tasks.cancel_scope.cancel()


class PlayedLink:
    """One open connection to a PlayedBackend. See `Link`."""

    era = "played"
    capabilities: Json = {}  # noqa: RUF012 never changed
    instructions = ""

    def __init__(self, backend: PlayedBackend) -> None:
        self._backend = backend
        self._dirty: set[Kind] = set()
        self._moved = anyio.Event()
        self._lost: Exception | None = None
        self.lists: list[Kind] = []
        """Every listing that was asked for."""

    async def list(self, kind: Kind) -> Sequence[Json]:
        self.lists.append(kind)
        if self._backend.list_failure is not None:
            raise self._backend.list_failure
        return self._backend.offers.get(kind, ())

    async def request(self, request: Request) -> Json:
        return {"method": request.method, "params": request.params}

    async def changed(self) -> frozenset[Kind]:
        while not self._dirty:
            if self._lost is not None:
                raise self._lost
            await self._moved.wait()
            self._moved = anyio.Event()
        kinds, self._dirty = frozenset(self._dirty), set()
        return kinds

    def say_changed(self, *kinds: Kind) -> None:
        """Announce, as a server does, that it offers something else."""
        self._dirty |= set(kinds)
        self._moved.set()

    def lose(self, error: Exception | None = None) -> None:
        """End the connection from the other side."""
        self._lost = error or LinkLost("the connection was closed")
        self._moved.set()


@dataclass
class PlayedBackend:
    """A Backend of which each attempt does what the test says. See `Backend`."""

    name: str = "played"
    offers: Mapping[Kind, Sequence[Json]] = field(default_factory=dict)
    failures: list[Exception] = field(default_factory=list)
    """What the next attempts fail with, in `fails_in`; when there is none left, they work."""
    fails_in: Phase = Phase.CONNECT
    hangs: bool = False
    """Whether an attempt never gets anywhere."""
    list_failure: Exception | None = None
    links: list[PlayedLink] = field(default_factory=list)
    attempts: int = 0
    open_now: int = 0

    @asynccontextmanager
    async def connect(self, at: AtPhase) -> AsyncIterator[PlayedLink]:
        self.attempts += 1
        at(self.fails_in)
        if self.hangs:
            await anyio.sleep_forever()
        if self.failures:
            raise self.failures.pop(0)
        self.links.append(PlayedLink(self))
        self.open_now += 1
        try:
            yield self.links[-1]
        finally:
            self.open_now -= 1

    def explain(self, phase: Phase, error: BaseException) -> StartFailure:
        return StartFailure(self.name, phase.value, str(error), hint="play better")
