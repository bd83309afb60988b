"""The states of a backend's life, as a table; what can be seen of it from outside. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from magictunnel.backends.base import Phase
from magictunnel.catalog.model import EMPTY, Kind, Listing
from magictunnel.config.model import DEFAULT_ASK_TIMEOUT, DEFAULT_HEARTBEAT, DEFAULT_TIMEOUT, Config, Sharing, Start
from magictunnel.config.rules import longest_call, settings_of
from magictunnel.errors import StartFailure

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
"""Seconds between attempts: the pause doubles from the first to the longest, with up to a quarter of jitter."""
HURRY = 1.0
"""Seconds between two attempts at a server behind a URL while calls come for it."""
STABLE = 10.0
"""Seconds of being ready after which a failure is not taken for another of a server that cannot stay up."""
LOOP = 5
"""Failures in a row after which a server is taken for one that cannot stay up."""


class State(StrEnum):
    """Where a backend is in its life."""

    IDLE = "idle"
    """Not running, until a call wants it."""
    STARTING = "starting"
    READY = "ready"
    DEGRADED = "degraded"
    """Connected, but it does not answer its calls: one at a time is let through, to see."""
    BACKING_OFF = "backing off"
    CRASH_LOOPING = "crash-looping"
    """It has failed too often in a row; it is still tried, and calls do not wait for that."""
    STOPPED = "stopped"


class Event(StrEnum):
    """What moves a backend from one state to the next."""

    ATTEMPT = "attempt"
    LISTED = "listed"
    FAILED = "failed"
    LOOPED = "looped"
    REOPEN = "reopen"
    SLEEP = "sleep"
    FALTERED = "faltered"
    RECOVERED = "recovered"
    STOP = "stop"


TRANSITIONS: Mapping[tuple[State, Event], State] = {
    (State.STOPPED, Event.ATTEMPT): State.STARTING,
    (State.STOPPED, Event.SLEEP): State.IDLE,
    (State.IDLE, Event.ATTEMPT): State.STARTING,
    (State.IDLE, Event.REOPEN): State.STARTING,
    (State.STARTING, Event.LISTED): State.READY,
    (State.STARTING, Event.FAILED): State.BACKING_OFF,
    (State.STARTING, Event.LOOPED): State.CRASH_LOOPING,
    (State.READY, Event.FALTERED): State.DEGRADED,
    (State.READY, Event.REOPEN): State.STARTING,
    (State.READY, Event.SLEEP): State.IDLE,
    (State.DEGRADED, Event.RECOVERED): State.READY,
    (State.DEGRADED, Event.REOPEN): State.STARTING,
    (State.DEGRADED, Event.SLEEP): State.IDLE,
    (State.BACKING_OFF, Event.ATTEMPT): State.STARTING,
    (State.BACKING_OFF, Event.REOPEN): State.STARTING,
    (State.CRASH_LOOPING, Event.ATTEMPT): State.CRASH_LOOPING,
    (State.CRASH_LOOPING, Event.REOPEN): State.STARTING,
    (State.CRASH_LOOPING, Event.LISTED): State.READY,
    (State.CRASH_LOOPING, Event.LOOPED): State.CRASH_LOOPING,
    (State.IDLE, Event.STOP): State.STOPPED,
    (State.STARTING, Event.STOP): State.STOPPED,
    (State.READY, Event.STOP): State.STOPPED,
    (State.DEGRADED, Event.STOP): State.STOPPED,
    (State.BACKING_OFF, Event.STOP): State.STOPPED,
    (State.CRASH_LOOPING, Event.STOP): State.STOPPED,
}
"""All there is to a backend's life; a pair that is missing here is a defect.

A connection that ends takes its backend from ready to starting at once; whether it is opened again now, or after a
pause, depends on how long it held.
"""


@dataclass(frozen=True, slots=True)
class Status:
    """What can be seen of a backend from outside."""

    state: State = State.STOPPED
    since: float = 0.0
    """When it came into this state (seconds since the epoch)."""
    phase: Phase = Phase.RESOLVE
    """How far the current or last attempt got."""
    era: str = ""
    counts: Mapping[Kind, int] = field(default_factory=lambda: EMPTY)
    failure: StartFailure | None = None
    """Why it is not ready, or was not before."""
    attempts: int = 0
    """Failures in a row."""
    restarts: int = 0
    """How often it was opened again after it had been up."""
    took: float = 0.0
    """Seconds from launch to the complete listing."""
    listed_at: float = 0.0
    """When its listing was last had (seconds since the epoch); 0: never."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a person has set for one server; durations in seconds."""

    start_timeout: float
    grace: float
    """For which its entries outlive it."""
    session: Sharing = Sharing.SHARED
    ask_timeout: float = DEFAULT_ASK_TIMEOUT
    poll: float | None = None
    """Between two looks at a followed resource of a server that does not tell of updates; None: nobody looks."""
    start: Start = Start.EAGER
    idle_timeout: float | None = None
    heartbeat: float = DEFAULT_HEARTBEAT
    patience: float = DEFAULT_TIMEOUT
    """For a sign of life: no less than any call of it may take."""
    concurrency: int | None = None


def limits_for(config: Config, server: str) -> Limits:
    """What a person has set for one server, for whoever keeps it."""
    settings = settings_of(config, server)
    return Limits(
        start_timeout=settings.start_timeout,
        grace=settings.grace,
        session=settings.session,
        ask_timeout=settings.ask_timeout,
        poll=settings.poll,
        start=settings.start,
        idle_timeout=settings.idle_timeout,
        heartbeat=settings.heartbeat,
        patience=longest_call(config, server),
        concurrency=settings.concurrency,
    )


class Streak:
    """Failures in a row; one of a server that was up for long starts a new row."""

    def __init__(self) -> None:
        self.count = 0

    def failed(self, held: float | None) -> bool:
        """A connection ended that `held` for so many seconds (None: never opened); whether to open it again at once."""
        is_first = held is not None and held > STABLE
        self.count = 1 if is_first else self.count + 1
        return held is not None and self.count == 1

    def pause(self) -> float:
        """Seconds to wait before the next attempt, shortened by chance: servers that fell together rise apart."""
        return pause_before(self.count) * random.uniform(0.75, 1.0)  # noqa: S311 jitter, not a secret


def pause_before(attempt: int) -> float:
    """Seconds to wait before the attempt that follows `attempt` failures in a row."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** max(0, min(attempt, 16) - 1))


def after_failures(in_a_row: int) -> Event:
    """What that many failures mean."""
    return Event.LOOPED if in_a_row >= LOOP else Event.FAILED


def inventory(listing: Listing) -> str:
    """How much of what a backend offers."""
    return ", ".join(f"{len(found)} {kind.word}(s)" for kind, found in listing.entries.items() if found) or "nothing"
