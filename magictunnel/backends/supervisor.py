"""One backend's life: the loop that only awaits and steps through the table of `states`."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable
from dataclasses import replace

import anyio
from anyio.abc import TaskGroup

from magictunnel.backends.base import Backend, Link, Phase, Terms
from magictunnel.backends.followed import Followed
from magictunnel.backends.news import News
from magictunnel.backends.sides import OTHER_ERA, Side, Sides, side_for, time_to_open
from magictunnel.backends.states import TRANSITIONS, Event, Limits, State, Status, inventory, pause_before
from magictunnel.catalog.model import Json, Kind, Listing
from magictunnel.config.model import Era, Sharing
from magictunnel.errors import BackendUnavailable, CallError, StartFailure
from magictunnel.wire.audience import Audience, union
from magictunnel.wire.caller import Caller

MAIN = Side()
"""The connection that is kept up, and that the listing comes from."""

STABLE = 10.0
"""Seconds of being ready after which a failure is not taken for another of a server that cannot stay up."""
COMPANY = 0.1
"""Seconds to wait for more that changes with something."""
RELIST = 5.0
"""Seconds after which a listing that could not be had is asked for again."""

logger = logging.getLogger(__name__)


OnListing = Callable[[str, Listing | None], None]
"""Takes a backend's name, and what it offers now (None: nothing any more)."""


