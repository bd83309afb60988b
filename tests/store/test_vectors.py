"""Vectors, kept by model and text, and dropped when nobody wants them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from magictunnel.errors import StoreError
from magictunnel.store import vectors as module
from magictunnel.store.database import Database, open_database
from magictunnel.store.vectors import LARGEST, UNUSED, SavedVectors

pytestmark = pytest.mark.anyio

DAY = 86_400.0
NOW = 1_000 * DAY


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(tmp_path / "s.db") as database:
        yield database


@pytest.fixture
def saved(database: Database) -> SavedVectors:
    return SavedVectors(database)


async def rows(database: Database, query: str = "SELECT digest, used_at FROM vectors ORDER BY digest") -> list[Any]:
    async def read(connection: aiosqlite.Connection) -> list[Any]:
        return [tuple(row) for row in await connection.execute_fetchall(query)]

    return await database.read(read)


async def test_what_was_saved_is_loaded(saved: SavedVectors) -> None:
    await saved.save("m", {"a": b"1", "b": b"2"}, NOW)

    assert await saved.load("m", ["a", "b", "c"]) == {"a": b"1", "b": b"2"}
    assert await saved.load("m", []) == {}


async def test_each_model_has_its_own(saved: SavedVectors) -> None:
    await saved.save("m", {"a": b"1"}, NOW)
    await saved.save("n", {"a": b"2"}, NOW)

    assert await saved.load("m", ["a"]) == {"a": b"1"}
    assert await saved.load("n", ["a"]) == {"a": b"2"}
    assert await saved.load("o", ["a"]) == {}


async def test_what_is_saved_again_is_replaced(saved: SavedVectors) -> None:
    await saved.save("m", {"a": b"1"}, NOW)
    await saved.save("m", {"a": b"2"}, NOW)

    assert await saved.load("m", ["a"]) == {"a": b"2"}


async def test_many_are_loaded_and_saved(saved: SavedVectors) -> None:
    many = {f"{number:05}": b"%d" % number for number in range(2_500)}
    await saved.save("m", many, NOW)

    assert await saved.load("m", list(many)) == many


async def test_they_are_there_after_a_restart(tmp_path: Path) -> None:
    async with open_database(tmp_path / "s.db") as database:
        await SavedVectors(database).save("m", {"a": b"1"}, NOW)
    async with open_database(tmp_path / "s.db") as database:
        assert await SavedVectors(database).load("m", ["a"]) == {"a": b"1"}


async def test_what_is_too_large_is_not_kept(saved: SavedVectors) -> None:
    await saved.save("m", {"a": b"x" * (LARGEST + 1), "b": b"1"}, NOW)

    assert await saved.load("m", ["a", "b"]) == {"b": b"1"}


async def test_when_it_was_wanted_is_noted_once_a_day(saved: SavedVectors, database: Database) -> None:
    await saved.save("m", {"a": b"1", "b": b"1", "c": b"1"}, NOW)
    await saved.mark("m", ["a"], NOW + DAY / 2)
    await saved.mark("m", ["b"], NOW + DAY)

    assert await rows(database) == [("a", NOW), ("b", NOW + DAY), ("c", NOW)]


async def test_a_clock_that_was_wrong_once_keeps_nothing_for_ever(saved: SavedVectors, database: Database) -> None:
    await saved.save("m", {"a": b"1"}, NOW * 2)
    await saved.mark("m", ["a"], NOW)

    assert await rows(database) == [("a", NOW)]


async def test_what_nobody_wants_for_long_is_dropped_whatever_its_model(
    saved: SavedVectors, database: Database
) -> None:
    await saved.save("m", {"a": b"1", "b": b"1"}, NOW)
    await saved.save("old model", {"c": b"1"}, NOW)
    await saved.mark("m", ["a"], NOW + UNUSED + 1)

    assert [digest for digest, _ in await rows(database)] == ["a"]


async def test_of_too_many_those_go_that_were_not_wanted_for_longest(
    saved: SavedVectors, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT", 2)
    for at, digest in enumerate("cab"):
        await saved.save("m", {digest: b"1"}, NOW + at)
    await saved.mark("m", [], NOW + 5)

    assert [digest for digest, _ in await rows(database)] == ["a", "b"]


async def test_what_somebody_else_wrote_into_the_file_is_left_out(saved: SavedVectors, database: Database) -> None:
    async def damage(connection: aiosqlite.Connection) -> None:
        for digest, value in (("a", "text"), ("b", 7), ("c", b"x" * (LARGEST + 1)), ("d", b"1")):
            await connection.execute("INSERT INTO vectors VALUES ('m', ?, ?, 'never')", (digest, value))

    await database.write(damage)
    await saved.mark("m", ["a", "d"], NOW)

    assert await saved.load("m", ["a", "b", "c", "d"]) == {"d": b"1"}


async def test_a_store_that_cannot_be_used_is_told(database: Database, saved: SavedVectors) -> None:
    async def drop(connection: aiosqlite.Connection) -> None:
        await connection.execute("DROP TABLE vectors")

    await database.write(drop)

    for work in (saved.load("m", ["a"]), saved.save("m", {"a": b"1"}, NOW), saved.mark("m", ["a"], NOW)):
        with pytest.raises(StoreError):
            await work
