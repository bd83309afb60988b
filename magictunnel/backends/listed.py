"""What one backend offers: had from its connections, kept while they come and go, dropped when it stays away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace

import anyio

from magictunnel.backends.base import Link
from magictunnel.catalog.model import Json, Kind, Listing
from magictunnel.errors import BackendUnavailable, CallError
from magictunnel.wire.audience import union

COMPANY = 0.1
"""Seconds to wait for more that changes with something."""
STORMY = 10
STORM = 1.0
"""The same, after a server has said so more than STORMY times in between: some do a thousand times a second."""
RELIST = 5.0
"""Seconds after which a listing that could not be had is asked for again."""

OnListing = Callable[[str, Listing | None], None]
"""Takes a backend's name, and what it offers now (None: nothing any more)."""

logger = logging.getLogger(__name__)


class Listed:
    """The listing of one backend."""

    def __init__(
        self,
        name: str,
        start_timeout: float,
        promised: Callable[[Json], Json],
        on_listing: OnListing,
    ) -> None:
        """`promised`: the server's capabilities -> what we can promise of them."""
        self._name = name
        self._start_timeout = start_timeout
        self._promised = promised
        self._on_listing = on_listing
        self._others: Json = {}
        self.current: Listing | None = None
        self.at = 0.0
        """When it was had (seconds since the epoch); 0: not since we run."""

    async def had(self, link: Link) -> Listing:
        """All that the server offers now; published by `publish`.

        Raises:
            CallError: it cannot be had.
        """
        entries = {kind: tuple(await link.list(kind)) for kind in Kind}
        capabilities = self._promised(union((link.capabilities, self._others)))
        return Listing(entries, capabilities, link.instructions, dict(link.hints))

    def recall(self, listing: Listing | None) -> None:
        """What is listed of it already, until it is known what it offers now."""
        self.current = listing

    def publish(self, listing: Listing) -> None:
        """What it offers from now on."""
        self.current, self.at = listing, time.time()
        self._on_listing(self._name, listing)

    def drop(self) -> None:
        """It has been away for too long: it offers nothing any more."""
        if self.current is not None:
            self.current = None
            self._on_listing(self._name, None)

    def mute(self) -> None:
        """What it offers is nobody's business any more."""
        self._on_listing = lambda _name, _listing: None

    def promise(self, others: Json) -> None:
        """Add what it promises in its other era."""
        self._others = others
        if self.current is not None:
            self.publish(replace(self.current, capabilities=union((self.current.capabilities, others))))

    async def keep(self, link: Link) -> None:
        """List again what the server says has changed, for as long as the link lives.

        Raises:
            LinkLost: it lives no more.
        """
        stale: frozenset[Kind] = frozenset()
        calm_from, known = 0.0, link.changes
        while True:
            with anyio.move_on_after(RELIST if stale else float("inf")):
                stale |= await link.changed()
            await anyio.sleep(COMPANY if anyio.current_time() > calm_from else STORM)
            stale |= await _already(link)
            if await self.relist(link, stale):
                stale = frozenset()
            calm_from = anyio.current_time() + STORM if link.changes - known > STORMY else 0.0
            known = link.changes

    async def relist(self, link: Link, kinds: frozenset[Kind]) -> bool:
        """Whether these kinds could be listed again."""
        try:
            await self.refresh(link, kinds)
        except BackendUnavailable:
            return False  # the connection is ending: the next one lists everything
        except CallError as error:
            logger.warning("%s: its new listing cannot be had, the last one stays: %s", self._name, error)
            return False
        return True

    async def refresh(self, link: Link, kinds: frozenset[Kind]) -> None:
        """List these kinds again. Raises CallError: they cannot be had, and the last ones stay."""
        try:
            with anyio.fail_after(self._start_timeout):
                fresh = {kind: tuple(await link.list(kind)) for kind in Kind if kind in kinds}
        except TimeoutError:
            raise CallError(f"it was not listed within {self._start_timeout:g} s", hint="see `start_timeout`") from None
        known = self.current or Listing()
        self.publish(replace(known, entries={**known.entries, **fresh}, hints={**known.hints, **link.hints}))


async def _already(link: Link) -> frozenset[Kind]:
    """What has changed in the meantime, without waiting."""
    with anyio.move_on_after(0):
        return await link.changed()
    return frozenset()
