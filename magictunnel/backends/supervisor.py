"""One backend's life: the table of its states on top, the loop that only awaits and steps below."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import anyio

from magictunnel.backends.base import Backend, Link, Phase
from magictunnel.catalog.model import EMPTY, Kind, Listing
from magictunnel.errors import BackendError, BackendUnavailable, StartFailure

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
"""Seconds between attempts: the pause doubles from the first to the longest, with up to a quarter of jitter."""
STABLE = 10.0
"""Seconds of being ready after which a failure is not taken for another of a server that cannot stay up."""
COMPANY = 0.1
"""Seconds to wait, when something changed, for more that changes with it."""
RELIST = 5.0
"""Seconds after which a listing that could not be had is asked for again."""

logger = logging.getLogger(__name__)


class State(StrEnum):
    """Where a backend is in its life."""

    STARTING = "starting"
    READY = "ready"
    BACKING_OFF = "backing off"
    STOPPED = "stopped"


class Event(StrEnum):
    """What moves a backend from one state to the next."""

    ATTEMPT = "attempt"
    LISTED = "listed"
    FAILED = "failed"
    STOP = "stop"


TRANSITIONS: Mapping[tuple[State, Event], State] = {
    (State.STOPPED, Event.ATTEMPT): State.STARTING,
    (State.BACKING_OFF, Event.ATTEMPT): State.STARTING,
    (State.STARTING, Event.LISTED): State.READY,
    (State.STARTING, Event.FAILED): State.BACKING_OFF,
    (State.READY, Event.FAILED): State.BACKING_OFF,
    (State.STARTING, Event.STOP): State.STOPPED,
    (State.READY, Event.STOP): State.STOPPED,
    (State.BACKING_OFF, Event.STOP): State.STOPPED,
}
"""All there is to a backend's life; a pair that is missing here is a defect."""


@dataclass(frozen=True, slots=True)
class Status:
    """What can be seen of a backend from outside."""

    state: State = State.STOPPED
    phase: Phase = Phase.RESOLVE
    """How far the current or last attempt got."""
    era: str = ""
    counts: Mapping[Kind, int] = field(default_factory=lambda: EMPTY)
    failure: StartFailure | None = None
    """Why it is not ready, or was not before."""
    attempts: int = 0
    """Failures in a row."""
    took: float = 0.0
    """Seconds from launch to the complete listing."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds: for a start, and for how long entries outlive their server."""

    start_timeout: float
    grace: float


class Supervisor:
    """Keeps one backend alive. `run` is its one owning task; everybody else waits for what it says."""

    def __init__(self, backend: Backend, limits: Limits, on_listing: Callable[[str, Listing | None], None]) -> None:
        self.name = backend.name
        self._backend = backend
        self._limits = limits
        self._on_listing = on_listing
        self._link: Link | None = None
        self._moved = anyio.Event()
        self._up_since = self._down_since = float("-inf")
        self._streak = 0
        """Failures in a row; one of a server that was up for long starts a new row."""
        self.status = Status()

    def __repr__(self) -> str:
        return f"<{self.name}: {self.status.state}, {self.status.phase}>"

    async def run(self) -> None:
        """Connect, keep listing, connect again: until cancelled."""
        try:
            while True:
                failure = await self._attempt()
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

    async def ready(self) -> Link:
        """The backend's link; while it is starting, wait for it (the caller bounds the wait).

        Raises:
            BackendUnavailable: it is down.
        """
        while self._link is None:
            if self.status.state is not State.STARTING:
                raise self._unavailable()
            await self._moved.wait()
        return self._link

    async def settled(self) -> None:
        """Wait until the first attempt has ended, well or badly."""
        while self.status.state in (State.STOPPED, State.STARTING) and not self.status.attempts:
            await self._moved.wait()

    async def _attempt(self) -> StartFailure:
        """One connection, from start to end; returns why it ended."""
        self._step(Event.ATTEMPT, phase=Phase.RESOLVE)
        started = anyio.current_time()
        with anyio.CancelScope(deadline=started + self._limits.start_timeout) as scope:
            try:
                async with self._backend.connect(self._at) as link:
                    listing = await self._list(link)
                    scope.deadline = float("inf")
                    self._ready(link, listing, anyio.current_time() - started)
                    await self._keep(link, listing)
            except Exception as error:  # noqa: BLE001 whatever ends a connection is this backend's state
                return self._backend.explain(self.status.phase, error)
            finally:
                self._link = None
        silence = TimeoutError(f"no answer within {self._limits.start_timeout:g} s")
        return self._backend.explain(self.status.phase, silence)

    async def _list(self, link: Link) -> Listing:
        self._at(Phase.LIST)
        entries = {kind: tuple(await link.list(kind)) for kind in Kind}
        return Listing(entries, link.capabilities, link.instructions)

    def _ready(self, link: Link, listing: Listing, took: float) -> None:
        self._link = link
        self._up_since = anyio.current_time()
        self._publish(listing)
        self._step(Event.LISTED, phase=Phase.SERVE, era=link.era, attempts=0, took=took)
        logger.info("%s: ready (%s, %.1f s): %s", self.name, link.era, took, _inventory(listing))

    async def _keep(self, link: Link, listing: Listing) -> None:
        """List again what the backend says has changed, for as long as the link lives."""
        stale: frozenset[Kind] = frozenset()
        while True:
            with anyio.move_on_after(RELIST if stale else float("inf")):
                stale |= await link.changed()
            await anyio.sleep(COMPANY)
            stale |= await _already(link)
            try:
                with anyio.fail_after(self._limits.start_timeout):
                    fresh = {kind: tuple(await link.list(kind)) for kind in Kind if kind in stale}
            except (BackendError, TimeoutError) as error:
                logger.warning("%s: its new listing cannot be had, the last one stays: %s", self.name, error)
                continue
            stale = frozenset()
            listing = replace(listing, entries={**listing.entries, **fresh})
            self._publish(listing)

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


def pause_before(attempt: int) -> float:
    """Seconds to wait before the attempt that follows `attempt` failures in a row."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** max(0, min(attempt, 16) - 1))


async def _already(link: Link) -> frozenset[Kind]:
    """What has changed in the meantime, without waiting."""
    with anyio.move_on_after(0):
        return await link.changed()
    return frozenset()


def _inventory(listing: Listing) -> str:
    return ", ".join(f"{len(found)} {kind.word}(s)" for kind, found in listing.entries.items() if found) or "nothing"
