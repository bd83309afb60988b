"""Vectors that models made of texts, by model and digest of the text. What their bytes mean is not known here."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

import aiosqlite

from magictunnel.store.database import Database

KEPT = 200_000
"""Vectors that are kept; those go first that have not been wanted for longest."""
LARGEST = 64 * 1024
"""Bytes of a vector."""
_DAY = 86_400.0
UNUSED = 60 * _DAY
"""Seconds after which a vector that nobody wanted is dropped."""
_AT_ONCE = 1_000
"""Digests in one query: others wait for the file meanwhile."""

_WANTED = "model = :model AND digest IN (SELECT value FROM json_each(:digests))"
_LOAD = f"SELECT digest, vector FROM vectors WHERE {_WANTED} AND length(vector) <= {LARGEST}"  # noqa: S608
_USE = f"UPDATE vectors SET used_at = :at WHERE {_WANTED} AND (used_at <= :at - {_DAY} OR used_at > :at)"  # noqa: S608
_SAVE = "INSERT OR REPLACE INTO vectors (model, digest, vector, used_at) VALUES (?, ?, ?, ?)"
_PRUNE = (
    "DELETE FROM vectors WHERE used_at < :at - :unused",
    "DELETE FROM vectors WHERE rowid IN (SELECT rowid FROM vectors ORDER BY used_at DESC LIMIT -1 OFFSET :kept)",
)


class SavedVectors:
    """The vectors in a store. Methods raise StoreError if the store cannot be used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, model: str, digests: Collection[str]) -> dict[str, bytes]:
        """The vectors of those texts that `model` has been given before. A damaged file may hold any bytes."""
        found: dict[str, bytes] = {}
        for some in _parts(digests):
            values = {"model": model, "digests": json.dumps(some)}
            found.update(await self._database.read(partial(_loaded, values)))
        return found

    async def save(self, model: str, vectors: Mapping[str, bytes], at: float) -> None:
        """Keep what `model` made of texts, by their digests, `at` a time (seconds of the epoch)."""
        rows = [(model, digest, bytes(vector), at) for digest, vector in vectors.items() if len(vector) <= LARGEST]

        async def write(connection: aiosqlite.Connection) -> None:
            await connection.executemany(_SAVE, rows)

        await self._database.write(write)

    async def mark(self, model: str, digests: Collection[str], at: float) -> None:
        """Those texts are wanted `at` this time; what nobody has wanted for long is dropped, and what is too much."""
        for some in _parts(digests):
            await self._do((_USE,), {"model": model, "digests": json.dumps(some), "at": at})
        await self._do(_PRUNE, {"at": at, "unused": UNUSED, "kept": KEPT})

    async def _do(self, statements: Collection[str], values: Mapping[str, Any]) -> None:
        async def write(connection: aiosqlite.Connection) -> None:
            for statement in statements:
                await connection.execute(statement, values)

        await self._database.write(write)


async def _loaded(values: Mapping[str, Any], connection: aiosqlite.Connection) -> dict[str, bytes]:
    rows = await connection.execute_fetchall(_LOAD, values)
    return {digest: vector for digest, vector in rows if isinstance(digest, str) and isinstance(vector, bytes)}


def _parts(digests: Collection[str]) -> list[list[str]]:
    listed = list(digests)
    return [listed[at : at + _AT_ONCE] for at in range(0, len(listed), _AT_ONCE)]
