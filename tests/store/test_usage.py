"""Counts of tools, kept for all gateways that share a file."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiosqlite
import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.errors import StoreError
from magictunnel.store import usage
from magictunnel.store.database import Database, open_database
from magictunnel.store.usage import KEPT, UNUSED, Counters, Counts, Key
from tests.store.processes import ended, process

pytestmark = pytest.mark.anyio

NOW = 1_700_000_000.0


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(tmp_path / "s.db") as database:
        yield database


@pytest.fixture
def counters(database: Database) -> Counters:
    return Counters(database)


async def change(database: Database, statement: str, *values: Any) -> None:
    """Do to the file what nobody should."""

    async def work(connection: aiosqlite.Connection) -> None:
        await connection.execute(statement, values)

    await database.write(work)


# --- add, read


async def test_at_first_there_is_nothing(counters: Counters) -> None:
    assert await counters.read() == {}


async def test_what_is_added_adds_up_tool_by_tool(counters: Counters) -> None:
    await counters.add({("s", "a"): Counts(1, 2, 3, 4, 5, NOW), ("s", "b"): Counts(found=1, last=NOW - 5)}, NOW)
    await counters.add({("s", "a"): Counts(10, 20, 30, 40, 50, NOW + 1), ("t", "a"): Counts(failed=1, last=NOW)}, NOW)

    assert await counters.read() == {
        ("s", "a"): Counts(11, 22, 33, 44, 55, NOW + 1),
        ("s", "b"): Counts(found=1, last=NOW - 5),
        ("t", "a"): Counts(failed=1, last=NOW),
    }


async def test_a_gateway_that_is_late_does_not_turn_back_the_time(counters: Counters) -> None:
    await counters.add({("s", "a"): Counts(found=1, last=NOW)}, NOW)
    await counters.add({("s", "a"): Counts(found=1, last=NOW - 60)}, NOW)

    assert await counters.read() == {("s", "a"): Counts(found=2, last=NOW)}


async def test_what_was_used_last_is_read_last(counters: Counters) -> None:
    await counters.add({("s", name): Counts(found=1, last=NOW - at) for at, name in enumerate("abc")}, NOW)

    assert [tool for _, tool in await counters.read()] == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("", ""),
        ('it\'s "quoted"; DROP TABLE usage; --', None),
        ("名\n\0\t😀", None),
        ("half \ud83d of a pair", "half \\ud83d of a pair"),
        ("x" * 100_000, None),
    ],
)
async def test_a_name_may_be_anything(name: str, kept: str | None, counters: Counters) -> None:
    for _ in range(2):
        await counters.add({(name, name): Counts(found=1, last=NOW)}, NOW)

    expected = name if kept is None else kept
    assert await counters.read() == {(expected, expected): Counts(found=2, last=NOW)}


COUNTS = st.builds(
    Counts, *[st.integers(0, 10**6)] * 5, st.floats(0, NOW, allow_nan=False, allow_infinity=False, width=32)
)


@given(st.lists(COUNTS), st.integers(0, 10))
def test_in_whatever_parts_counts_are_added_the_sum_is_the_same(counts: list[Counts], at: int) -> None:
    def total(parts: list[Counts]) -> Counts:
        found = Counts()
        for part in parts:
            found.add(part)
        return found

    assert total([total(counts[at:]), total(counts[:at])]) == total(counts)


# --- what is dropped


async def test_what_was_not_used_for_a_year_is_dropped(counters: Counters) -> None:
    await counters.add({("s", "old"): Counts(found=9, last=NOW - UNUSED), ("s", "new"): Counts(1, last=NOW)}, NOW)
    assert len(await counters.read()) == 2

    await counters.add({("s", "new"): Counts(1, last=NOW + 1)}, NOW + 1)

    assert list(await counters.read()) == [("s", "new")]


async def test_of_very_many_tools_those_that_were_used_last_are_kept(counters: Counters) -> None:
    many: dict[Key, Counts] = {("s", f"t{at}"): Counts(found=1, last=NOW + at) for at in range(KEPT)}
    await counters.add(many, NOW)
    await counters.add({("t", "a"): Counts(found=1, last=NOW + KEPT), ("s", "t1"): Counts(last=NOW + KEPT)}, NOW)

    kept = await counters.read()

    assert len(kept) == KEPT
    assert many.keys() - kept.keys() == {("s", "t0")}


# --- damage


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("found", "many"),
        ("chosen", b"junk"),
        ("failed", -1),
        ("called", 1e300),
        ("shown", 1.5),
        ("last", "today"),
        ("last", -1.0),
        ("last", float("inf")),
        ("tool", b"\xff"),
        ("server", b""),
    ],
)
async def test_a_row_that_cannot_be_read_is_dropped_with_a_warning(
    column: str, value: Any, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    counters = Counters(database)
    await counters.add({("s", "bad"): Counts(found=7, last=NOW), ("s", "good"): Counts(1, last=NOW)}, NOW)
    await change(database, f"UPDATE usage SET {column} = ? WHERE tool = 'bad'", value)

    assert list(await counters.read()) == [("s", "good")]
    (record,) = [record for record in caplog.records if record.name.startswith("magictunnel")]
    assert (record.levelno, "1 counts in it cannot be read" in record.getMessage()) == (logging.WARNING, True)

    await counters.add({("s", "bad"): Counts(found=1, last=NOW)}, NOW)
    assert (await counters.read())["s", "bad"] == Counts(found=1, last=NOW)


async def test_halves_of_letters_are_read_as_something(database: Database) -> None:
    counters = Counters(database)
    await counters.add({("s", "bad"): Counts(found=7, last=NOW)}, NOW)
    await change(database, "UPDATE usage SET tool = CAST(? AS TEXT)", b"\xff\xfe")

    assert list(await counters.read()) == [("s", "\ufffd\ufffd")]


async def test_a_store_without_the_table_is_said(database: Database, counters: Counters) -> None:
    await change(database, "DROP TABLE usage")

    with pytest.raises(StoreError, match="no such table: usage"):
        await counters.read()
    with pytest.raises(StoreError, match="no such table: usage"):
        await counters.add({("s", "a"): Counts(found=1)}, NOW)


async def test_all_of_it_is_added_or_nothing(counters: Counters, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "_PRUNE", ("DELETE FROM nowhere",))

    with pytest.raises(StoreError, match="nowhere"):
        await counters.add({("s", "a"): Counts(found=1, last=NOW)}, NOW)

    assert await counters.read() == {}


# --- at once


async def test_many_add_at_once(counters: Counters) -> None:
    async with anyio.create_task_group() as tasks:
        for at in range(40):
            tasks.start_soon(counters.add, {("s", f"t{at % 4}"): Counts(called=1, last=NOW)}, NOW)

    assert await counters.read() == {("s", f"t{at}"): Counts(called=10, last=NOW) for at in range(4)}


async def add_often(path: Path, name: str, ready: Callable[[], None]) -> None:
    async with open_database(path, patience=20) as database:
        ready()
        for at in range(30):
            news = {("s", "shared"): Counts(found=1, last=NOW + at), ("s", name): Counts(called=1, last=NOW)}
            await Counters(database).add(news, NOW)


async def test_gateways_that_count_at_once_lose_nothing(tmp_path: Path) -> None:
    with ExitStack() as stack:
        names = ["one", "two", "three"]
        all_of_them = [
            stack.enter_context(process("test_usage", "add_often", tmp_path / "s.db", name)) for name in names
        ]
        assert await ended(all_of_them) == [0] * 3

    async with open_database(tmp_path / "s.db") as database:
        kept = await Counters(database).read()
    assert kept.pop(("s", "shared")) == Counts(found=90, last=NOW + 29)
    assert kept == {("s", name): Counts(called=30, last=NOW) for name in names}


async def test_there_is_no_place_for_what_anybody_asked(database: Database) -> None:
    connection = sqlite3.connect(database.path)
    try:
        columns = [name for (name,) in connection.execute("SELECT name FROM pragma_table_info('usage')")]
    finally:
        connection.close()

    assert columns == ["server", "tool", "found", "shown", "chosen", "called", "failed", "last"]
