"""What servers offered last time, for the next start; written down beside whatever else goes on."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path

import anyio

from magictunnel.catalog.model import Listing
from magictunnel.errors import StoreError
from magictunnel.store.database import open_database
from magictunnel.store.listings import Listings

_LAST_WRITES = 2.0
"""Seconds for what is not written down yet when we end."""

logger = logging.getLogger(__name__)


class Memory:
    """The listings of one gateway's servers. Without a store, or with one that fails, it remembers nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._listings: Listings | None = None
        self._is_open = anyio.Event()
        self._news: dict[str, tuple[str, Listing, float]] = {}
        self._wake = anyio.Event()
        self._known: set[str] = set()
        """Servers of which something is kept."""

    async def run(self) -> None:
        """Have the store open, and write down what is noted, until cancelled. It is one task's own."""
        try:
            if self._path is not None:
                await self._keep(self._path)
        except StoreError as error:
            _warn(error)
        finally:
            self._is_open.set()

    async def load(self, wanted: Mapping[str, str]) -> Mapping[str, Listing]:
        """What each server in `wanted` (name -> identity) offered when it was last asked; while `run` runs."""
        await self._is_open.wait()
        if self._listings is None:
            return {}
        try:
            saved = await self._listings.load(wanted)
        except StoreError as error:
            _warn(error)
            return {}
        self._known.update(saved)
        return {name: one.listing for name, one in saved.items()}

    def note(self, server: str, identity: str, listing: Listing) -> None:
        """A server offers this now. Returns at once; of several listings of one server the last is kept."""
        if self._path is not None:
            self._news[server] = (identity, listing, time.time())
            self._wake.set()

    async def _keep(self, path: Path) -> None:
        async with open_database(path) as database:
            self._listings = Listings(database)
            self._is_open.set()
            try:
                while True:
                    await self._wake.wait()
                    self._wake = anyio.Event()
                    await self._write()
            finally:
                with anyio.CancelScope(shield=True), anyio.move_on_after(_LAST_WRITES):
                    await self._write()
                self._listings = None

    async def _write(self) -> None:
        while self._news and self._listings is not None:
            server = next(iter(self._news))
            identity, listing, at = self._news[server]
            try:
                if await self._listings.save(server, identity, listing, at) and server in self._known:
                    logger.info("%s: it offers something else than before (magictunnel diff %s)", server, server)
            except StoreError as error:
                _warn(error)
            self._known.add(server)
            if self._news.get(server, (None, None))[1] is listing:
                del self._news[server]


def _warn(error: StoreError) -> None:
    logger.warning("what servers offer is not remembered: %s", error)
