"""How often each tool was found, shown, chosen and called through discovery, and how often that failed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import aiosqlite
from anyio import to_thread

from magictunnel.store.database import Database

KEPT = 50_000
"""Tools that are kept; those go first that have not been used for longest."""
UNUSED = 365 * 86_400.0
"""Seconds after which a tool of which nothing was counted is dropped."""
_END_OF_TIME = 253_402_300_800.0
"""The year 10000, which no date can be in."""

_COUNTERS = ("found", "shown", "chosen", "called", "failed")
_COLUMNS = (*_COUNTERS, "last")
_PLUS = ", ".join(f"{name} = {name} + excluded.{name}" for name in _COUNTERS)
_ADD = (
    f"INSERT INTO usage (server, tool, {', '.join(_COLUMNS)}) VALUES (?, ?{', ?' * len(_COLUMNS)})"  # noqa: S608
    f" ON CONFLICT (server, tool) DO UPDATE SET {_PLUS}, last = max(last, excluded.last)"
)
_PRUNE = (
    "DELETE FROM usage WHERE last < :now - :unused",
    "DELETE FROM usage WHERE rowid IN (SELECT rowid FROM usage ORDER BY last DESC LIMIT -1 OFFSET :kept)",
)
_READ = f"SELECT rowid, server, tool, {', '.join(_COLUMNS)} FROM usage ORDER BY last"  # noqa: S608

Key = tuple[str, str]
"""A server, and the name of a tool there."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Counts:
    """What was counted of one tool, and when that was last (seconds of the epoch)."""

    found: int = 0
    shown: int = 0
    chosen: int = 0
    called: int = 0
    failed: int = 0
    last: float = 0.0

    def add(self, more: Counts) -> None:
        """Take what was counted elsewhere to what was counted here."""
        self.found += more.found
        self.shown += more.shown
        self.chosen += more.chosen
        self.called += more.called
        self.failed += more.failed
        self.last = max(self.last, more.last)


_values = attrgetter(*_COLUMNS)


class Counters:
    """The counters in a store. Methods raise StoreError if the store cannot be used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, news: Mapping[Key, Counts], now: float) -> None:
        """Add what was counted since the last time to what gateways have counted before: all of it, or nothing.

        `now`: seconds of the epoch, from which is seen what has not been used for too long.
        """
        rows = [(_text(server), _text(tool), *_values(counts)) for (server, tool), counts in news.items()]

        async def write(connection: aiosqlite.Connection) -> None:
            await connection.executemany(_ADD, rows)
            for statement in _PRUNE:
                await connection.execute(statement, {"now": now, "unused": UNUSED, "kept": KEPT})

        await self._database.write(write)

    async def read(self) -> dict[Key, Counts]:
        """Everything that is kept, last what was used last. What cannot be read is dropped, with a warning."""

        async def read(connection: aiosqlite.Connection) -> list[Any]:
            return list(await connection.execute_fetchall(_READ))

        rows = await self._database.read(read)
        found, damaged = await to_thread.run_sync(_sorted_out, rows)
        if damaged:
            logger.warning("store %s: %d counts in it cannot be read; left out", self._database.path, len(damaged))
            await self._forget(damaged)
        return found

    async def _forget(self, damaged: Sequence[int]) -> None:
        async def write(connection: aiosqlite.Connection) -> None:
            await connection.executemany("DELETE FROM usage WHERE rowid = ?", [(number,) for number in damaged])

        await self._database.write(write)


def _sorted_out(rows: Sequence[Any]) -> tuple[dict[Key, Counts], list[int]]:
    """What stands in `rows`, and the numbers of those in which something else does than was written."""
    found: dict[Key, Counts] = {}
    damaged: list[int] = []
    for number, server, tool, *values in rows:
        are_sound = all(map(_is_count, values[:-1])) and _is_time(values[-1])
        if are_sound and isinstance(server, str) and isinstance(tool, str):
            found[server, tool] = Counts(*values)
        else:
            damaged.append(number)
    return found, damaged


def _text(name: str) -> str:
    """`name` as text that can be written down: halves of UTF-16 pairs, which JSON can have, as they are spelt there."""
    return name.encode("utf-8", "backslashreplace").decode()


def _is_count(value: Any) -> bool:
    """A damaged file may hold anything, even where a number was written."""
    return isinstance(value, int) and value >= 0


def _is_time(value: Any) -> bool:
    return isinstance(value, float) and 0 <= value < _END_OF_TIME
