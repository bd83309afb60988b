"""The states of a backend's life, as a table; what can be seen of it from outside. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from magictunnel.backends.base import Phase
from magictunnel.catalog.model import EMPTY, Kind, Listing
from magictunnel.config.model import DEFAULT_ASK_TIMEOUT, Sharing
from magictunnel.errors import StartFailure

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
"""Seconds between attempts: the pause doubles from the first to the longest, with up to a quarter of jitter."""


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
    REOPEN = "reopen"
    STOP = "stop"


TRANSITIONS: Mapping[tuple[State, Event], State] = {
    (State.STOPPED, Event.ATTEMPT): State.STARTING,
    (State.BACKING_OFF, Event.ATTEMPT): State.STARTING,
    (State.STARTING, Event.LISTED): State.READY,
    (State.STARTING, Event.FAILED): State.BACKING_OFF,
    (State.READY, Event.FAILED): State.BACKING_OFF,
    (State.READY, Event.REOPEN): State.STARTING,
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
    """Seconds: for a start, for which entries outlive their server, for an answer. And who shares a connection."""

    start_timeout: float
    grace: float
    session: Sharing = Sharing.SHARED
    ask_timeout: float = DEFAULT_ASK_TIMEOUT
    poll: float | None = None
    """Between two looks at a followed resource of a server that does not tell of updates; None: nobody looks."""


def pause_before(attempt: int) -> float:
    """Seconds to wait before the attempt that follows `attempt` failures in a row."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** max(0, min(attempt, 16) - 1))


def inventory(listing: Listing) -> str:
    """How much of what a backend offers."""
    return ", ".join(f"{len(found)} {kind.word}(s)" for kind, found in listing.entries.items() if found) or "nothing"
