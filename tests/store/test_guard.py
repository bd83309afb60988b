"""Who may move the file of a store, and when."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from magictunnel.store.guard import Guard

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there, what is open cannot be moved")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "s.db"


@pytest.fixture
def guard(path: Path) -> Iterator[Guard]:
    with closing(Guard(path)) as guard:
        assert guard.share()
        yield guard


def test_the_file_and_its_folder_are_for_their_owner_alone(path: Path, guard: Guard) -> None:
    guard.create()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o755)
    Guard(tmp_path / "s.db").close()

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_a_file_that_is_there_stays_as_it_is(path: Path, guard: Guard) -> None:
    path.write_text("x")

    assert guard.create() == path.stat().st_ino
    assert path.read_text() == "x"


def test_what_belongs_to_the_file_is_set_aside_with_it(path: Path, guard: Guard) -> None:
    number = guard.create()
    for end in ("", "-wal", "-shm"):
        Path(f"{path}{end}").write_text(f"damaged{end}")

    moved = guard.set_aside(number)

    assert moved
    assert [Path(f"{moved}{end}").read_text() for end in ("", "-wal", "-shm")] == [
        "damaged",
        "damaged-wal",
        "damaged-shm",
    ]
    assert sorted(file.name for file in path.parent.iterdir() if file.name.startswith("s.db.l")) == ["s.db.lock"]
    assert not path.exists()


def test_while_others_use_it_it_stays(path: Path, guard: Guard) -> None:
    number = guard.create()
    with closing(Guard(path)) as other:
        assert other.share()
        assert guard.set_aside(number) is None
        assert path.exists()

    assert guard.set_aside(number)


def test_the_fresh_file_of_who_was_faster_stays(path: Path, guard: Guard) -> None:
    number = guard.create()
    with closing(Guard(path)) as faster:
        assert faster.set_aside(number) is None
    assert guard.set_aside(number)
    fresh = guard.create()

    with closing(Guard(path)) as slower:
        assert slower.set_aside(number) is None

    assert path.stat().st_ino == fresh


def test_many_may_use_it_at_once(path: Path, guard: Guard) -> None:
    with closing(Guard(path)) as other:
        assert other.share()
        assert guard.share()
