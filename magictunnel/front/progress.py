"""Progress of a call, told to its caller in order and no faster than it reads."""

from __future__ import annotations

from collections import deque

from magictunnel.wire.tell import OnProgress

MAX_UNTOLD = 100
"""Steps that wait for a client which does not read; the oldest is forgotten first."""


class Progress:
    """Tells the caller of progress in order, one step at a time; to one that does not read, not every step."""

    def __init__(self, report: OnProgress) -> None:
        self._report = report
        self._untold: deque[tuple[float, float | None, str | None]] = deque(maxlen=MAX_UNTOLD)
        self._is_telling = False

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        self._untold.append((progress, total, message))
        if self._is_telling:
            return
        self._is_telling = True
        try:
            while self._untold:
                await self._report(*self._untold.popleft())
        finally:
            self._is_telling = False
