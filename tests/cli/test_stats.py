"""`stats`: what gateways have counted of tools, from the store alone."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

import anyio
import pytest
import typer
from typer.testing import CliRunner, Result

from magictunnel.cli.stats import ranked, stats
from magictunnel.cli.times import stamp
from magictunnel.discovery.usage import Event
from magictunnel.store.database import open_database
from magictunnel.store.usage import Counters, Counts, Key
from tests.support.process import config_file, shell

NOW = time.time()
SERVERS = {name: shell('touch "$1"', name) for name in ("git", "notes", "off")} | {
    "off": shell("exit 1", enabled=False)
}
USED: Mapping[Key, Counts] = {
    ("git", "log"): Counts(found=9, shown=8, chosen=3, called=5, failed=0, last=NOW - 7_200),
    ("git", "show"): Counts(found=20, shown=4, chosen=3, called=2, failed=2, last=NOW - 90),
    ("notes", "add"): Counts(found=1, shown=1, chosen=4, called=7, failed=1, last=NOW),
    ("gone", "x"): Counts(found=100, shown=100, chosen=100, called=100, failed=100, last=NOW),
}
LEFT_OUT = "note: left out is gone, not in this config (--server NAME shows it)\n"
NOTHING_YET = "(a gateway counts what its clients find and call: `magictunnel serve`)\n"

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(stats)


@app.callback()
def _root() -> None:
    """So that the name of the one command has to be given."""


def keep(config: Path, used: Mapping[Key, Counts]) -> None:
    async def add() -> None:
        async with open_database(config.parent / "s.db") as database:
            await Counters(database).add(used, NOW)

    anyio.run(add)


@pytest.fixture(autouse=True)
def _store_of_the_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAGICTUNNEL_STORE", raising=False)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return config_file(tmp_path, SERVERS, store="s.db")


@pytest.fixture
def used(config: Path) -> Path:
    """A config whose store has counts."""
    keep(config, USED)
    return config


def run(*args: object) -> Result:
    return CliRunner().invoke(app, ["stats", *map(str, args)])


def rows(result: Result, stderr: str = LEFT_OUT) -> list[list[str]]:
    """What it printed on stdout."""
    assert (result.exit_code, result.stderr) == (0, stderr)
    return [line.split("\t") for line in result.stdout.splitlines()]


# --- what is shown


def test_the_tools_of_the_config_are_shown_by_calls(used: Path) -> None:
    found = rows(run("tools", "-c", used))

    assert [row[:7] for row in found] == [
        ["notes", "add", "1", "1", "4", "7", "1"],
        ["git", "log", "9", "8", "3", "5", "0"],
        ["git", "show", "20", "4", "3", "2", "2"],
    ]
    assert found[1][7] == "2 h ago"
    assert found[2][7].endswith(" min ago")  # NOW was when this file was read
    assert rows(run("-c", used)) == found
    assert not (used.parent / "git").exists()  # no server was started


@pytest.mark.parametrize(
    ("sort", "tools"),
    [
        ("found", ["show", "log", "add"]),
        ("shown", ["log", "show", "add"]),
        ("chosen", ["add", "log", "show"]),
        ("called", ["add", "log", "show"]),
        ("failed", ["show", "add", "log"]),
    ],
)
def test_they_are_sorted_by_what_was_asked_for(sort: str, tools: list[str], used: Path) -> None:
    assert [row[1] for row in rows(run("tools", "--sort", sort, "-c", used))] == tools
    assert [row[1] for row in rows(run("tools", "--sort", sort, "--limit", 2, "-c", used))] == tools[:2]


def test_equals_are_sorted_by_name() -> None:
    same = {(server, tool): Counts(found=1) for server in "ba" for tool in "yx"}

    assert [key for key, _ in ranked(same, Event.FOUND)] == [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]


def test_of_one_server_only_its_own_tools_are_shown(used: Path) -> None:
    assert [row[1] for row in rows(run("tools", "--server", "git", "-c", used), "")] == ["log", "show"]


def test_a_server_that_left_the_config_is_shown_by_its_name(used: Path) -> None:
    assert [row[1] for row in rows(run("tools", "--server", "gone", "-c", used), "")] == ["x"]


def test_as_json_it_is_whole(used: Path) -> None:
    result = run("tools", "--json", "--limit", 1, "-c", used)

    assert json.loads(result.stdout) == [
        {
            "server": "notes",
            "tool": "add",
            "found": 1,
            "shown": 1,
            "chosen": 4,
            "called": 7,
            "failed": 1,
            "last": stamp(NOW),
        }
    ]


def test_nothing_a_server_wrote_can_drive_a_terminal(config: Path) -> None:
    keep(config, {("git", "\x1b[31mred\n\u202e"): Counts(called=1, last=NOW)})

    assert rows(run("tools", "-c", config), "")[0][:2] == ["git", " [31mred  "]
    assert json.loads(run("tools", "--json", "-c", config).stdout)[0]["tool"] == "\x1b[31mred\n\u202e"


# --- why there is nothing


def test_before_anything_was_counted_that_is_said_and_no_file_made(config: Path) -> None:
    assert rows(run("tools", "-c", config), "note: nothing has been counted yet " + NOTHING_YET) == []
    assert run("tools", "--json", "-c", config).stdout == "[]\n"
    assert not list(config.parent.glob("s.db*"))


def test_where_nothing_was_counted_of_one_server_that_is_said(used: Path) -> None:
    said = "note: nothing has been counted yet of off " + NOTHING_YET

    assert rows(run("tools", "--server", "off", "-c", used), said) == []


def test_with_the_store_off_nothing_is_kept(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGICTUNNEL_STORE", "off")

    assert rows(run("tools", "-c", config), "note: the store is off, so nothing is kept of what tools are used\n") == []


@pytest.mark.parametrize("is_used", [True, False])
def test_a_server_that_nobody_knows_is_refused(is_used: bool, config: Path) -> None:
    if is_used:
        keep(config, USED)
    result = run("tools", "--server", "note", "-c", config)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: there is no server 'note' (did you mean 'notes'?)\n"


def test_of_other_things_nothing_is_counted(used: Path) -> None:
    result = run("prompts", "-c", used)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: nothing is counted of 'prompts' (magictunnel stats tools)\n"


@pytest.mark.parametrize("wrong", [["--sort", "size"], ["--limit", "0"], ["--limit", "x"]])
def test_an_option_that_makes_no_sense_is_refused(wrong: list[str], used: Path) -> None:
    result = run("tools", *wrong, "-c", used)

    assert (result.exit_code, result.stdout) == (2, "")


def test_a_store_that_cannot_be_used_is_one_line(used: Path, tmp_path: Path) -> None:
    os.remove(tmp_path / "s.db")
    os.mkdir(tmp_path / "s.db")
    result = run("tools", "-c", used)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: store {tmp_path / 's.db'}: ")
    assert len(result.stderr.splitlines()) == 1


def test_a_damaged_store_is_said_and_set_aside(used: Path, tmp_path: Path) -> None:
    (tmp_path / "s.db").write_bytes(b"junk" * 5_000)
    result = run("tools", "-c", used)

    assert (result.exit_code, result.stdout) == (0, "")
    warning, note = result.stderr.splitlines()
    assert "is damaged" in warning
    assert note.startswith("note: nothing has been counted yet")
