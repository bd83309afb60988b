"""The SQLite file: opened, shared with other gateways, migrated, and replaced when it is damaged."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiosqlite
import anyio

from magictunnel.errors import StoreError
from magictunnel.store.guard import Guard
from magictunnel.store.migrate import OURS, T, Work, in_transaction, migrate, own_scripts

PATIENCE = 3.0
"""Seconds to wait for another process that has the file locked."""
_GLANCE = 0.05
_ELSEWHERE = "name another file with `store` or $MAGICTUNNEL_STORE, or switch it off with `off`"
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

logger = logging.getLogger(__name__)


class Database:
    """One open file. Transactions take turns; a file that turns out damaged in one is replaced, and it is done again.

    Damage is what SQLite says is damage, when it first touches it: a file is not read through at each start, which
    would cost more the longer the history is, and all it could find beforehand is found in use, and mended, alike.
    """

    def __init__(self, guard: Guard, patience: float, scripts: Sequence[str]) -> None:
        self.path = guard.path
        self._guard = guard
        self._patience = patience
        self._scripts = scripts
        self._turn = anyio.Lock()
        self._connection: aiosqlite.Connection | None = None
        self._file = 0

    async def read(self, work: Work[T]) -> T:
        """What `work` reads, all of it as of one moment. Raises StoreError."""
        return await self._done("BEGIN", work)

    async def write(self, work: Work[T]) -> T:
        """Have `work` done as a whole, while no other process writes. Raises StoreError."""
        return await self._done("BEGIN IMMEDIATE", work)

    async def open(self) -> aiosqlite.Connection:
        """The connection, opened if it is not. Raises StoreError, sqlite3.Error, OSError."""
        until = anyio.current_time() + self._patience
        while self._connection is None:
            trouble: sqlite3.Error | None = None
            try:
                if self._guard.share():
                    self._file = self._guard.create()
                    self._connection = await _connected(self.path, self._patience, self._scripts)
            except sqlite3.Error as error:
                trouble = error
                if not await self._replaced(error) and not _is(error, _BUSY):
                    raise
            if self._connection is None:
                if anyio.current_time() >= until:
                    raise trouble or StoreError(str(self.path), "others are setting it aside", hint="try again")
                await anyio.sleep(_GLANCE)
        return self._connection

    async def close(self) -> None:
        """Close the file, whatever comes in between."""
        connection, self._connection = self._connection, None
        if connection:
            with anyio.CancelScope(shield=True), contextlib.suppress(sqlite3.Error):
                await connection.close()

    async def _done(self, begin: str, work: Work[T]) -> T:
        with _told(self.path):
            async with self._turn:
                try:
                    return await in_transaction(await self.open(), begin, work)
                except sqlite3.Error as error:
                    if not await self._replaced(error):
                        raise
                return await in_transaction(await self.open(), begin, work)

    async def _replaced(self, error: sqlite3.Error) -> bool:
        """Whether `error` is damage that a fresh file cures. The damaged one is set aside, unless others use it."""
        if not _is(error, _DAMAGE):
            return False
        await self.close()
        if moved := self._guard.set_aside(self._file):
            logger.warning("store %s is damaged (%s): it is set aside as %s, and begun anew", self.path, error, moved)
        return True


@asynccontextmanager
async def open_database(
    path: Path, *, patience: float = PATIENCE, scripts: Sequence[str] | None = None
) -> AsyncIterator[Database]:
    """The store at `path`, made if there is none (0600, in a folder of 0700), with the schema of `scripts` (ours).

    Raises:
        StoreError: the folder cannot be written to, another process keeps the file locked for `patience` seconds, or
            it is of a newer schema or of another program.
    """
    with _told(path):
        guard = Guard(path)
    database = Database(guard, patience, own_scripts() if scripts is None else scripts)
    try:
        with _told(path):
            await database.open()
        yield database
    finally:
        await database.close()
        guard.close()


async def _connected(path: Path, patience: float, scripts: Sequence[str]) -> aiosqlite.Connection:
    with anyio.CancelScope(shield=True):  # half of a connection could not be closed, and would hold up our end
        connection = await aiosqlite.connect(path, timeout=patience, isolation_level=None)
    try:
        connection.text_factory = lambda text: text.decode("utf-8", "replace")
        await _check(connection, path, len(scripts))
        await connection.execute_fetchall("PRAGMA journal_mode = WAL")
        await connection.execute_fetchall("PRAGMA synchronous = NORMAL")
        await migrate(connection, scripts)
    except BaseException:
        with anyio.CancelScope(shield=True), contextlib.suppress(sqlite3.Error):
            await connection.close()
        raise
    return connection


async def _check(connection: aiosqlite.Connection, path: Path, known: int) -> None:
    """That the file is empty or ours, before anything in it is touched. Raises StoreError."""
    ((version, owner, tables),) = await connection.execute_fetchall(
        "SELECT user_version, application_id, (SELECT count(*) FROM sqlite_master)"
        " FROM pragma_user_version, pragma_application_id"
    )
    if owner != OURS and (version or owner or tables):
        raise StoreError(str(path), "is a database of another program", hint=_ELSEWHERE)
    if version > known:
        cause = f"was written by a newer version (its schema is {version}, this one knows {known})"
        raise StoreError(str(path), cause, hint="upgrade this one, or " + _ELSEWHERE)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Errors of files and of SQLite as one of ours."""
    try:
        yield
    except OSError as error:
        raise StoreError(str(path), error.strerror or str(error), hint=_ELSEWHERE) from error
    except sqlite3.Error as error:
        raise _explained(path, error) from error


def _explained(path: Path, error: sqlite3.Error) -> StoreError:
    if _is(error, _BUSY):
        return StoreError(str(path), "another program keeps it locked", hint="end that one, or " + _ELSEWHERE)
    if _is(error, _DAMAGE):
        cause = f"is damaged ({error}), and others have it open, so it stays where it is"
        return StoreError(str(path), cause, hint="end all gateways that use it, or " + _ELSEWHERE)
    return StoreError(str(path), str(error), hint=_ELSEWHERE)


def _is(error: sqlite3.Error, codes: Sequence[int]) -> bool:
    """Whether it is one of the `codes`, in any of its extended forms."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in codes
