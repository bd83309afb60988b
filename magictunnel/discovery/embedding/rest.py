"""How long something that fails is left alone."""

from __future__ import annotations

import anyio


class Rest:
    """Twice as long each time that it fails, up to a bound (seconds)."""

    def __init__(self, first: float, longest: float) -> None:
        self._first, self._longest = first, longest
        self._next, self._until = first, 0.0
        self.is_failing = False
        """Whether it failed when it was last tried."""

    def extend(self) -> None:
        """It has failed."""
        self._until = anyio.current_time() + self._next
        self._next = min(self._longest, self._next * 2)
        self.is_failing = True

    def end(self) -> None:
        """It works."""
        self._next, self._until, self.is_failing = self._first, 0.0, False

    @property
    def left(self) -> float:
        """Seconds until it may be tried again; 0: now."""
        return max(0.0, self._until - anyio.current_time()) if self.is_failing else 0.0
