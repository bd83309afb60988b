"""What a client is to be told: in order, bounded, and no faster than it reads."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from anyio.abc import TaskGroup

from magictunnel.catalog.model import Json
from magictunnel.wire.codec import writable

MAX_UNTOLD = 1_000
"""Messages that wait for a client which does not read; the oldest is forgotten first."""

Tasks = Callable[[], TaskGroup | None]
Send = Callable[[str, Json], Awaitable[None]]
"""Method and params of one notification."""

logger = logging.getLogger(__name__)


class Outbox:
    """Sends one message at a time. Whoever puts the first in also sends what is put in behind it."""

    __slots__ = ("_count", "_is_held", "_is_telling", "_patience", "_quiet", "_send", "_tasks", "_untold")

    def __init__(self, send: Send, patience: float = float("inf"), tasks: Tasks = lambda: None) -> None:
        """`patience`: seconds that a client may take to read one message; then it is not told of it.

        `tasks`: where it is told, so that it depends on nobody who put something in; without: by whoever put it in.
        """
        self._tasks = tasks
        self._send = send
        self._patience = patience
        self._untold: dict[Any, tuple[str, Json]] = {}
        self._count = 0
        self._is_held = False
        self._is_telling = False
        self._quiet: anyio.Event | None = None

    @property
    def is_empty(self) -> bool:
        """Whether all has been told."""
        return not self._untold and not self._is_telling

    async def put(self, method: str, params: Json, *, once: bool = False) -> None:
        """Tell `params`; `once`: not if the very same is waiting to be told already."""
        try:
            params = writable(params)
        except ValueError as error:
            logger.warning("a client is not told of %s: %s", method, error)
            return
        self._count += 1
        key = (method, json.dumps(params, sort_keys=True)) if once else self._count
        self._untold.setdefault(key, (method, params))
        if len(self._untold) > MAX_UNTOLD:
            self._pop()
        tasks = self._tasks()
        if tasks is None:
            await self._tell()
        elif not self._is_telling:
            tasks.start_soon(self._tell)

    def hold(self) -> None:
        """Tell nothing until `release`."""
        self._is_held = True

    async def release(self) -> None:
        """Tell what has been held."""
        self._is_held = False
        await self._tell()

    async def emptied(self) -> None:
        """Have all told; whoever was telling it may have been cancelled."""
        while not self.is_empty:
            if self._is_telling:
                self._quiet = self._quiet or anyio.Event()
                await self._quiet.wait()
            else:
                await self._tell()

    def _pop(self) -> tuple[str, Json]:
        return self._untold.pop(next(iter(self._untold)))

    async def _tell(self) -> None:
        if self._is_telling or self._is_held:
            return
        self._is_telling = True
        try:
            while self._untold and not self._is_held:
                method, params = self._pop()
                with anyio.move_on_after(self._patience) as scope:
                    await self._send(method, params)
                if scope.cancelled_caught:
                    logger.warning("a client does not read; it was not told of %s", method)
        finally:
            self._is_telling = False
            if self._quiet is not None:
                self._quiet.set()
                self._quiet = None
