"""What servers offered last time, remembered beside whatever else goes on; or nothing, and no harm done."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from magictunnel.catalog.digest import digest
from magictunnel.catalog.model import Kind, Listing
from magictunnel.store.database import open_database
from magictunnel.store.listings import Listings
from magictunnel.store.memory import Memory

pytestmark = pytest.mark.anyio


def offering(*names: str) -> Listing:
    return Listing({Kind.TOOL: tuple({"name": name} for name in names)}, {"tools": {}}, "be kind")


A, B, C = offering("a"), offering("b"), offering("c")


@asynccontextmanager
async def running(path: Path | None) -> AsyncIterator[Memory]:
    """A memory whose store is open while the block lasts, if it can be opened."""
    memory = Memory(path)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(memory.run)
            await memory.load({})
            yield memory
            tasks.cancel_scope.cancel()


async def remembered(path: Path, **wanted: str) -> dict[str, str]:
    """What a later run knows: the digests by name."""
    async with running(path) as memory:
        return {name: digest(listing) for name, listing in (await memory.load(wanted)).items()}


# --- remembering


async def test_what_is_noted_in_one_run_is_known_in_the_next(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with running(path) as memory:
        assert await memory.load({"a": "i", "b": "j"}) == {}
        memory.note("a", "i", A)
        memory.note("b", "j", B)

    async with running(path) as memory:
        (known,) = (await memory.load({"a": "i"})).values()
        assert (known.entries[Kind.TOOL], known.capabilities, known.instructions) == (
            ({"name": "a"},),
            {"tools": {}},
            "be kind",
        )
    assert await remembered(path, a="i", b="j") == {"a": digest(A), "b": digest(B)}


async def test_a_server_that_is_reached_in_another_way_is_another_one(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with running(path) as memory:
        memory.note("a", "i", A)

    assert await remembered(path, a="other", c="i") == {}


async def test_of_several_notes_of_one_server_the_last_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with running(path) as memory:
        for listing in (A, B, A, C):
            memory.note("a", "i", listing)
            await anyio.sleep(0.002)

    assert await remembered(path, a="i") == {"a": digest(C)}


async def test_what_is_noted_while_an_earlier_note_is_written_is_written_after_it(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with running(path) as memory:
        memory.note("a", "i", A)
        for _ in range(5):
            await anyio.lowlevel.checkpoint()  # in a thread by now
        memory.note("a", "i", C)
        while memory._news:
            await anyio.sleep(0.002)

    assert await remembered(path, a="i") == {"a": digest(C)}


async def test_what_is_noted_before_the_store_is_open_is_written_too(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    memory = Memory(path)
    memory.note("a", "i", A)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(memory.run)
            await memory.load({})
            tasks.cancel_scope.cancel()

    assert await remembered(path, a="i") == {"a": digest(A)}


async def test_what_is_noted_just_before_the_end_is_written(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with running(path) as memory:
        for at in range(20):
            memory.note(f"s{at}", "i", A)

    assert await remembered(path, **{f"s{at}": "i" for at in range(20)}) == {f"s{at}": digest(A) for at in range(20)}


async def test_what_is_noted_is_written_while_it_runs_and_when_it_was_noted(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with running(path) as memory:
        before = time.time()
        memory.note("a", "i", A)
        noted = time.time()
        async with open_database(path) as database:
            while not (fresh := await Listings(database).freshness({"a": "i"})):
                await anyio.sleep(0.005)

    assert before <= fresh["a"].listed_at <= noted


async def test_a_server_that_offers_something_else_than_before_is_told_of_and_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "s.db"
    caplog.set_level(logging.INFO, "magictunnel.store.memory")
    async with running(path) as memory:
        memory.note("same", "i", A)
        memory.note("other", "i", A)
    assert caplog.messages == []

    async with running(path) as memory:
        await memory.load({"same": "i", "other": "i", "new": "i"})
        for name, listing in (("same", A), ("other", B), ("new", C)):
            memory.note(name, "i", listing)

    assert caplog.messages == ["other: it offers something else than before (magictunnel diff other)"]


# --- not remembering


async def test_without_a_store_nothing_is_kept_and_nothing_told(caplog: pytest.LogCaptureFixture) -> None:
    async with running(None) as memory:
        memory.note("a", "i", A)
        assert await memory.load({"a": "i"}) == {}

    assert caplog.records == []


@pytest.mark.parametrize("what", ["no folder", "of another program", "locked away"])
async def test_a_store_that_cannot_be_used_is_told_of_once_and_nothing_else_happens(
    what: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "s.db"
    if what == "no folder":
        (tmp_path / "file").write_text("")
        path = tmp_path / "file" / "s.db"
    elif what == "of another program":
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE mine (text TEXT)")
        connection.execute("PRAGMA user_version = 9999")
        connection.commit()
        connection.close()
    else:
        path.mkdir()

    async with running(path) as memory:
        assert await memory.load({"a": "i"}) == {}
        memory.note("a", "i", A)
        await anyio.wait_all_tasks_blocked()
        assert await memory.load({"a": "i"}) == {}

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(f"what servers offer is not remembered: store {path}: ")
    assert "\n" not in record.getMessage()


async def test_what_cannot_be_kept_is_told_of_and_the_rest_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "s.db"
    async with running(path) as memory:
        memory.note("bad", "i", Listing(capabilities={"x": 10**5_000}))
        memory.note("good", "i", A)

    (message,) = caplog.messages
    assert "what 'bad' offers cannot be kept" in message
    assert await remembered(path, bad="i", good="i") == {"good": digest(A)}


async def test_a_store_that_is_spoilt_under_us_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "s.db"
    async with running(path) as memory:
        connection = sqlite3.connect(path)
        connection.execute("DROP TABLE listings")
        connection.commit()
        connection.close()
        memory.note("a", "i", A)
        while not caplog.records:
            await anyio.sleep(0.005)
        assert await memory.load({"a": "i"}) == {}

    assert all(message.startswith("what servers offer is not remembered: ") for message in caplog.messages)
