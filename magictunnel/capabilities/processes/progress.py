"""The lines of a process, told to the caller while it runs: seldom enough, and none of them long."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from magictunnel.capabilities.base import Tell
from magictunnel.errors import RunError

T = TypeVar("T")

MAX_LINE = 500
"""Characters told of one line."""
PAUSE = 0.05
"""Seconds between two lines that are told; of those that come meanwhile, the last one counts."""
_LAST_WORDS = 0.5
"""Seconds for the last line, if nobody takes it."""
_KEPT = 16 * 1024
"""Bytes kept of a line that has not ended yet."""
_BREAK = re.compile(rb"[\r\n]+")


class Progress:
    """Takes what is written as it comes, and tells its lines."""

    def __init__(self, tell: Tell, mask: Callable[[str], str]) -> None:
        """`mask`: hides secrets."""
        self._tell = tell
        self._mask = mask
        self._rest = b""
        self._latest = b""
        self._news = anyio.Event()
        self._telling = anyio.Lock()

    def heard(self, chunk: bytes) -> None:
        """Take some more of it."""
        first, *others = _BREAK.split(chunk)
        self._rest += first[: _KEPT - len(self._rest)]  # its beginning, which is what is told of it
        if not others:
            return
        *lines, rest = [self._rest, *others]
        self._rest = rest[:_KEPT]
        if whole := [line for line in lines if line.strip()]:
            self._latest = whole[-1]
            self._news.set()

    async def run(self) -> None:
        """Tell lines, until it is cancelled."""
        while True:
            await self._news.wait()
            self._news = anyio.Event()
            await self.flush()
            await anyio.sleep(PAUSE)

    async def during(self, work: Callable[[], Awaitable[T]]) -> T:
        """Tell lines until `work` has ended, and the last one then. Raises RunError: as `work`."""
        failure: RunError | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.run)
            try:
                done = await work()
                with anyio.move_on_after(_LAST_WORDS):
                    await self.flush()
            except RunError as error:  # which the group would wrap
                failure = error
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return done

    async def flush(self) -> None:
        """Tell the last line, unless it is told already."""
        async with self._telling:
            line, self._latest = self._latest, b""
            if line:
                await self._tell(self._readable(line))

    def _readable(self, line: bytes) -> str:
        text = self._mask(line[:_KEPT].decode("utf-8", "replace").strip())
        return "".join(char if char.isprintable() else " " for char in text)[:MAX_LINE]
