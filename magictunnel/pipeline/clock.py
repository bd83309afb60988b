"""How long a block may take: a clock for every call, and one timer for many clocks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_EARLY = 0.001
"""Seconds by which the timers of an event loop may be early."""


class Row(Generic[T]):
    """What all has equally long: who began first is due first, so that one timer serves them all.

    To set a timer takes longer than all else that a clock does, and nearly every clock is left before it rings.
    """

    def __init__(self, seconds: float, ring: Callable[[T], None]) -> None:
        """`ring`: is called with each that is not removed before `seconds` have passed."""
        self.loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._on_due = ring
        self._members: dict[T, float] = {}
        """When each rings, in the loop's time."""
        self._timer: asyncio.Handle | None = None

    def add(self, member: T) -> float:
        """Its time runs from now on; when it is due."""
        self._members[member] = at = self.loop.time() + self._seconds
        if self._timer is None:
            self._timer = self.loop.call_at(at, self._ring)
        return at

    def remove(self, member: T) -> None:
        """Its time does not run any more."""
        self._members.pop(member, None)

    def _ring(self) -> None:
        now = self.loop.time() + _EARLY
        due: list[T] = []
        self._timer = None
        for member, at in self._members.items():
            if at > now:
                self._timer = self.loop.call_at(at, self._ring)
                break
            due.append(member)
        for member in due:
            if self._members.pop(member, None) is not None:
                self._on_due(member)


Rows = dict[float, "Row[Clock]"]
"""Seconds -> the clocks that began with so many."""


class Clock:
    """Ends a block that takes too long, as `asyncio.timeout` does, but swallows what ended it: see `has_rung`."""

    __slots__ = ("_at", "_cancelling", "_is_due", "_left", "_loop", "_row", "_rows", "_task", "_timer", "has_rung")

    def __init__(self, seconds: float, rows: Rows | None = None) -> None:
        """`seconds`: may be infinite. `rows`: what it shares with others; without, it has a timer of its own."""
        self._rows = rows
        self._left = seconds
        """While it stands still."""
        self._at = 0.0
        """When it rings, in the loop's time, while it runs."""
        self._row: Row[Clock] | None = None
        self._timer: asyncio.Handle | None = None
        """Its own, where it shares none or has stood still."""
        self._task: asyncio.Task[Any] | None = None
        """Whose block it is, while that lasts."""
        self._is_due = False
        """Whether it rings whatever happens."""
        self.has_rung = False
        """Whether the block was ended."""

    def __enter__(self) -> Clock:
        self._loop = loop = asyncio.get_running_loop()
        self._task = task = asyncio.current_task(loop)
        assert task is not None, "a clock belongs to a task"
        self._cancelling = task.cancelling()
        seconds, rows = self._left, self._rows
        if rows is None:
            self.go_on()
        elif seconds != float("inf"):
            row = rows.get(seconds)
            if row is None or row.loop is not loop:
                row = rows[seconds] = Row(seconds, Clock.end)
            self._row = row
            self._at = row.add(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> bool:
        self._halt()
        task, self._task = self._task, None
        if not self.has_rung or task is None:
            return False
        # Whoever else has cancelled the task is to have their way.
        return task.uncancel() <= self._cancelling and kind is asyncio.CancelledError

    @property
    def is_still(self) -> bool:
        """Whether no time passes for it."""
        return self._row is None and self._timer is None

    @property
    def left(self) -> float:
        """Seconds until it rings, not counting those in which it stands still."""
        return self._left if self.is_still else self._at - self._loop.time()

    def stop(self) -> None:
        """Stand still until `go_on`."""
        if not self._is_due:
            self._left = self.left
            self._halt()

    def go_on(self) -> None:
        """Ring when what is left of the time has passed."""
        if self.is_still and self._task is not None and self._left != float("inf"):
            self._at = self._loop.time() + self._left
            self._timer = self._loop.call_at(self._at, self.end)

    def ring(self) -> None:
        """End the block when it next waits for anything, for whoever is in the midst of it."""
        if self._task is not None and not self._is_due:
            self._halt()
            self._is_due = True
            self._timer = self._loop.call_soon(self.end)

    def end(self) -> None:
        """End the block, now that it waits."""
        if self._task is not None and not self.has_rung:
            self._halt()
            self._is_due = self.has_rung = True
            self._task.cancel()

    def _halt(self) -> None:
        if self._row is not None:
            self._row.remove(self)
            self._row = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
