"""What each server offered when it was last asked, and each change of it before."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiosqlite
from anyio import to_thread

from magictunnel.catalog.digest import digest
from magictunnel.catalog.model import Listing
from magictunnel.errors import StoreError
from magictunnel.store.codec import Unreadable, Unwritable, decode, encode
from magictunnel.store.database import Database

KEPT = 100
"""Changes that are kept of one server, and ways of reaching it whose last listing is kept."""
_END_OF_TIME = 253_402_300_800.0
"""The year 10000, which no date can be in."""

_WANTED = (
    "json_each(?) AS wanted CROSS JOIN listings ON listings.server = json_extract(wanted.value, '$[0]')"
    " AND listings.identity = json_extract(wanted.value, '$[1]')"
)
_SAVED = f"{_WANTED} JOIN versions ON versions.id = version"
_LOAD = f"SELECT listings.server, version, listed_at, changed_at, listing FROM {_SAVED}"  # noqa: S608
_FRESHNESS = f"SELECT server, listed_at, changed_at FROM {_WANTED}"  # noqa: S608
_CONFIRM = (
    "UPDATE listings SET listed_at = :at WHERE server = :server AND identity = :identity"
    " AND (SELECT digest FROM versions WHERE id = version) = :digest"
)
_NEWEST = (
    "SELECT digest, coalesce((SELECT max(changed_at) FROM listings WHERE version = id), at) FROM versions"
    " WHERE server = :server ORDER BY id DESC LIMIT 1"
)
_ADD = (
    "INSERT INTO versions (server, identity, at, digest, listing) VALUES (:server, :identity, :at, :digest, :listing)"
)
_POINT = "INSERT OR REPLACE INTO listings VALUES (:server, :identity, :version, :at, :changed_at)"
_PRUNE = (
    "DELETE FROM listings WHERE server = :server AND identity NOT IN"
    " (SELECT identity FROM listings WHERE server = :server ORDER BY listed_at DESC, version DESC LIMIT :kept)",
    "DELETE FROM versions WHERE server = :server"
    " AND id NOT IN (SELECT id FROM versions WHERE server = :server ORDER BY id DESC LIMIT :kept)"
    " AND id NOT IN (SELECT version FROM listings WHERE server = :server)",
)
_HISTORY = "SELECT id, server, identity, at, digest FROM versions ORDER BY id"
_READ = "SELECT id, listing FROM versions WHERE id IN (SELECT value FROM json_each(?))"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Freshness:
    """When (seconds of the epoch) a server's listing was last confirmed, and when it last changed."""

    listed_at: float
    changed_at: float


@dataclass(frozen=True, slots=True)
class Saved(Freshness):
    """What a server offered when it was last asked."""

    listing: Listing


@dataclass(frozen=True, slots=True)
class Version:
    """One change of what a server offers, `at` (seconds of the epoch); `Listings.read` has the listing."""

    id: int
    server: str
    identity: str
    at: float
    digest: str


