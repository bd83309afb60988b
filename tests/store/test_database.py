"""The store's file: made, shared, found damaged, refused. Real files, real processes."""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import aiosqlite
import anyio
import pytest

from magictunnel.errors import StoreError
from magictunnel.store.database import open_database
from tests.store.processes import ended, process

pytestmark = pytest.mark.anyio

SCRIPTS = ("CREATE TABLE notes (text TEXT);\n",)


async def note(text: str, connection: aiosqlite.Connection) -> None:
    await connection.execute("INSERT INTO notes VALUES (?)", [text])


async def notes(connection: aiosqlite.Connection) -> list[str]:
    return [text for (text,) in await connection.execute_fetchall("SELECT text FROM notes ORDER BY rowid")]


async def kept(path: Path) -> list[str]:
    async with open_database(path, scripts=SCRIPTS) as database:
        return await database.read(notes)


async def keep(path: Path, *texts: str) -> None:
    async with open_database(path, scripts=SCRIPTS) as database:
        for text in texts:
            await database.write(partial(note, text))


def aside(folder: Path) -> list[Path]:
    """The files that were set aside."""
    return [path for path in folder.glob("s.db.corrupt-*") if path.name.endswith("Z")]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def refusal(path: Path, **options: float) -> StoreError:
    with pytest.raises(StoreError) as caught:
        async with open_database(path, scripts=SCRIPTS, **options):  # type: ignore[arg-type]
            pass
    assert str(caught.value).startswith(f"store {path}: ")
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    return caught.value


# --- made and used


async def test_a_store_is_made_where_there_is_none_for_its_owners_eyes_only(tmp_path: Path) -> None:
    path = tmp_path / "state" / "magictunnel" / "store.db"
    async with open_database(path, scripts=SCRIPTS) as database:
        await database.write(partial(note, "x"))

        assert mode(path.parent) == 0o700
        assert {file.name for file in path.parent.iterdir()} >= {"store.db", "store.db-wal", "store.db-shm"}
        assert {mode(file) for file in path.parent.iterdir()} == {0o600}


async def test_what_was_written_is_there_the_next_time(tmp_path: Path) -> None:
    await keep(tmp_path / "s.db", "one", "two")

    assert await kept(tmp_path / "s.db") == ["one", "two"]


async def test_it_is_shared_by_a_write_ahead_log_and_waits_for_others(tmp_path: Path) -> None:
    async with open_database(tmp_path / "s.db", scripts=SCRIPTS, patience=2.5) as database:
        values = [
            (await database.read(lambda at, key=key: at.execute_fetchall(f"PRAGMA {key}")))[0][0]
            for key in ("journal_mode", "synchronous", "busy_timeout")
        ]

    assert values == ["wal", 1, 2_500]


async def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    async def fails(connection: aiosqlite.Connection) -> None:
        await note("half", connection)
        raise LookupError

    async with open_database(tmp_path / "s.db", scripts=SCRIPTS) as database:
        with pytest.raises(LookupError):
            await database.write(fails)
        await database.write(partial(note, "whole"))

        assert await database.read(notes) == ["whole"]


async def test_a_transaction_that_is_given_up_leaves_nothing_and_holds_up_nobody(tmp_path: Path) -> None:
    begun = anyio.Event()

    async def hangs(connection: aiosqlite.Connection) -> None:
        await note("half", connection)
        begun.set()
        await anyio.sleep_forever()

    async with open_database(tmp_path / "s.db", scripts=SCRIPTS) as database, anyio.create_task_group() as tasks:
        tasks.start_soon(database.write, hangs)
        await begun.wait()
        tasks.cancel_scope.cancel()
    await keep(tmp_path / "s.db", "whole")

    assert await kept(tmp_path / "s.db") == ["whole"]


async def test_cancelled_at_any_moment_it_stays_usable(tmp_path: Path) -> None:
    """Statements that were given up still run, in the thread that has the file: begin and commit, too."""
    async with open_database(tmp_path / "s.db", scripts=SCRIPTS) as database:
        for turns in range(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(database.write, partial(note, str(turns)))
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
        await database.write(partial(note, "last"))

        assert (await database.read(notes))[-1] == "last"


async def test_many_tasks_take_turns(tmp_path: Path) -> None:
    async with open_database(tmp_path / "s.db", scripts=SCRIPTS) as database:
        async with anyio.create_task_group() as tasks:
            for at in range(50):
                tasks.start_soon(database.write, partial(note, str(at)))

        assert sorted(map(int, await database.read(notes))) == list(range(50))


# --- with other processes


async def write_much(path: Path, name: str, ready: Callable[[], None]) -> None:
    async with open_database(path, scripts=SCRIPTS, patience=20) as database:
        ready()
        for at in range(100):
            await database.write(partial(note, f"{name} {at}"))


async def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with ExitStack() as stack:
        writers = [stack.enter_context(process("test_database", "write_much", path, name)) for name in "abc"]
        assert await ended(writers) == [0] * 3

    assert sorted(await kept(path)) == sorted(f"{name} {at}" for name in "abc" for at in range(100))


async def test_what_another_process_keeps_locked_is_refused_in_time(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    await keep(path, "x")
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        async with open_database(path, scripts=SCRIPTS, patience=0.2) as database:
            assert await database.read(notes) == ["x"]  # who writes holds up only who writes
            with pytest.raises(StoreError, match="another program keeps it locked"), anyio.fail_after(5):
                await database.write(partial(note, "y"))
        other.execute("COMMIT")
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")

        with anyio.fail_after(5):
            assert (await refusal(path, patience=0.2)).cause == "another program keeps it locked"
    finally:
        other.close()


# --- damaged


def junk(path: Path) -> None:
    path.write_bytes(b"this is not a database " * 500)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5_000])


