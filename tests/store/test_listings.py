"""What servers offered, kept and found again."""

from __future__ import annotations

import itertools
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiosqlite
import anyio
import pytest

from magictunnel.catalog.digest import digest
from magictunnel.catalog.model import Kind, Listing
from magictunnel.errors import StoreError
from magictunnel.store import codec
from magictunnel.store.database import Database, open_database
from magictunnel.store.listings import KEPT, Freshness, Listings, Saved, Version, steps
from tests.store.processes import ended, process

pytestmark = pytest.mark.anyio


def offering(*names: str, instructions: str = "") -> Listing:
    return Listing({Kind.TOOL: tuple({"name": name} for name in names)}, {"tools": {}}, instructions)


A, B, C = offering("a"), offering("b"), offering("c")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(tmp_path / "s.db") as database:
        yield database


@pytest.fixture
def listings(database: Database) -> Listings:
    return Listings(database)


async def change(database: Database, statement: str, *values: Any) -> None:
    """Do to the file what nobody should."""

    async def work(connection: aiosqlite.Connection) -> None:
        await connection.execute(statement, values)

    await database.write(work)


# --- load, save


async def test_what_was_saved_is_loaded(listings: Listings) -> None:
    assert await listings.save("s", "i", A, 10.0)

    assert await listings.load({"s": "i"}) == {"s": Saved(10.0, 10.0, A)}


async def test_only_what_is_wanted_is_loaded(listings: Listings) -> None:
    for server, identity in [("s", "i"), ("s", "j"), ("t", "i"), ('"ü', "'i\n")]:
        await listings.save(server, identity, offering(server + identity), 10.0)

    found = await listings.load({"s": "j", '"ü': "'i\n", "t": "other", "nobody": "i"})

    assert {server: saved.listing for server, saved in found.items()} == {
        "s": offering("sj"),
        '"ü': offering("\"ü'i\n"),
    }
    assert await listings.load({}) == {}


async def test_many_can_be_wanted_at_once(listings: Listings) -> None:
    await listings.save("s7", "i", A, 1.0)

    assert list(await listings.load({f"s{at}": "i" for at in range(2_000)})) == ["s7"]


async def test_the_same_again_is_only_fresher(listings: Listings) -> None:
    listing = offering("a", "b")
    await listings.save("s", "i", listing, 10.0)

    assert not await listings.save("s", "i", offering("b", "a"), 20.0)

    assert await listings.load({"s": "i"}) == {"s": Saved(20.0, 10.0, listing)}
    assert len(await listings.history()) == 1


async def test_something_else_is_a_change(listings: Listings) -> None:
    await listings.save("s", "i", A, 10.0)

    assert await listings.save("s", "i", B, 20.0)

    assert await listings.load({"s": "i"}) == {"s": Saved(20.0, 20.0, B)}
    assert [(version.at, version.digest) for version in await listings.history()] == [
        (10.0, digest(A)),
        (20.0, digest(B)),
    ]


async def test_what_returns_is_a_change_too(listings: Listings) -> None:
    assert [await listings.save("s", "i", listing, 1.0) for listing in (A, B, A, A)] == [True, True, True, False]
    assert len(await listings.history()) == 3


async def test_another_way_to_reach_a_server_is_another_listing(listings: Listings) -> None:
    await listings.save("s", "i", A, 10.0)

    assert await listings.save("s", "j", B, 20.0)
    assert not await listings.save("s", "i", A, 30.0)

    assert await listings.load({"s": "i"}) == {"s": Saved(30.0, 10.0, A)}
    assert await listings.load({"s": "j"}) == {"s": Saved(20.0, 20.0, B)}


async def test_another_way_to_what_was_offered_all_along_is_no_change(listings: Listings) -> None:
    await listings.save("s", "i", A, 10.0)

    assert not await listings.save("s", "j", A, 20.0)

    assert await listings.load({"s": "j"}) == {"s": Saved(20.0, 10.0, A)}
    assert list(steps(await listings.history())) == [(None, (await listings.history())[0])]


async def test_freshness_is_told_without_reading_the_listings(listings: Listings) -> None:
    await listings.save("s", "i", A, 10.0)
    await listings.save("s", "i", A, 20.0)
    await listings.save("t", "i", B, 30.0)

    assert await listings.freshness({"s": "i", "t": "i", "u": "i"}) == {
        "s": Freshness(20.0, 10.0),
        "t": Freshness(30.0, 30.0),
    }


async def test_times_may_be_whole_numbers(listings: Listings) -> None:
    await listings.save("s", "i", A, 10)

    assert await listings.freshness({"s": "i"}) == {"s": Freshness(10.0, 10.0)}


# --- history


async def test_history_is_oldest_first_and_its_listings_are_read_by_version(listings: Listings) -> None:
    for at, (server, listing) in enumerate([("s", A), ("t", B), ("s", C)]):
        await listings.save(server, "i", listing, float(at))

    history = await listings.history()
    found = await listings.read(history)

    assert [(version.server, found[version.id]) for version in history] == [("s", A), ("t", B), ("s", C)]
    assert await listings.read(history[1:2]) == {history[1].id: B}
    assert await listings.read([]) == {}


async def test_of_each_server_the_newest_changes_are_kept(listings: Listings) -> None:
    await listings.save("other", "i", A, 0.0)
    for at in range(KEPT + 5):
        await listings.save("s", "i", offering(str(at)), float(at))

    history = await listings.history()

    assert [version.at for version in history if version.server == "s"] == [float(at) for at in range(5, KEPT + 5)]
    assert history[0].server == "other"


