"""`magictunnel diff`: what changed in what servers offer, from the store alone."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from typer.testing import CliRunner, Result

from magictunnel.catalog.model import Json, Kind, Listing
from magictunnel.cli.app import app
from magictunnel.cli.history import choose, parse_when
from magictunnel.config.changes import identity
from magictunnel.config.load import load
from magictunnel.errors import ConfigError
from magictunnel.store.database import open_database
from magictunnel.store.listings import Listings, Version
from tests.support.process import config_file, ran, shell

NOW = time.time()
HOUR = 3_600.0
SERVERS = {name: shell("exit 1", name) for name in ("git", "notes", "new")}
MISSING = "note: nothing is kept yet of what new offered (a gateway keeps what it lists: `magictunnel serve`)\n"


def offering(*names: str, **more: Any) -> Listing:
    return Listing({Kind.TOOL: tuple({"name": name, "inputSchema": {"type": "object"}} | more for name in names)})


Saved = tuple[str, Listing, float]
"""A server, what it offered, and how many hours ago."""

HISTORY: Sequence[Saved] = (
    ("git", offering("log"), 50.0),
    ("notes", offering("add"), 49.0),
    ("git", offering("log", "show"), 3.0),
    ("notes", offering("add", description="Adds."), 2.0),
    ("git", offering("show"), 1.0),
)


def kept(config: Path, history: Sequence[Saved], ways: Json | None = None) -> None:
    """Have the store of `config` hold that history, of servers as the config has them or reached in other `ways`."""
    entries = load(config).servers

    async def save() -> None:
        async with open_database(config.parent / "s.db") as database:
            for server, listing, hours in history:
                way = (ways or {}).get(server) or (identity(entries[server]) if server in entries else "gone")
                await Listings(database).save(server, way, listing, NOW - hours * HOUR)

    anyio.run(save)


@pytest.fixture(autouse=True)
def _store_of_the_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAGICTUNNEL_STORE", raising=False)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return config_file(tmp_path, SERVERS, store="s.db")


@pytest.fixture
def used(config: Path) -> Path:
    """A config whose store has a history."""
    kept(config, HISTORY)
    return config


def run(*args: object) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args])


def rows(result: Result, stderr: str = MISSING) -> list[list[str]]:
    """What it printed on stdout, but for the times."""
    assert (result.exit_code, result.stderr) == (0, stderr)
    return [line.split("\t")[1:] for line in result.stdout.splitlines()]


def when(hours: float) -> str:
    return datetime.fromtimestamp(NOW - hours * HOUR).astimezone().strftime("%Y-%m-%d %H:%M:%S")


# --- what is shown


def test_the_last_change_of_each_server_is_shown_newest_last(used: Path) -> None:
    result = run("diff", "-c", used)

    assert rows(result) == [
        ["notes", "changed", "tool add", 'description: none -> "Adds."'],
        ["git", "removed", "tool log", ""],
    ]
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == [when(2), when(1)]


def test_of_one_server_only_its_own_change_is_shown(used: Path) -> None:
    assert rows(run("diff", "git", "-c", used), stderr="") == [["git", "removed", "tool log", ""]]


@pytest.mark.parametrize(
    ("since", "changes"),
    [
        ("90m", ["git removed"]),
        ("150m", ["notes changed", "git removed"]),
        ("1d", ["git added", "notes changed", "git removed"]),
        ("49.5h", ["notes listed", "git added", "notes changed", "git removed"]),
        ("3d", ["git listed", "notes listed", "git added", "notes changed", "git removed"]),
        ("2000-01-01", ["git listed", "notes listed", "git added", "notes changed", "git removed"]),
    ],
)
def test_since_a_time_every_change_is_shown(since: str, changes: list[str], used: Path) -> None:
    found = rows(run("diff", "--since", since, "-c", used))

    assert [" ".join(row[:2]) for row in found] == changes


def test_what_was_offered_first_is_counted(used: Path) -> None:
    found = rows(run("diff", "git", "--since", "3d", "-c", used), stderr="")

    assert found[0] == ["git", "listed", "", "1 tool"]


def test_a_server_that_offers_nothing_is_shown_so(config: Path) -> None:
    kept(config, [("git", Listing(), 1.0)])

    assert rows(run("diff", "git", "-c", config), stderr="") == [["git", "listed", "", "nothing"]]


def test_as_json_a_change_is_whole(used: Path) -> None:
    result = run("diff", "notes", "--json", "-c", used)
    (found,) = json.loads(result.stdout)

    assert datetime.fromisoformat(found.pop("at")).timestamp() == pytest.approx(NOW - 2 * HOUR, abs=0.01)
    assert datetime.fromisoformat(found.pop("before")).timestamp() == pytest.approx(NOW - 49 * HOUR, abs=0.01)
    assert found == {
        "server": "notes",
        "counts": {"tools": 1, "prompts": 0, "resources": 0, "resourceTemplates": 0},
        "changes": {
            "breaking": False,
            "entries": [
                {
                    "change": "changed",
                    "kind": "tool",
                    "name": "add",
                    "parts": [{"part": "description", "lines": ['none -> "Adds."'], "now": "Adds."}],
                }
            ],
            "server": [],
        },
    }


def test_as_json_what_was_offered_first_has_nothing_before_it(config: Path) -> None:
    kept(config, HISTORY[:1])
    (found,) = json.loads(run("diff", "git", "--json", "-c", config).stdout)

    assert (found["before"], found["changes"], found["counts"]["tools"]) == (None, None, 1)


def test_nothing_a_server_wrote_can_drive_a_terminal(config: Path) -> None:
    kept(config, [("git", offering(), 2.0), ("git", offering("\x1b[31mred\n\u202e"), 1.0)])

    assert rows(run("diff", "git", "-c", config), stderr="") == [["git", "added", "tool  [31mred  ", ""]]


# --- whose changes


def test_what_another_config_calls_by_the_same_name_is_not_shown(used: Path) -> None:
    kept(used, [("git", offering("theirs"), 0.5)], ways={"git": "elsewhere"})

    assert rows(run("diff", "git", "-c", used), stderr="") == [["git", "removed", "tool log", ""]]


def test_a_server_that_is_reached_in_another_way_now_is_compared_with_what_it_was(config: Path) -> None:
    kept(config, [("git", offering("log"), 3.0)], ways={"git": "as it was"})
    kept(config, [("git", offering("log", "show"), 1.0)])

    assert rows(run("diff", "git", "--since", "1d", "-c", config), stderr="") == [["git", "added", "tool show", ""]]


def test_until_it_was_listed_in_its_new_way_its_old_history_is_shown(config: Path) -> None:
    kept(config, [("git", offering("log"), 3.0)], ways={"git": "as it was"})

    assert rows(run("diff", "git", "-c", config), stderr="") == [["git", "listed", "", "1 tool"]]


def test_a_server_that_left_the_config_is_shown_by_its_name_only(config: Path) -> None:
    kept(config, [("gone", offering("x"), 1.0), ("git", offering("log"), 1.0), ("notes", offering("add"), 1.0)])

    assert {row[0] for row in rows(run("diff", "-c", config))} == {"git", "notes"}
    assert rows(run("diff", "gone", "-c", config), stderr="") == [["gone", "listed", "", "1 tool"]]


def test_a_server_that_is_switched_off_is_not_missed(tmp_path: Path) -> None:
    config = config_file(tmp_path, {"off": shell("exit 1", enabled=False)}, store="s.db")
    kept(config, [("other", offering("x"), 1.0)])

    assert rows(run("diff", "-c", config), stderr="") == []


# --- why there is nothing


def test_where_nothing_changed_is_said(used: Path) -> None:
    assert rows(run("diff", "git", "--since", "5m", "-c", used), "note: nothing has changed since then\n") == []
    assert run("diff", "git", "--since", "5m", "--json", "-c", used).stdout == "[]\n"


def test_before_the_first_gateway_ran_nothing_is_kept_and_no_file_made(config: Path) -> None:
    result = run("diff", "-c", config)

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("note: nothing is kept yet of what git, notes, new offered (")
    assert len(result.stderr.splitlines()) == 1
    assert not list(config.parent.glob("s.db*"))


def test_with_the_store_off_nothing_is_kept(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGICTUNNEL_STORE", "off")

    assert rows(run("diff", "-c", config), "note: the store is off, so nothing is kept of what servers offered\n") == []


def test_the_environment_names_the_store(used: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.rename(tmp_path / "s.db", tmp_path / "other.db")
    monkeypatch.setenv("MAGICTUNNEL_STORE", "~/other.db")

    assert len(rows(run("diff", "-c", used))) == 2


@pytest.mark.parametrize(
    ("name", "hint"), [("gti", "did you mean git?"), ("something", "see `magictunnel list servers`")]
)
@pytest.mark.parametrize("is_used", [True, False])
def test_a_server_that_nobody_knows_is_refused(name: str, hint: str, is_used: bool, config: Path) -> None:
    if is_used:
        kept(config, HISTORY)
    result = run("diff", name, "-c", config)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"error: Unknown server: {name} ({hint})\n"


def test_a_store_that_cannot_be_used_is_one_line(used: Path, tmp_path: Path) -> None:
    os.remove(tmp_path / "s.db")
    os.mkdir(tmp_path / "s.db")
    result = run("diff", "-c", used)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: store {tmp_path / 's.db'}: ")
    assert len(result.stderr.splitlines()) == 1


def test_a_damaged_store_is_said_and_set_aside(used: Path, tmp_path: Path) -> None:
    (tmp_path / "s.db").write_bytes(b"junk" * 5_000)
    result = run("diff", "git", "-c", used)

    assert (result.exit_code, result.stdout) == (0, "")
    warning, note = result.stderr.splitlines()
    assert "is damaged" in warning
    assert note.startswith("note: nothing is kept yet of what git offered")


# --- when


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90.0),
        ("500ms", 0.5),
        ("5m", 300.0),
        ("2h", 7_200.0),
        ("3d", 259_200.0),
        ("1.5 d", 129_600.0),
        (" 1d ", 86_400.0),
    ],
)
def test_a_time_ago(text: str, seconds: float) -> None:
    assert parse_when(text, 1e9) == 1e9 - seconds


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-20T09:30:00+01:00", datetime.fromisoformat("2026-11-20T08:30:00+00:00")),
        ("2026-11-20T09:30Z", datetime.fromisoformat("2026-11-20T09:30:00+00:00")),
        ("2026-11-20", datetime(2026, 11, 20)),
        ("2026-11-20 09:30", datetime(2026, 11, 20, 9, 30)),
        ("20261120", datetime(2026, 11, 20)),
    ],
)
def test_a_date_and_a_time_of_day_are_local_unless_they_say_otherwise(text: str, moment: datetime) -> None:
    assert parse_when(text, 0.0) == moment.timestamp()


@pytest.mark.parametrize("text", ["", "yesterday", "3x", "-3d", "2026-13-01", "d", "1e5"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is no time"):
        parse_when(text, 0.0)


def test_a_bad_time_is_refused_before_anything_else() -> None:
    result = run("diff", "--since", "whenever", "-c", "/nowhere")

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "error: --since 'whenever' is no time (write it like 2h, 3d, 2026-11-20 or 2026-11-20T09:30)\n"
    )


def test_without_a_time_the_last_step_of_each_server_is_chosen() -> None:
    one, two, other = (Version(at, server, "i", float(at), str(at)) for at, server in enumerate(("s", "s", "t")))
    known = [(None, one), (one, two), (None, other)]

    assert choose(known, None) == [(one, two), (None, other)]
    assert choose(known, 1.0) == [(one, two), (None, other)]
    assert choose(known, 2.0) == [(None, other)]
    assert choose([], None) == []


# --- as a process


@pytest.mark.anyio
async def test_as_a_process_it_starts_no_server_and_prints_lines(tmp_path: Path) -> None:
    config = config_file(tmp_path, {"git": shell('touch "$1"', str(tmp_path / "started"))}, store="s.db")
    way = identity(load(config).servers["git"])
    async with open_database(tmp_path / "s.db") as database:
        await Listings(database).save("git", way, offering("log"), NOW)
    done = await ran("diff", "--since", str(timedelta(days=1).total_seconds()), "-c", str(config))

    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("\tgit\tlisted\t\t1 tool\n")
    assert "started" not in os.listdir(tmp_path)
