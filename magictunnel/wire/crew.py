"""Tasks that one owner starts many of: a plain task each, ended together."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any

_LAST_STEPS = 5.0
"""Seconds that tasks have to end once they are cancelled."""


class Crew:
    """Owns tasks that fail for themselves alone. Each call is one; a task group is five times slower to start it."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work`, which lets no error out."""
        task = self.enlist(work)
        task.add_done_callback(self._tasks.discard)
        return task

    def enlist(self, work: Coroutine[Any, Any, None], context: Context | None = None) -> asyncio.Task[None]:
        """Run `work`, whose owner says when it has ended: see `left`. A callback would cost it a step of the loop.

        `context`: whose it is, if not that of whoever calls.
        """
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        task = self._loop.create_task(work, context=context)
        self._tasks.add(task)
        return task

    def left(self, task: asyncio.Task[None]) -> None:
        """It ends now, or will never begin."""
        self._tasks.discard(task)

    async def end(self) -> None:
        """Cancel all of them, and wait until they are over."""
        for task in tuple(self._tasks):
            if not task.cancelling():
                task.cancel()
        if self._tasks:
            over, _ = await asyncio.wait(tuple(self._tasks), timeout=_LAST_STEPS)
            self._tasks -= over  # what had not begun cannot say that it has left
