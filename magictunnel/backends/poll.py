"""Looking at resources from time to time, for servers that do not tell of updates themselves."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup

from magictunnel.catalog.model import Json
from magictunnel.errors import CallError, TooMany

MAX_LOOKED_AT = 100
"""Resources of one server that are looked at."""
_PATIENCE = 30.0
"""Seconds that one look may take."""

logger = logging.getLogger(__name__)


class Poller:
    """Tells of each resource that has other contents than at the last look."""

    def __init__(
        self, interval: float, read: Callable[[str], Awaitable[Json]], on_updated: Callable[[str], Awaitable[None]]
    ) -> None:
        """`interval`: seconds between two looks. `read` and `on_updated` take a URI as the server knows it."""
        self._interval = interval
        self._read = read
        self._on_updated = on_updated
        self._followed: dict[str, anyio.CancelScope] = {}

    def follow(self, uri: str, tasks: TaskGroup) -> None:
        """Look at a resource from now on.

        Raises:
            TooMany: no further one.
        """
        if uri not in self._followed:
            if len(self._followed) >= MAX_LOOKED_AT:
                raise TooMany(MAX_LOOKED_AT, "polled resources of this server", hint="unsubscribe from some")
            self._followed[uri] = anyio.CancelScope()
            tasks.start_soon(self._watch, uri, self._followed[uri])

    def forget(self, uri: str) -> None:
        """Look at it no more."""
        if scope := self._followed.pop(uri, None):
            scope.cancel()

    async def _watch(self, uri: str, scope: anyio.CancelScope) -> None:
        with scope:
            known = await self._look(uri)
            while True:
                await anyio.sleep(self._interval)
                seen = await self._look(uri)
                if seen is not None and known is not None and seen != known:
                    await self._on_updated(uri)
                known = seen or known

    async def _look(self, uri: str) -> str | None:
        """A digest of the contents; None if they cannot be had now."""
        try:
            with anyio.move_on_after(_PATIENCE):
                contents = (await self._read(uri)).get("contents")
                return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()
        except (CallError, RecursionError, ValueError) as error:  # it may be nested too deep
            logger.debug("%s cannot be looked at: %s", uri, error)
        return None