async def test_what_is_offered_in_another_way_outlives_its_place_in_the_history(listings: Listings) -> None:
    await listings.save("s", "quiet", A, 0.0)
    for at in range(KEPT + 5):
        await listings.save("s", "busy", offering(str(at)), float(at))

    assert (await listings.load({"s": "quiet"}))["s"].listing == A


async def test_of_many_ways_to_reach_a_server_the_newest_are_kept(listings: Listings) -> None:
    for at in range(KEPT + 5):
        await listings.save("s", str(at), A, float(at))

    assert not await listings.load({"s": "4"})
    assert await listings.load({"s": "5"})
    assert len(await listings.history()) == KEPT


def version(number: int, identity: str, listing: str, server: str = "s") -> Version:
    return Version(number, server, identity, float(number), listing)


def test_a_step_is_a_version_and_the_one_before_it() -> None:
    one, two, other = version(1, "i", "A"), version(2, "i", "B"), version(3, "i", "A", "t")

    assert list(steps([one, two, other])) == [(None, one), (one, two), (None, other)]


def test_versions_of_the_same_are_no_step() -> None:
    assert list(steps([one := version(1, "i", "A"), version(2, "j", "A")])) == [(None, one)]


def test_two_configs_that_call_different_servers_by_one_name_take_no_turns() -> None:
    mine, theirs = version(1, "mine", "A"), version(2, "theirs", "B")
    mine_later, theirs_later = version(3, "mine", "A2"), version(4, "theirs", "B2")

    assert list(steps([mine, theirs, mine_later, theirs_later])) == [
        (None, mine),
        (mine, theirs),
        (mine, mine_later),
        (theirs, theirs_later),
    ]


# --- damage


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("UPDATE versions SET listing = ? WHERE server = 's'", b"junk"),
        ("UPDATE versions SET listing = ? WHERE server = 's'", None),
        ("UPDATE versions SET listing = CAST(? AS TEXT) WHERE server = 's'", b"\xff\xfe"),
        ("UPDATE listings SET listed_at = ? WHERE server = 's'", "today"),
        ("UPDATE listings SET changed_at = ? WHERE server = 's'", 1e300),
        ("UPDATE listings SET changed_at = ? WHERE server = 's'", float("inf")),
        ("UPDATE listings SET listed_at = ? WHERE server = 's'", -1.0),
    ],
)
async def test_a_row_that_cannot_be_read_is_left_out_and_the_next_listing_kept(
    statement: str, value: Any, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    listings = Listings(database)
    await listings.save("s", "i", A, 10.0)
    await listings.save("t", "i", B, 10.0)
    if value is None:
        value = codec.zlib.compress(b"[" * 100_000)
    await change(database, statement, value)

    assert list(await listings.load({"s": "i", "t": "i"})) == ["t"]
    assert [record.levelno for record in caplog.records if record.name.startswith("magictunnel")] == [logging.WARNING]
    assert await listings.save("s", "i", A, 20.0)  # although it is the same
    assert await listings.load({"s": "i"}) == {"s": Saved(20.0, 20.0, A)}


async def test_old_rows_that_cannot_be_read_are_left_out_of_the_history(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    listings = Listings(database)
    for at, listing in enumerate((A, B, C)):
        await listings.save("s", "i", listing, float(at))
    await change(database, "UPDATE versions SET listing = ? WHERE at = 1", b"junk")
    await change(database, "UPDATE versions SET at = 'now' WHERE at = 0")

    history = await listings.history()

    assert [version.at for version in history] == [1.0, 2.0]
    assert list((await listings.read(history)).values()) == [C]
    assert "1 listings in it cannot be read" in caplog.text


async def test_what_cannot_be_kept_is_said(listings: Listings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "MAX_BYTES", 100)

    with pytest.raises(StoreError, match="what 's' offers cannot be kept: it is larger"):
        await listings.save("s", "i", offering("x" * 200), 1.0)

    assert await listings.save("s", "i", A, 1.0)


async def test_no_json_is_not_kept(listings: Listings) -> None:
    with pytest.raises(StoreError, match="what 's' offers cannot be kept"):
        await listings.save("s", "i", Listing(capabilities={"x": 10**5_000}), 1.0)


# --- at once


async def test_many_save_at_once(listings: Listings) -> None:
    async with anyio.create_task_group() as tasks:
        for at in range(40):
            tasks.start_soon(listings.save, f"s{at % 4}", "i", offering(str(at % 8)), 1.0)

    assert len(await listings.load({f"s{at}": "i" for at in range(4)})) == 4


async def save_changes(path: Path, _name: str, ready: Callable[[], None]) -> None:
    async with open_database(path, patience=20) as database:
        ready()
        for at in range(30):
            await Listings(database).save("s", "i", offering(str(at)), float(at))


async def test_gateways_that_find_the_same_changes_at_once_keep_each_once(tmp_path: Path) -> None:
    with ExitStack() as stack:
        savers = [stack.enter_context(process("test_listings", "save_changes", tmp_path / "s.db")) for _ in range(3)]
        assert await ended(savers) == [0] * 3

    async with open_database(tmp_path / "s.db") as database:
        history = await Listings(database).history()
    # One may be behind another, and go back and forth; but nothing is kept twice in a row.
    assert all(one.digest != other.digest for one, other in itertools.pairwise(history))
    assert history[-1].digest == digest(offering("29"))


async def test_nothing_but_what_servers_said_is_in_the_file(tmp_path: Path) -> None:
    async with open_database(tmp_path / "s.db") as database:
        await Listings(database).save("s", "i", A, 1.0)
    connection = sqlite3.connect(tmp_path / "s.db")
    try:
        tables = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall())
    finally:
        connection.close()

    assert set(tables) == {"versions", "listings", "vectors", "usage"}
