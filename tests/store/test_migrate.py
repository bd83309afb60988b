"""From any older schema to ours, each step whole and once."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from magictunnel.errors import StoreError
from magictunnel.store.database import open_database
from magictunnel.store.migrate import own_scripts

pytestmark = pytest.mark.anyio

FIRST = """
-- The first; its comment has a semicolon; and two.
CREATE TABLE a (x TEXT);
INSERT INTO a VALUES ('one; two');
"""
SECOND = """
CREATE TABLE b (x TEXT);
CREATE TRIGGER copies AFTER INSERT ON a BEGIN
    INSERT INTO b VALUES (new.x);
END;
INSERT INTO a VALUES ('three');
"""
BROKEN = "CREATE TABLE c (x);\nINSERT INTO nowhere VALUES (1);"


async def upgraded(path: Path, scripts: Sequence[str]) -> None:
    async with open_database(path, scripts=scripts):
        pass


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


@pytest.mark.parametrize("steps", [[(FIRST, SECOND)], [(FIRST,), (FIRST, SECOND)], [(FIRST, SECOND), (FIRST, SECOND)]])
async def test_from_nothing_or_an_older_version_it_ends_the_same(steps: list[tuple[str, ...]], tmp_path: Path) -> None:
    for scripts in steps:
        await upgraded(tmp_path / "s.db", scripts)

    assert rows(tmp_path / "s.db", "SELECT x FROM a") == [("one; two",), ("three",)]
    assert rows(tmp_path / "s.db", "SELECT x FROM b") == [("three",)]
    assert rows(tmp_path / "s.db", "PRAGMA user_version") == [(2,)]


async def test_an_empty_file_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / "s.db").touch()
    await upgraded(tmp_path / "s.db", (FIRST,))

    assert rows(tmp_path / "s.db", "SELECT x FROM a") == [("one; two",)]


async def test_a_step_that_fails_leaves_the_version_before_it(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nowhere"):
        await upgraded(tmp_path / "s.db", (FIRST, BROKEN, SECOND))

    assert rows(tmp_path / "s.db", "PRAGMA user_version") == [(1,)]
    assert rows(tmp_path / "s.db", "SELECT name FROM sqlite_master") == [("a",)]
    await upgraded(tmp_path / "s.db", (FIRST, SECOND))
    assert rows(tmp_path / "s.db", "SELECT x FROM b") == [("three",)]


async def test_many_who_migrate_at_once_do_it_once(tmp_path: Path) -> None:
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(upgraded, tmp_path / "s.db", (FIRST, SECOND))

    assert rows(tmp_path / "s.db", "SELECT x FROM a") == [("one; two",), ("three",)]


async def test_our_own_steps_are_numbered_without_gaps_and_run(tmp_path: Path) -> None:
    async with open_database(tmp_path / "s.db"):
        pass

    assert rows(tmp_path / "s.db", "PRAGMA user_version") == [(len(own_scripts()),)]
    assert rows(tmp_path / "s.db", "PRAGMA application_id") == [(int.from_bytes(b"MTUN", "big"),)]


def test_they_are_numbered_without_gaps() -> None:
    folder = Path(__file__).parents[2] / "magictunnel/store/migrations"
    names = sorted(path.name for path in folder.iterdir())

    assert all(re.fullmatch(r"\d{4}_\w+\.sql", name) for name in names)
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