def bad_schema(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[100:1_000] = bytes(900)
    path.write_bytes(data)


def bad_page(path: Path) -> None:
    """What only shows when the table is read."""
    data = bytearray(path.read_bytes())
    data[4_096:8_192] = os.urandom(4_096)
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [junk, cut_off, bad_schema, bad_page])
async def test_a_damaged_file_is_set_aside_and_a_fresh_one_used(
    damage: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "s.db"
    await keep(path, *("x" * 500 for _ in range(50)))
    damage(path)
    damaged = path.read_bytes()

    assert await kept(path) == []
    await keep(path, "new")

    assert await kept(path) == ["new"]
    (moved,) = aside(tmp_path)
    assert moved.read_bytes() == damaged
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert line.startswith(f"store {path} is damaged (")
    assert line.endswith(f"it is set aside as {moved}, and begun anew")


async def test_a_file_that_is_damaged_while_it_is_open_is_replaced_and_the_write_done(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    await keep(path, *("x" * 500 for _ in range(50)))
    async with open_database(path, scripts=SCRIPTS) as database:
        bad_page(path)
        await database.write(partial(note, "after"))
        found = await database.read(notes)

    assert found[-1:] == ["after"]
    assert len(aside(tmp_path)) <= 1


async def keep_open(path: Path, _name: str, ready: Callable[[], None]) -> None:
    async with open_database(path, scripts=SCRIPTS):
        await anyio.to_thread.run_sync(ready)


async def test_a_damaged_file_that_others_have_open_stays_until_they_are_gone(tmp_path: Path) -> None:
    """At its end, their SQLite would delete the write-ahead log of the file that took its place."""
    path = tmp_path / "s.db"
    await keep(path, "x")
    with process("test_database", "keep_open", path) as other:
        junk(path)
        error = await refusal(path, patience=0.3)
        assert "is damaged" in error.cause
        assert not aside(tmp_path)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(keep, path, "new")  # finds them gone while it waits
            assert await ended([other]) == [0]

    assert await kept(path) == ["new"]


async def find_damage(path: Path, name: str, ready: Callable[[], None]) -> None:
    ready()
    async with open_database(path, scripts=SCRIPTS, patience=20) as database:
        await database.write(partial(note, name))


async def test_processes_that_find_the_damage_at_once_set_it_aside_once(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    await keep(path, "x")
    junk(path)
    with ExitStack() as stack:
        finders = [stack.enter_context(process("test_database", "find_damage", path, name)) for name in "abcd"]
        assert await ended(finders) == [0] * 4

    assert sorted(await kept(path)) == list("abcd")
    assert len(aside(tmp_path)) == 1


# --- refused


async def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with open_database(path, scripts=(*SCRIPTS, "CREATE TABLE more (x);")):
        pass
    before = path.read_bytes()

    error = await refusal(path)

    assert error.cause == "was written by a newer version (its schema is 2, this one knows 1)"
    assert path.read_bytes() == before


async def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (x)")
    other.commit()
    other.close()
    before = path.read_bytes()

    assert (await refusal(path)).cause == "is a database of another program"
    assert path.read_bytes() == before


async def test_where_no_folder_can_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    assert (await refusal(tmp_path / "file" / "s.db")).cause


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
async def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o500)
    try:
        assert (await refusal(tmp_path / "s.db")).cause == "Permission denied"
    finally:
        os.chmod(tmp_path, 0o700)


async def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.db").mkdir()

    assert (await refusal(tmp_path / "s.db")).cause


async def test_what_sqlite_cannot_do_later_is_told_as_ours(tmp_path: Path) -> None:
    async def too_much(connection: aiosqlite.Connection) -> None:
        await connection.execute("PRAGMA max_page_count = 1")
        await connection.execute("CREATE TABLE x AS SELECT randomblob(100000)")

    async with open_database(tmp_path / "s.db", scripts=SCRIPTS) as database:
        with pytest.raises(StoreError, match="full"):
            await database.write(too_much)