class Supervisor:
    """Keeps one backend alive. `run` is its one owning task; everybody else waits for what it says."""

    def __init__(
        self,
        backend: Backend,
        limits: Limits,
        on_listing: OnListing,
        audience: Audience | None = None,
        news: News | None = None,
    ) -> None:
        self.name = backend.name
        self._backend = backend
        self._limits = limits
        self._on_listing = on_listing
        self._audience = audience or Audience()
        self.main: Link | None = None
        """The connection that is kept up, while it is."""
        self.tasks: TaskGroup | None = None
        """Where what the connections need is run, while they are kept."""
        self.sides = Sides(backend, limits.start_timeout, self._terms, self._changed_aside)
        self._listing = Listing()
        self._welcomed: Link | None = None
        """The main connection for which the other era was looked at."""
        self._other_promises: Json = {}
        self._refused: set[Side] = set()
        """Side connections that the server does not open; the main one serves instead."""
        self._handshake_first: bool | None = None
        """Which era is tried first, once a client has used a server that speaks both."""
        self._is_used = False
        """Whether a client has made a call on the main connection."""
        self._turn: anyio.CancelScope | None = None
        """Of the main connection, while it is kept."""
        self.followed = Followed(self, limits, news)
        """What clients want to hear of."""
        self._moved = anyio.Event()
        self._up_since = self._down_since = float("-inf")
        self._streak = 0
        """Failures in a row; one of a server that was up for long starts a new row."""
        self.status = Status()
        self._audience.on_leave(self.sides.close)

    def __repr__(self) -> str:
        return f"<{self.name}: {self.status.state}, {self.status.phase}>"

    async def run(self) -> None:
        """Connect, keep listing, connect again: until cancelled."""
        async with anyio.create_task_group() as self.tasks:
            await self._stay_connected()

    async def _stay_connected(self) -> None:
        try:
            while True:
                failure = await self._attempt()
                if failure is None or self._gives_way():
                    continue
                was_ready = self.status.state is State.READY
                if was_ready:
                    self._down_since = anyio.current_time()
                self._streak = 1 if was_ready and self._down_since - self._up_since > STABLE else self._streak + 1
                news = was_ready or str(failure) != str(self.status.failure)
                self._step(Event.FAILED, failure=failure, attempts=self.status.attempts + 1)
                logger.log(logging.WARNING if news else logging.DEBUG, "%s", failure)
                await self._pause()
        finally:
            self._step(Event.STOP)

    def _gives_way(self) -> bool:
        """Whether a server that does not open in the era of its first client is opened as before, at once."""
        if self._handshake_first is None or self._is_used or self.status.state is State.READY:
            return False
        self._handshake_first, self._is_used = False, True
        return True

    async def ready(self) -> Link:
        """The backend's link; while it is starting, wait for it (the caller bounds the wait).

        Raises:
            BackendUnavailable: it is down.
        """
        while self.main is None:
            if self.status.state is not State.STARTING:
                raise self._unavailable()
            await self._moved.wait()
        return self.main

    async def welcome(self, *, stateless: bool) -> None:
        """Learn, once, what a server promises in the other era, now that a client of it comes."""
        link = self.main
        if link is None or link.stateless == stateless or self._welcomed is link or self.tasks is None:
            return
        if not (link.may_speak_other_era and link.sessions_are_cheap):
            return
        self._welcomed = link
        side = Side(Era.STATELESS if stateless else Era.HANDSHAKE)
        with anyio.move_on_after(OTHER_ERA):
            try:
                self._other_promises = (await self.sides.get(side, self.tasks, OTHER_ERA)).capabilities
            except BackendUnavailable:
                self._refused.add(side)
                return
            promises = union((self._listing.capabilities, self._other_promises))
            self._listing = replace(self._listing, capabilities=promises)
            self._publish(self._listing)

    async def link_for(self, caller: Caller) -> Link:
        """The link that a call of `caller` takes (see `sides.side_for`), once it is up; the caller bounds the wait.

        Raises:
            BackendUnavailable: it is down.
        """
        main = await self.ready()
        side = side_for(main, caller, self._limits.session)
        if side and side.era is not Era.AUTO and not (side.session or self._is_used or main.sessions_are_cheap):
            main = await self._reopened(main, handshake_first=not caller.stateless)
            side = side_for(main, caller, self._limits.session)
        if side is None or side in self._refused or self.tasks is None:
            self._is_used |= caller.stateless or bool(caller.session)
            return main
        try:
            return await self.sides.get(side, self.tasks, time_to_open(side, main, self._limits.start_timeout))
        except BackendUnavailable:
            if side.session:
                raise
            if not side.able:
                self._refused.add(side)
            return main

    async def _reopened(self, main: Link, *, handshake_first: bool) -> Link:
        """The main connection, opened again in the era of the first client to use it.

        A server over a pipe is a process with a state of its own: it gets a second one only if clients of both eras
        really use it.
        """
        self._handshake_first = handshake_first
        if self.main is main and self._turn is not None:
            self.main = None
            self._step(Event.REOPEN, phase=Phase.RESOLVE)
            self._turn.cancel()
        return await self.ready()

    def links(self, session: str = "") -> list[Link]:
        """The open connections over which a client's session is served; without one: all there are."""
        own = self._limits.session is Sharing.PER_CLIENT
        sides = [link for side, link in self.sides.links if not session or side.session in (session, "")]
        main = [] if self.main is None or (own and session) else [self.main]
        return main + sides

    def side_of(self, caller: Caller) -> Side | None:
        """The connection beside the main one that a call of `caller` takes, if the main one is up."""
        side = side_for(self.main, caller, self._limits.session) if self.main else None
        return side if side not in self._refused else None

    async def settled(self) -> None:
        """Wait until the first attempt has ended, well or badly."""
        while self.status.state in (State.STOPPED, State.STARTING) and not self.status.attempts:
            await self._moved.wait()

    async def _attempt(self) -> StartFailure | None:
        """One connection, from start to end; returns why it ended, or None if it is to be opened again at once."""
        if self.status.state is not State.STARTING:
            self._step(Event.ATTEMPT, phase=Phase.RESOLVE)
        started = anyio.current_time()
        with anyio.CancelScope(deadline=started + self._limits.start_timeout) as scope:
            try:
                async with self._backend.connect(self._at, self._terms(MAIN)) as link:
                    self._listing = await self._list(link)
                    scope.deadline = float("inf")
                    self._ready(link, anyio.current_time() - started)
                    with anyio.CancelScope() as self._turn:
                        await self._keep(link)
                    return None
            except Exception as error:  # noqa: BLE001 whatever ends a connection is this backend's state
                return self._backend.explain(self.status.phase, error)
            finally:
                self.main = None
        silence = TimeoutError(f"no answer within {self._limits.start_timeout:g} s")
        return self._backend.explain(self.status.phase, silence)

    async def _list(self, link: Link) -> Listing:
        self._at(Phase.LIST)
        entries = {kind: tuple(await link.list(kind)) for kind in Kind}
        capabilities = self.followed.promised(union((link.capabilities, self._other_promises)))
        return Listing(entries, capabilities, link.instructions, dict(link.hints))

    def _terms(self, side: Side) -> Terms:
        """On what terms a connection is opened: for whom, and so in which era."""
        audience = self._audience.alone(side.session) if side.session else self._audience
        if side.able:
            audience = Audience([Caller("clients alike", capabilities=json.loads(side.able))])
        return Terms(
            era=side.era,
            handshake_first=side is MAIN and self._tries_handshake_first,
            audience=audience,
            neighbours=self.followed.neighbours(side),
            ask_timeout=self._limits.ask_timeout,
        )

    @property
    def _tries_handshake_first(self) -> bool:
        return self._audience.prefers_handshake if self._handshake_first is None else self._handshake_first

    def _changed_aside(self, side: Side, link: Link, kinds: frozenset[Kind]) -> None:
        """A side connection says that lists changed: the server's, or those of a process of its own.

        Of two processes, the last one to say so is listed.
        """
        if self.main is None or self.tasks is None or side.session:
            return
        if side.able or self.main.sessions_are_cheap:
            self.main.mark(kinds)
        else:
            self.tasks.start_soon(self._relist, link, kinds)

    def _ready(self, link: Link, took: float) -> None:
        self.main = link
        self._refused.clear()
        if self.tasks is not None:
            self.followed.follow_again(link, self.tasks)
        self._up_since = anyio.current_time()
        self._publish(self._listing)
        self._step(Event.LISTED, phase=Phase.SERVE, era=link.era, attempts=0, took=took)
        logger.info("%s: ready (%s, %.1f s): %s", self.name, link.era, took, inventory(self._listing))

    async def _keep(self, link: Link) -> None:
        """List again what the backend says has changed, for as long as the link lives."""
        stale: frozenset[Kind] = frozenset()
        while True:
            with anyio.move_on_after(RELIST if stale else float("inf")):
                stale |= await link.changed()
            await anyio.sleep(COMPANY)
            stale |= await _already(link)
            if await self._relist(link, stale):
                stale = frozenset()

    async def _relist(self, link: Link, kinds: frozenset[Kind]) -> bool:
        """Whether these kinds could be listed again."""
        try:
            with anyio.fail_after(self._limits.start_timeout):
                fresh = {kind: tuple(await link.list(kind)) for kind in Kind if kind in kinds}
        except (CallError, TimeoutError) as error:
            logger.warning("%s: its new listing cannot be had, the last one stays: %s", self.name, error)
            return False
        self._listing = replace(
            self._listing, entries={**self._listing.entries, **fresh}, hints={**self._listing.hints, **link.hints}
        )
        self._publish(self._listing)
        return True

    def _publish(self, listing: Listing) -> None:
        counts = {kind: len(found) for kind, found in listing.entries.items()}
        self.status = replace(self.status, counts=counts)
        self._on_listing(self.name, listing)

    async def _pause(self) -> None:
        """Wait before the next attempt. Entries outlive a short absence, not a long one."""
        pause = pause_before(self._streak) * random.uniform(0.75, 1.0)  # noqa: S311 jitter, not a secret
        patience = max(0.0, self._down_since + self._limits.grace - anyio.current_time())
        if pause > patience:
            await anyio.sleep(patience)
            self._on_listing(self.name, None)
            pause -= patience
        await anyio.sleep(pause)

    def _at(self, phase: Phase) -> None:
        self.status = replace(self.status, phase=phase)

    def _step(self, event: Event, **facts: object) -> None:
        state = TRANSITIONS[self.status.state, event]
        self.status = replace(self.status, state=state, **facts)  # type: ignore[arg-type]
        self._moved.set()
        self._moved = anyio.Event()

    def _unavailable(self) -> BackendUnavailable:
        failure = self.status.failure
        if failure is None:
            return BackendUnavailable(self.name, "it was stopped")
        return BackendUnavailable(self.name, f"{failure.phase}: {failure.cause}", hint=failure.hint)


async def _already(link: Link) -> frozenset[Kind]:
    """What has changed in the meantime, without waiting."""
    with anyio.move_on_after(0):
        return await link.changed()
    return frozenset()