class Listings:
    """The listings in a store. `identity` says, opaquely, how a server is reached: another one is another listing.

    What cannot be read back is left out with a warning. Methods raise StoreError if the store cannot be used.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, wanted: Mapping[str, str]) -> dict[str, Saved]:
        """The last listing of each server in `wanted` (name -> identity) that has been saved."""
        rows = await self._rows(_LOAD, _pairs(wanted))
        saved: dict[str, Saved] = {}
        damaged: list[int] = []
        for (server, version, listed_at, changed_at, _), listing in zip(rows, await _decoded(rows), strict=True):
            if listing and _is_time(listed_at) and _is_time(changed_at):
                saved[server] = Saved(listed_at, changed_at, listing)
            else:
                damaged.append(version)
        if damaged:
            self._warn(damaged)
            await self._database.write(partial(_forget, damaged))
        return saved

    async def freshness(self, wanted: Mapping[str, str]) -> dict[str, Freshness]:
        """How old that is which `load` would give, by server."""
        rows = await self._rows(_FRESHNESS, _pairs(wanted))
        return {server: Freshness(*times) for server, *times in rows if all(map(_is_time, times))}

    async def save(self, server: str, identity: str, listing: Listing, at: float) -> bool:
        """Keep what `server` was found to offer `at` a time. True if it was last known to offer something else.

        Raises:
            StoreError: it cannot be kept (it is too large), or the store cannot be used.
        """
        found: dict[str, Any] = {"server": server, "identity": identity, "at": at, "kept": KEPT}
        try:
            found["digest"] = await to_thread.run_sync(digest, listing)
            if await self._database.write(partial(_confirmed, found)):
                return False
            found["listing"] = await to_thread.run_sync(encode, listing)
        except (Unwritable, ValueError, RecursionError) as error:
            raise StoreError(str(self._database.path), f"what {server!r} offers cannot be kept: {error}") from error
        return await self._database.write(partial(_recorded, found))

    async def history(self) -> list[Version]:
        """Every change that is kept, oldest first."""
        rows = await self._rows(_HISTORY, ())
        return [Version(*row) for row in rows if _is_time(row[3])]

    async def read(self, versions: Iterable[Version]) -> dict[int, Listing]:
        """The listings of `versions`, by their ids."""
        rows = await self._rows(_READ, [json.dumps([version.id for version in versions])])
        found = {row[0]: listing for row, listing in zip(rows, await _decoded(rows), strict=True)}
        if damaged := [number for number, listing in found.items() if listing is None]:
            self._warn(damaged)
        return {number: listing for number, listing in found.items() if listing}

    async def _rows(self, query: str, values: Any) -> list[Any]:
        async def read(connection: aiosqlite.Connection) -> list[Any]:
            return list(await connection.execute_fetchall(query, values))

        return await self._database.read(read)

    def _warn(self, damaged: Sequence[int]) -> None:
        logger.warning("store %s: %d listings in it cannot be read; left out", self._database.path, len(damaged))


def steps(versions: Iterable[Version]) -> Iterator[tuple[Version | None, Version]]:
    """Each of `versions` (oldest first) that differs from the one before it, and that one; None: the first of a server.

    Before it is the last of the same identity: two configs that call different servers by one name take no turns.
    Where that is new, it is the last of the server: somebody changed how it is reached.
    """
    last: dict[tuple[str, ...], Version] = {}
    for version in versions:
        own, any_of_server = (version.server, version.identity), (version.server,)
        before = last.get(own) or last.get(any_of_server)
        if before is None or before.digest != version.digest:
            yield before, version
        last[own] = last[any_of_server] = version


async def _confirmed(found: Mapping[str, Any], connection: aiosqlite.Connection) -> bool:
    """Whether what was `found` is what is known; then that is as fresh as this."""
    async with connection.execute(_CONFIRM, found) as cursor:
        return cursor.rowcount > 0


async def _recorded(found: Mapping[str, Any], connection: aiosqlite.Connection) -> bool:
    """Take down a change; False if another process has done so, or only the identity is new."""
    if await _confirmed(found, connection):
        return False
    newest = list(await connection.execute_fetchall(_NEWEST, found))
    is_news = not newest or newest[0][0] != found["digest"]
    async with connection.execute(_ADD, found) as cursor:
        placed = {"version": cursor.lastrowid, "changed_at": found["at"] if is_news else newest[0][1]}
    for statement in (_POINT, *_PRUNE):
        await connection.execute(statement, {**found, **placed})
    return is_news


async def _forget(versions: Sequence[int], connection: aiosqlite.Connection) -> None:
    """Drop what cannot be read, so that the next listing is kept although it has the same digest."""
    await connection.executemany("DELETE FROM versions WHERE id = ?", [(version,) for version in versions])


async def _decoded(rows: Sequence[Any]) -> list[Listing | None]:
    """The listings in the last column of `rows`; None for what is none. In a thread, for they may be large."""
    return await to_thread.run_sync(lambda: [_readable(row[-1]) for row in rows])


def _readable(blob: Any) -> Listing | None:
    try:
        return decode(blob)
    except Unreadable as error:
        logger.debug("a saved listing cannot be read: %s", error)
        return None


def _pairs(wanted: Mapping[str, str]) -> list[str]:
    return [json.dumps(list(wanted.items()))]


def _is_time(value: Any) -> bool:
    """A damaged file may hold anything, even where a number was written."""
    return isinstance(value, float) and 0 <= value < _END_OF_TIME
