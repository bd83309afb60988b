"""What becomes of tools that are looked for: counted at once, written down beside all else. No request is kept."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path

import anyio

from magictunnel.catalog.live import LiveCatalog
from magictunnel.catalog.model import Entry, Kind
from magictunnel.errors import StoreError
from magictunnel.store.database import open_database
from magictunnel.store.usage import KEPT, Counters, Counts, Key

EVERY = 5.0
"""Seconds from the first thing that is counted until it is written down, with all that is counted meanwhile."""
_PATIENCE = 1.0
"""Seconds to wait for another process that has the store locked; what is not written is tried again later."""
_LONGEST_WRITE = 3.0
"""Seconds that our end may have to wait."""
_LONGEST_PAUSE = 300.0
"""Seconds between two attempts to write to a store that cannot be used; they double up to here."""
_LONGEST_NAME = 1_000
"""Characters of a tool's name; longer ones are not counted."""

logger = logging.getLogger(__name__)


class Event(StrEnum):
    """What became of a tool. The value names the counter of `Counts` that counts it."""

    FOUND = "found"
    """It was among the ranked."""
    SHOWN = "shown"
    """A client was given it."""
    CHOSEN = "chosen"
    """A client called it by its name, or it was picked for one."""
    CALLED = "called"
    """It was called through discovery."""
    FAILED = "failed"
    """That call ended in an error, or in a result that says it is one. It counts as called too."""


class Usage:
    """The counts of every gateway that shares the store; without a store, or with one that fails, our own."""

    def __init__(self, live: LiveCatalog, path: Path | None, every: float = EVERY) -> None:
        """`path`: the store's file, None for none. `every`: seconds, see EVERY."""
        self._live = live
        self._path = path
        self._every = every
        self._total: OrderedDict[Key, Counts] = OrderedDict()
        self._news: OrderedDict[Key, Counts] = OrderedDict()
        """What of it is not in the store yet."""
        self._wake = anyio.Event()
        self._is_loaded = False
        self._has_warned = False

    def note(self, event: Event, entries: Iterable[Entry]) -> None:
        """Count this of those entries that are tools, once for each time they are given. Returns at once."""
        now = time.time()
        for entry in entries:
            if entry.kind is Kind.TOOL and len(entry.original) <= _LONGEST_NAME:
                key = (entry.backend, entry.original)
                _count(self._total, key, event, now)
                if self._path is not None:
                    _count(self._news, key, event, now)
        if self._news:
            self._wake.set()

    @property
    def uses(self) -> Mapping[str, int]:
        """How often each tool was chosen and did not fail, by the public name it has now; it may be read in any thread.

        Tools that never were are not in it.
        """
        return _Uses(self._live.current.of(Kind.TOOL), self._total)

    async def run(self) -> None:
        """Learn what was counted before, and write down what is counted now, until cancelled. It is one task's own."""
        if self._path is None:
            return
        try:
            await self._sync(self._path)
            pause = self._every
            while True:
                await self._wake.wait()
                await anyio.sleep(pause)
                self._wake = anyio.Event()
                await self._sync(self._path)
                pause = min(2 * pause, _LONGEST_PAUSE) if self._has_warned else self._every
                if self._news:
                    self._wake.set()
        finally:
            if self._news:
                await self._sync(self._path)

    async def _sync(self, path: Path) -> None:
        """Bring the store's counts and ours together. A store that cannot be used is warned of until it can be again.

        The file is not kept open: whoever finds it damaged can set it aside, and one that fails may do later on.
        """
        try:
            # What is given up while it is written may be written or not; it is not tried again, lest it count twice.
            with anyio.fail_after(_LONGEST_WRITE, shield=True):
                async with open_database(path, patience=_PATIENCE) as database:
                    await self._exchange(Counters(database))
            self._has_warned = False
        except StoreError as error:
            self._warn(str(error))
        except TimeoutError:
            self._warn(f"store {path}: it takes too long")

    def _warn(self, why: str) -> None:
        if not self._has_warned:
            logger.warning("what tools are used is not remembered: %s", why)
        self._has_warned = True

    async def _exchange(self, counters: Counters) -> None:
        if not self._is_loaded:
            kept = await counters.read()
            self._total = _together(kept, self._news)
            self._is_loaded = True
        news, self._news = self._news, OrderedDict()
        try:
            if news:
                await counters.add(news, time.time())
        except StoreError:
            self._news = _together(news, self._news)
            raise


class _Uses(Mapping[str, int]):
    """Counts by public name, without a copy of all of them for each search."""

    def __init__(self, tools: Mapping[str, Entry], counts: Mapping[Key, Counts]) -> None:
        self._tools = tools
        self._counts = counts

    def __getitem__(self, name: str) -> int:
        if (entry := self._tools.get(name)) and (count := self._of(entry)):
            return count
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for name, entry in self._tools.items() if self._of(entry))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _of(self, entry: Entry) -> int:
        """Scripts call without choosing, so that not every failure is one of a choice."""
        counts = self._counts.get((entry.backend, entry.original))
        return max(0, min(counts.chosen, counts.called - counts.failed)) if counts else 0


def _count(counts: OrderedDict[Key, Counts], key: Key, event: Event, now: float) -> None:
    counted = _touched(counts, key)
    setattr(counted, event.value, getattr(counted, event.value) + 1)
    counted.last = now


def _together(older: Mapping[Key, Counts], newer: Mapping[Key, Counts]) -> OrderedDict[Key, Counts]:
    counts = OrderedDict(older)
    for key, more in newer.items():
        _touched(counts, key).add(more)
    return counts


def _touched(counts: OrderedDict[Key, Counts], key: Key) -> Counts:
    """The counts of a tool, which is the last to be forgotten from now on."""
    if key not in counts:
        counts[key] = Counts()
        if len(counts) > KEPT:
            counts.popitem(last=False)
    counts.move_to_end(key)
    return counts[key]
