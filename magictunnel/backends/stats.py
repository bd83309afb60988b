"""What the calls of one backend came to: how many, how long they took, how many are under way."""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import NamedTuple

KEPT = 512
"""Calls whose time is remembered."""


class Latency(NamedTuple):
    """Seconds that calls took lately, from sent to answered."""

    p50: float
    p95: float


class Stats:
    """Counted by the connections of a backend, by plain additions: every call passes here."""

    __slots__ = ("answered", "ended", "last", "recent", "started")

    def __init__(self) -> None:
        self.started = 0
        self.ended = 0
        """Whatever came of them."""
        self.answered = 0
        """By the server, with a result or an error."""
        self.last = 0.0
        """When the last one ended (monotonic seconds)."""
        self.recent: deque[float] = deque(maxlen=KEPT)

    def count(self, taken: float) -> None:
        """One was answered, after so many seconds."""
        self.recent.append(taken)
        self.answered += 1

    def done(self, since: float) -> None:
        """One was answered that was sent then (monotonic seconds), and has ended."""
        self.last = now = monotonic()
        self.recent.append(now - since)
        self.answered += 1
        self.ended += 1

    def left(self) -> None:
        """One has ended."""
        self.ended += 1
        self.last = monotonic()

    @property
    def in_flight(self) -> int:
        return self.started - self.ended

    @property
    def latency(self) -> Latency | None:
        """None before the first answer."""
        if not self.recent:
            return None
        ordered = sorted(self.recent)
        return Latency(ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)])
