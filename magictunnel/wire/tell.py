"""What can be told to a caller while its call is under way."""

from __future__ import annotations

from typing import Protocol


class OnProgress(Protocol):
    """Takes one step of progress, for the caller of one request."""

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None: ...
