"""A backend in this very process: what it offers is at hand, and nothing lies between a call and its answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from time import monotonic

import anyio

from magictunnel.backends.base import ANY_TERMS, AtPhase, Link, Phase, Request, Terms, Topic
from magictunnel.catalog.model import EMPTY, Json, Kind, Listing
from magictunnel.errors import MethodNotOffered, StartFailure
from magictunnel.wire.begun import Begun

Answer = Callable[[Request], Awaitable[Json]]


class LocalBackend:
    """Offers what `offered` says at each look, and has `answer` take every request. See `Backend`."""

    def __init__(self, name: str, offered: Callable[[], Listing], answer: Answer) -> None:
        self.name = name
        self.offered = offered
        self._answer = answer
        self._links: set[LocalLink] = set()

    @asynccontextmanager
    async def connect(self, at: AtPhase, terms: Terms = ANY_TERMS) -> AsyncIterator[Link]:
        """See `Backend.connect`."""
        at(Phase.CONNECT)
        link = LocalLink(self.offered, self._answer, terms)
        self._links.add(link)
        try:
            yield link
        finally:
            self._links.discard(link)

    def explain(self, phase: Phase, error: BaseException) -> StartFailure:
        """See `Backend.explain`."""
        return StartFailure(
            self.name, phase.value, f"{type(error).__name__}: {error}", hint="this is a defect: report it"
        )

    def changed(self, *kinds: Kind) -> None:
        """It offers something else of these kinds now."""
        for link in self._links:
            link.mark(frozenset(kinds))


class LocalLink:
    """A connection that is a function call. See `Link`."""

    era = "in-process"
    stateless = False
    may_speak_other_era = False
    hints: Mapping[Kind, Json] = EMPTY
    declared: Json | None = None
    sessions_are_cheap = False
    needs_no_heartbeat = True

    def __init__(self, offered: Callable[[], Listing], answer: Answer, terms: Terms) -> None:
        self._offered = offered
        self._answer = answer
        self._stats = terms.stats
        self._stale: set[Kind] = set()
        self._news = anyio.Event()
        self.heard = 0
        self.changes = 0

    @property
    def capabilities(self) -> Json:
        """See `Link.capabilities`."""
        return self._offered().capabilities

    @property
    def instructions(self) -> str:
        """See `Link.instructions`."""
        return self._offered().instructions

    async def ping(self) -> None:
        """See `Link.ping`."""

    async def list(self, kind: Kind) -> Sequence[Json]:
        """See `Link.list`."""
        return self._offered().entries.get(kind, ())

    async def request(self, request: Request) -> Json:
        """See `Link.request`."""
        self._stats.started += 1
        began = monotonic()
        is_answered = True
        try:
            return await self._answer(request)
        except anyio.get_cancelled_exc_class():
            is_answered = False
            raise
        finally:
            if is_answered:
                self._stats.answered += 1
                self._stats.recent.append(monotonic() - began)
            self._stats.ended += 1
            self._stats.last = monotonic()

    def begin(self, begun: Begun, params: Json, *, runs_as_task: bool) -> bool:
        """See `Link.begin`; there is nothing to be gained by it."""
        del begun, params, runs_as_task
        return False

    async def follow(self, topic: Topic) -> None:
        """See `Link.follow`."""
        raise MethodNotOffered(f"following {topic.name}")

    async def forget(self, topic: Topic) -> None:
        """See `Link.forget`."""

    async def settle_level(self) -> None:
        """See `Link.settle_level`."""

    async def tell(self, method: str, params: Json) -> None:
        """See `Link.tell`."""

    async def changed(self) -> frozenset[Kind]:
        """See `Link.changed`."""
        await self._news.wait()
        self._news = anyio.Event()
        kinds, self._stale = frozenset(self._stale), set()
        return kinds

    def mark(self, kinds: frozenset[Kind]) -> None:
        """See `Link.mark`."""
        self.changes += 1
        self._stale |= kinds
        self._news.set()
