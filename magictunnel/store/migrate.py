"""Transactions, and the numbered scripts that bring a file to our schema."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import aiosqlite
import anyio

OURS = 0x4D54554E
"""`PRAGMA application_id` of our files ("MTUN")."""

T = TypeVar("T")
Work = Callable[[aiosqlite.Connection], Awaitable[T]]
"""What is done in one transaction. It may be done again, so it must change nothing else."""


async def in_transaction(connection: aiosqlite.Connection, begin: str, work: Work[T]) -> T:
    """`work` between `begin` and a commit; whatever it raises, and a cancellation, undo all of it."""
    try:
        await connection.execute(begin)
        done = await work(connection)
        await connection.execute("COMMIT")
    except BaseException:
        # A statement that was given up is still done, in its turn: whether there is a transaction shows only now.
        with anyio.CancelScope(shield=True), contextlib.suppress(sqlite3.Error):
            await connection.execute("ROLLBACK")
        raise
    return done


def own_scripts() -> tuple[str, ...]:
    """Our migrations; the first makes version 1 of an empty file, and so on."""
    folder = Path(__file__).with_name("migrations")
    return tuple(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.sql")))


async def migrate(connection: aiosqlite.Connection, scripts: Sequence[str]) -> None:
    """Run the scripts that the file has not had, each whole or not at all, and each once, whoever else is at it."""
    while (version := await _version(connection)) < len(scripts):
        await in_transaction(connection, "BEGIN IMMEDIATE", partial(_step, version, scripts[version]))


async def _step(version: int, script: str, connection: aiosqlite.Connection) -> None:
    if await _version(connection) == version:  # else another process did this one while we waited
        for statement in _statements(script):
            await connection.execute(statement)
        await connection.execute(f"PRAGMA application_id = {OURS}")
        await connection.execute(f"PRAGMA user_version = {version + 1}")


async def _version(connection: aiosqlite.Connection) -> int:
    ((version,),) = await connection.execute_fetchall("PRAGMA user_version")
    return int(version)


def _statements(script: str) -> Iterator[str]:
    """Each statement of a script; no two share a line. (The library's own way ends transactions.)"""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
