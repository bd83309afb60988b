"""In the test's own process: a scripted server at the end of a wire, and a Backend that a test plays by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from magictunnel.backends.base import ANY_TERMS, AtPhase, LinkLost, Phase, Request, Terms, Topic
from magictunnel.backends.explain import root_cause
from magictunnel.backends.link import McpLink
from magictunnel.backends.mcp import opened_link
from magictunnel.catalog.model import Json, Kind
from magictunnel.config.model import Era
from magictunnel.errors import BackendError, StartFailure
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


@asynccontextmanager
async def raw_link(
    script: Script, terms: Terms | None = None, kind: type[RawServer] = RawServer
) -> AsyncIterator[tuple[McpLink, RawServer]]:
    """An open link named `s`, and the scripted server at its other end; in the one era of `script` if it has one."""
    terms = terms or Terms(Era.AUTO if script.era == "both" else Era(script.era))
    async with raw_wire(script, kind) as (wire, server):

        @asynccontextmanager
        async def manager() -> AsyncIterator[WireDispatcher]:
            yield wire

        async with opened_link("s", manager(), lambda _phase: None, terms) as link:
            yield link, server


def sent(server: RawServer, method: str) -> list[Json]:
    """The params of every request of that method that reached the server."""
    return [message.get("params", {}) for message in server.received if message.get("method") == method]


async def until(condition: Callable[[], bool], within: float = 5.0) -> None:
    """Wait, boundedly, for something that other tasks make true."""
    with anyio.fail_after(within):
        while not condition():
            await anyio.sleep(0.005)


class PlayedBack:
    """Ways back to a caller that answers as a test says, as soon as it says so. See `Back`."""

    def __init__(self, answer: Json | Exception | None = None, *, answers: bool = True) -> None:
        self.answer: Json | Exception = answer or {"action": "accept"}
        self.told: list[tuple[str, Json]] = []
        self.asked: list[tuple[str, Json]] = []
        self.given_up = 0
        """Questions that nobody waits for any more."""
        self.lets_go = 0
        self._answering = anyio.Event()
        if answers:
            self._answering.set()

    def answer_now(self) -> None:
        """Answer what has been asked, and what will be."""
        self._answering.set()

    async def tell(self, method: str, params: Json) -> None:
        self.told.append((method, params))

    async def ask(self, method: str, params: Json) -> Json:
        self.asked.append((method, params))
        try:
            await self._answering.wait()
        except anyio.get_cancelled_exc_class():
            self.given_up += 1
            raise
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def let_go(self) -> None:
        self.lets_go += 1


class PlayedLink:
    """One open connection to a PlayedBackend. See `Link`."""

    era = "played"
    instructions = ""
    hints: Mapping[Kind, Json] = {}

    def __init__(self, backend: PlayedBackend, terms: Terms) -> None:
        self._backend = backend
        self.terms = terms
        self.capabilities = backend.capabilities
        self.declared: Json | None = None
        self.sessions_are_cheap = False
        self.needs_no_heartbeat = False
        self.heard = self.changes = 0
        era = backend.speaks if terms.era is Era.AUTO else terms.era
        self.stateless = era is Era.STATELESS or (era is Era.AUTO and not terms.handshake_first)
        self.may_speak_other_era = backend.speaks is Era.AUTO and terms.era is Era.AUTO
        self._dirty: set[Kind] = set()
        self._moved = anyio.Event()
        self._lost: Exception | None = None
        self.lists: list[Kind] = []
        """Every listing that was asked for."""
        self.requests: list[Request] = []
        self.followed: list[Topic] = []
        """What it tells of."""
        self.levels_settled = 0
        self.pings = 0
        self.is_frozen = False
        """Whether it gives no sign of life."""
        self.told: list[tuple[str, Json]] = []

    async def list(self, kind: Kind) -> Sequence[Json]:
        self.lists.append(kind)
        if self._backend.list_failure is not None:
            raise self._backend.list_failure
        return self._backend.offers.get(kind, ())

    async def request(self, request: Request) -> Json:
        self.requests.append(request)
        return {"method": request.method, "params": request.params}

    async def ping(self) -> None:
        self.pings += 1
        if self.is_frozen:
            await anyio.sleep_forever()
        self.heard += 1

    async def follow(self, topic: Topic) -> None:
        if topic in self._backend.refuses:
            raise BackendError(-32602, f"{topic.name} is not told of")
        self.followed.append(topic)

    async def forget(self, topic: Topic) -> None:
        if topic in self.followed:
            self.followed.remove(topic)

    async def settle_level(self) -> None:
        self.levels_settled += 1

    async def tell(self, method: str, params: Json) -> None:
        self.told.append((method, params))

    async def changed(self) -> frozenset[Kind]:
        while not self._dirty:
            if self._lost is not None:
                raise self._lost
            await self._moved.wait()
            self._moved = anyio.Event()
        kinds, self._dirty = frozenset(self._dirty), set()
        return kinds

    def mark(self, kinds: frozenset[Kind]) -> None:
        self.say_changed(*kinds)

    def say_changed(self, *kinds: Kind) -> None:
        """Announce, as a server does, that it offers something else."""
        self.changes += 1
        self._dirty |= set(kinds)
        self._moved.set()

    def lose(self, error: Exception | None = None) -> None:
        """End the connection from the other side."""
        self._lost = error or LinkLost("the connection was closed")
        self.terms.unfit(str(self._lost))
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
    speaks: Era = Era.HANDSHAKE
    """The one era it speaks; `auto`: both."""
    capabilities: Json = field(default_factory=dict)
    refuses: set[Topic] = field(default_factory=set)
    """What it does not tell of."""
    links: list[PlayedLink] = field(default_factory=list)
    attempts: int = 0
    open_now: int = 0

    def __copy__(self) -> PlayedBackend:
        """What a test says goes for every connection."""
        return self

    @asynccontextmanager
    async def connect(self, at: AtPhase, terms: Terms = ANY_TERMS) -> AsyncIterator[PlayedLink]:
        self.attempts += 1
        at(self.fails_in)
        if self.hangs:
            await anyio.sleep_forever()
        if self.failures:
            raise self.failures.pop(0)
        self.links.append(PlayedLink(self, terms))
        self.open_now += 1
        try:
            yield self.links[-1]
        finally:
            self.open_now -= 1

    def explain(self, phase: Phase, error: BaseException) -> StartFailure:
        return StartFailure(self.name, phase.value, str(root_cause(error)), hint="play better")
