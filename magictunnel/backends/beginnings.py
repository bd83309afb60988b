"""The calls of one connection that were begun, and that nobody waits for yet. See `wire.begun`."""

from __future__ import annotations

import asyncio
from time import monotonic

from magictunnel.backends.gate import Gate
from magictunnel.wire.begun import PATIENCE, Begun

_EARLY = 0.001
"""Seconds by which the timers of an event loop may be early."""


class Beginnings:
    """Each leaves by being answered, or by being promoted; then its task adopts it, or it is dropped."""

    def __init__(self) -> None:
        self.begun: dict[int, Begun] = {}
        """By number, in the order in which they were sent."""
        self._promoted: dict[int, Begun] = {}
        """Those whose tasks are on their way to await the answer."""
        self.gate = Gate()
        """Closed until all of those have done so: what the server says meanwhile has to wait for them, and what it
        answers has to wait for what it said.
        """
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_empty(self) -> bool:
        return not self.begun and not self._promoted

    def add(self, begun: Begun) -> None:
        """One was sent."""
        self.begun[begun.number] = begun
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._ring)

    def promote(self, begun: Begun) -> None:
        """A task is on its way for it."""
        del self.begun[begun.number]
        self._promoted[begun.number] = begun
        self.gate.close()

    def adopt(self, begun: Begun) -> bool:
        """A task has come for it, or never will. False: that was so already."""
        if self._promoted.pop(begun.number, None) is None:
            return False
        if not self._promoted:
            self.gate.open()
        return True

    def stir(self) -> None:
        """The server says or asks something: whoever may be meant is to have ways back. See `gate`."""
        for begun in tuple(self.begun.values()):
            begun.promote()

    def _ring(self) -> None:
        now = monotonic() + _EARLY
        self._timer = None
        for begun in tuple(self.begun.values()):
            if begun.started + PATIENCE > now:
                self._timer = asyncio.get_running_loop().call_later(begun.started + PATIENCE - now, self._ring)
                return
            begun.late()
