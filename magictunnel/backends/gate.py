"""A gate that everybody passes in the order in which they came."""

from __future__ import annotations

import asyncio
from collections import deque


class Gate:
    """Open, unless somebody has closed it."""

    def __init__(self) -> None:
        self._is_closed = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    def close(self) -> None:
        """From now on whoever comes has to wait."""
        self._is_closed = True

    def open(self) -> None:
        """Let all pass, one after the other."""
        self._is_closed = False
        self._call_next()

    async def passed(self) -> None:
        """Wait until it is open, and those who came before have passed."""
        if not (self._is_closed or self._waiting):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        finally:
            self._waiting.remove(turn)
            self._call_next()

    def _call_next(self) -> None:
        if self._waiting and not self._is_closed and not self._waiting[0].done():
            self._waiting[0].set_result(None)
