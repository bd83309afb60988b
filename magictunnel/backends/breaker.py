"""When calls to a server that is up are not even tried: it has not answered the last ones."""

from __future__ import annotations

from collections.abc import Callable

from magictunnel.backends.stats import Stats

MISSES = 5
"""Calls in a row that ran into their deadline, with no answer to any other in between."""
FIRST_REST = 2.0
LONGEST_REST = 30.0
"""Seconds between two calls that are tried; doubled with each that is, until the server is heard of again. The first is
tried at once: those that were not answered may all have been of one tool."""


class Breaker:
    """Counts deadlines; nothing has to be told to it when calls are answered."""

    def __init__(self, stats: Stats, clock: Callable[[], float]) -> None:
        self._stats = stats
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """The connection is another one."""
        self._answered = self._stats.answered
        self.misses = 0
        """In a row."""
        self._heard = 0
        self._rest = FIRST_REST
        self._next_try = 0.0

    def miss(self) -> bool:
        """A call ran into its deadline; whether too many in a row did by now."""
        if self.has_recovered:
            self.reset()
        self.misses += 1
        return self.misses >= MISSES

    @property
    def has_recovered(self) -> bool:
        """Whether a call was answered since the last one that was not."""
        return self._stats.answered != self._answered

    def admits(self, heard: int) -> bool:
        """Whether a call may be tried now, to see; after it no other for a while, whatever comes of it.

        `heard`: messages from the server so far, such as late answers, or a sign of life.
        """
        if heard != self._heard:
            self._heard, self._rest = heard, FIRST_REST
        elif self._clock() < self._next_try:
            return False
        self._next_try = self._clock() + self._rest
        self._rest = min(LONGEST_REST, self._rest * 2)
        return True

    @property
    def wait(self) -> float:
        """Seconds until the next call is tried."""
        return max(0.0, self._next_try - self._clock())
