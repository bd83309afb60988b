"""One backend's life: the loop that only awaits and steps through the table of `states`."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

import anyio
from anyio.abc import TaskGroup

from magictunnel.backends.base import Backend, Link, Phase, Terms
from magictunnel.backends.breaker import Breaker
from magictunnel.backends.followed import Followed
from magictunnel.backends.idle import doze
from magictunnel.backends.line import Line
from magictunnel.backends.listed import Listed, OnListing
from magictunnel.backends.news import News
from magictunnel.backends.sides import OTHER_ERA, Ended, Side, Sides, served_by, side_for, time_to_open
from magictunnel.backends.standing import OnState, Standing
from magictunnel.backends.states import HURRY, Event, Limits, State, Status, Streak, after_failures, inventory
from magictunnel.backends.stats import Stats
from magictunnel.backends.turns import Turns
from magictunnel.catalog.model import Kind, Listing
from magictunnel.config.model import Era, Sharing, Start
from magictunnel.errors import BackendUnavailable, StartFailure
from magictunnel.wire.audience import Audience
from magictunnel.wire.caller import Caller

MAIN = Side()
"""The connection that is kept up, and that the listing comes from."""

logger = logging.getLogger(__name__)


class Supervisor:
    """Keeps one backend alive. `run` is its one owning task; everybody else waits for what it says."""

    def __init__(
        self,
        backend: Backend,
        limits: Limits,
        on_listing: OnListing,
        audience: Audience | None = None,
        news: News | None = None,
        on_state: OnState = lambda _name, _state: None,
    ) -> None:
        self.name = backend.name
        self._backend = backend
        self._limits = limits
        self.patience = limits.patience
        """Seconds that its longest call may take now."""
        self._audience = audience or Audience()
        self._standing = Standing(backend.name, on_state)
        self.tasks: TaskGroup | None = None
        """Where what the connections need is run, while they are kept."""
        self.main: Link | None = None
        """The connection that is kept up, while it takes calls."""
        self._fit: Link | None = None
        """The same, if there is nothing to consider before a call takes it."""
        self._line: Line | None = None
        """Of the main connection, from its first attempt to its end."""
        self.stats = Stats()
        self._turns = Turns(limits.concurrency) if limits.concurrency else None
        self._breaker = Breaker(self.stats, time.monotonic)
        self.sides = Sides(backend, limits, self._terms, self._changed_aside)
        self.followed = Followed(self, limits, news)
        """What clients want to hear of."""
        self.listed = Listed(backend.name, limits.start_timeout, self.followed.promised, on_listing)
        self._welcomed: Link | None = None
        """The main connection for which the other era was looked at."""
        self._refused: set[Side] = set()
        """Side connections that the server does not open; the main one serves instead."""
        self._handshake_first: bool | None = None
        """Which era is tried first, once a client has used a server that speaks both."""
        self._was_handshake: bool | None = None
        """The era of the last main connection, if it could have been either: who uses it is used to that."""
        self._is_used = False
        """Whether a client has made a call on the main connection."""
        self._wanted = anyio.Event()
        """A call needs it, or somebody wants it tried again without a pause."""
        self._is_remote = False
        """Whether its last connection had no process of its own."""
        self._tried_at = self._up_since = 0.0
        self._down_since = float("-inf")
        self._streak = Streak()

    def __repr__(self) -> str:
        return f"<{self.name}: {self._standing.state}, {self._standing.status.phase}>"

    async def run(self) -> None:
        """Connect, keep listing, connect again: until cancelled."""
        let_go = self._audience.on_leave(self.sides.close)
        try:
            async with anyio.create_task_group() as self.tasks:
                self._down_since = anyio.current_time() if self.listed.current else float("-inf")
                if self._limits.start is Start.LAZY and self.listed.current and not self.followed:
                    self._standing.step(Event.SLEEP)
                if self._limits.idle_timeout:
                    self.tasks.start_soon(doze, self._limits.idle_timeout, self._last_needed, self._sleep)
                while True:
                    await self._one_life(self.tasks)
        finally:
            let_go()
            self._standing.end()

    async def _one_life(self, tasks: TaskGroup) -> None:
        """One connection, from the wish for it to its end and the pause that follows."""
        if self._standing.state is State.IDLE:
            await self._wanted.wait()
            self._down_since = anyio.current_time()
        self._wanted = anyio.Event()
        if self._standing.state is not State.STARTING:
            self._standing.step(Event.ATTEMPT, phase=Phase.RESOLVE)
        line = Line(self._backend, self._terms(MAIN), self._limits, on_phase=self._standing.at, on_unfit=self._lost)
        self._line, self._tried_at = line, anyio.current_time()
        tasks.start_soon(self._hold, line, name=f"{self.name} main")
        await line.unfit.wait()
        if line.is_heavy:
            await line.over.wait()
        if line.is_ended or self._gives_way(line):
            return
        await self._failed(line)

    async def _hold(self, line: Line) -> None:
        """One main connection, in its own task: it may still answer calls while the next one serves new ones."""
        fresh = Listing()

        async def prepare(link: Link) -> None:
            nonlocal fresh
            line.at(Phase.LIST)
            fresh = await self.listed.had(link)

        async def keep(link: Link) -> None:
            self._ready(link, fresh)
            await self.listed.keep(link)

        await line.run(prepare, keep)

    def _ready(self, link: Link, listing: Listing) -> None:
        self.main = self._fit = link
        self._is_remote = link.sessions_are_cheap
        self._was_handshake = not link.stateless if link.may_speak_other_era else None
        self._refused.clear()
        self._breaker.reset()
        if self.tasks is not None:
            self.followed.follow_again(link, self.tasks)
        restarts = self._standing.status.restarts + bool(self._up_since)
        self._up_since = anyio.current_time()
        took = self._up_since - self._tried_at
        self.listed.publish(listing)
        self._standing.step(Event.LISTED, phase=Phase.SERVE, era=link.era, attempts=0, took=took, restarts=restarts)
        logger.info("%s: ready (%s, %.1f s): %s", self.name, link.era, took, inventory(listing))

    def _lost(self, line: Line) -> None:
        """The main connection takes no more calls: those that come now wait for the next one."""
        if line is not self._line:
            return
        self.main = self._fit = None
        if self._standing.state in (State.READY, State.DEGRADED):
            self._down_since = anyio.current_time()
            self._standing.step(Event.REOPEN)

    async def _failed(self, line: Line) -> None:
        """Start a server that was up for long again at once; one that was not, after a pause."""
        failure = line.failure or StartFailure(self.name, Phase.SERVE.value, line.why)
        at_once = self._streak.failed(self._down_since - self._up_since if line.was_open else None)
        news = line.was_open or str(failure) != str(self._standing.status.failure)
        logger.log(logging.WARNING if news else logging.DEBUG, "%s", failure)
        if at_once:
            self._standing.note(failure=failure)
            return
        self._standing.step(after_failures(self._streak.count), failure=failure, attempts=self._streak.count)
        await self._pause()

    async def _pause(self) -> None:
        """Wait before the next attempt. Entries outlive a short absence, not a long one."""
        patience = max(0.0, self._down_since + self._limits.grace - anyio.current_time())
        with anyio.move_on_after(self._streak.pause()):
            with anyio.move_on_after(patience):
                await self._wanted.wait()
                return
            self.listed.drop()
            await self._wanted.wait()

    def _gives_way(self, line: Line) -> bool:
        """Whether a server that does not open in the era of its first client is opened as before, at once."""
        if self._handshake_first is None or self._is_used or line.was_open:
            return False
        self._handshake_first, self._is_used = False, True
        return True

    async def ready(self) -> Link:
        """The backend's link; while it is starting, wait for it (the caller bounds the wait).

        Raises:
            BackendUnavailable: it is down.
        """
        return self._fit or await self._awaited()

    async def _awaited(self) -> Link:
        while self._fit is None:
            if self._standing.state is State.DEGRADED and self.main is not None:
                return self._tried(self.main)
            if self._standing.state is State.IDLE or self._opens:
                self._wanted.set()
            elif not self._standing.is_under_way:
                if self._is_remote and anyio.current_time() - self._tried_at > HURRY:
                    self._wanted.set()  # an attempt costs nothing but a connection
                raise self._standing.unavailable()
            await self._standing.moved()
        return self._fit

    @property
    def _opens(self) -> bool:
        """Whether it is only paused with, because its last connection did not hold for long."""
        return self._standing.state is State.BACKING_OFF and self._line is not None and self._line.was_open

    def _tried(self, main: Link) -> Link:
        """The link of a server that does not answer, for a call that is let through."""
        if self._breaker.has_recovered:
            self._fit = main
            self._standing.step(Event.RECOVERED)
        elif not self._breaker.admits(main.heard):
            cause = f"its last {self._breaker.misses} calls were not answered in time"
            raise BackendUnavailable(self.name, cause, hint=f"it is tried again in {self._breaker.wait:.0f} s")
        return main

    def missed(self) -> None:
        """A call has run into its deadline."""
        if self._breaker.miss() and self._standing.state is State.READY:
            self._fit = None
            self._standing.step(Event.FALTERED)
            logger.warning("%s: degraded: its last %d calls were not answered in time", self.name, self._breaker.misses)

    def is_welcome(self, *, stateless: bool) -> bool:
        """Whether `welcome` would learn nothing more."""
        link = self.main
        if link is None or link.stateless == stateless or self._welcomed is link:
            return True
        return not (link.may_speak_other_era and link.sessions_are_cheap)

    async def welcome(self, *, stateless: bool) -> None:
        """Learn, once, what a server promises in the other era, now that a client of it comes."""
        if self.is_welcome(stateless=stateless) or self.tasks is None:
            return
        self._welcomed = self.main
        side = Side(Era.STATELESS if stateless else Era.HANDSHAKE)
        with anyio.move_on_after(OTHER_ERA):
            try:
                self.listed.promise((await self.sides.get(side, self.tasks, OTHER_ERA)).capabilities)
            except Ended:
                self._welcomed = None
            except BackendUnavailable:
                self._refused.add(side)

    def link_now(self, caller: Caller) -> Link | None:
        """The same as `link_for`, where nothing is to be considered: as for nearly every call."""
        main = self._fit
        if main is None or side_for(main, caller, self._limits.session) is not None:
            return None
        self._is_used = self._is_used or caller.stateless or bool(caller.session)
        return main

    async def link_for(self, caller: Caller) -> Link:
        """The link that a call of `caller` takes (see `sides.side_for`), once it is up; the caller bounds the wait.

        Raises:
            BackendUnavailable: it is down.
        """
        if self._fit is None and (own := self.sides.of_session(caller.session)):
            return own
        main = await self.ready()
        side = side_for(main, caller, self._limits.session)
        if side and side.era is not Era.AUTO and not (side.session or self._is_used or main.sessions_are_cheap):
            main = await self._reopened(main, handshake_first=not caller.stateless)
            side = side_for(main, caller, self._limits.session)
        if side is None or side in self._refused or self.tasks is None:
            self._is_used |= caller.stateless or bool(caller.session)
            return main
        if side.session and not caller.stateless and self._audience.get(side.session) is None:
            raise BackendUnavailable(self.name, "the client that this is for has gone")
        try:
            return await self.sides.get(side, self.tasks, time_to_open(side, main, self._limits.start_timeout))
        except Ended:
            return await self.link_for(caller)
        except BackendUnavailable:
            if side.session:
                raise
            self._refused |= set() if side.able else {side}
            return main

    async def _reopened(self, main: Link, *, handshake_first: bool) -> Link:
        """The main connection, opened again in the era of the first client to use it.

        A server over a pipe is a process with a state of its own: it gets a second one only if clients of both eras
        really use it.
        """
        self._handshake_first = handshake_first
        if self.main is main and self._line is not None:
            self._line.end()
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

    def _terms(self, side: Side) -> Terms:
        """On what terms a connection is opened: for whom, and so in which era."""
        return Terms(
            era=side.era,
            handshake_first=side is MAIN and self._tries_handshake_first,
            audience=served_by(side, self._audience),
            neighbours=self.followed.neighbours(side),
            ask_timeout=self._limits.ask_timeout,
            stats=self.stats,
            turns=self._turns,
            patience=lambda: self.patience,
        )

    @property
    def _tries_handshake_first(self) -> bool:
        decided = (self._handshake_first, self._was_handshake, self._audience.prefers_handshake)
        return next(one for one in decided if one is not None)

    def _changed_aside(self, side: Side, link: Link, kinds: frozenset[Kind]) -> None:
        """A side connection says that lists changed: the server's, or those of a process of its own.

        Of two processes, the last one to say so is listed.
        """
        if self.main is None or self.tasks is None or side.session:
            return
        if side.able or self.main.sessions_are_cheap:
            self.main.mark(kinds)
        else:
            self.tasks.start_soon(self.listed.relist, link, kinds)

    async def settled(self) -> None:
        """Wait until it is known what it offers, or its first attempt has failed."""
        while self._standing.is_under_way and not (self.is_known or self._standing.status.attempts):
            await self._standing.moved()

    async def tried(self) -> Status:
        """Its status, once no attempt is under way."""
        while self._standing.is_under_way:
            await self._standing.moved()
        return self.status

    @property
    def is_known(self) -> bool:
        """Whether it is known what it offers."""
        return self.listed.current is not None

    def restart(self) -> None:
        """End its connections, and open it again at once; calls that come meanwhile wait."""
        self._streak = Streak()
        if self._standing.state in (State.IDLE, State.BACKING_OFF, State.CRASH_LOOPING):
            self._standing.step(Event.REOPEN, phase=Phase.RESOLVE)
        self._wanted.set()
        self.sides.end()
        if self._line is not None:
            self._line.end()

    def give_up(self, *, is_run: bool) -> None:
        """It is not wanted any more: what it offers is listed no longer by it, and whoever waits for it is told."""
        self.listed.mute()
        if not is_run:
            self._standing.end()

    async def refresh(self) -> None:
        """List it again now. Raises CallError: it is down, or cannot be listed, and its last listing stays."""
        await self.listed.refresh(await self.ready(), frozenset(Kind))

    def _last_needed(self) -> float:
        is_up = self._standing.state in (State.READY, State.DEGRADED)
        if not is_up or self.stats.in_flight or self.followed or self.sides.are_opening:
            return float("inf")
        return max(self.stats.last, self._up_since)

    def _sleep(self) -> None:
        self._standing.step(Event.SLEEP)
        logger.info("%s: stopped: nobody has called it for %g s", self.name, self._limits.idle_timeout)
        self.sides.end()
        if self._line is not None:
            self._line.end()

    @property
    def status(self) -> Status:
        """All that can be seen of it from outside."""
        counts = {kind: len(found) for kind, found in (self.listed.current or Listing()).entries.items()}
        return replace(self._standing.status, counts=counts, listed_at=self.listed.at)
