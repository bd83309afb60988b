"""How servers are, as it is told: to a person, to a pipe, to a program; once, and again and again."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from rich.console import Console
from typer.testing import CliRunner

from magictunnel.cli.app import app
from magictunnel.cli.facts import lines, row
from magictunnel.cli.times import ago, quick, span, stamp
from tests.support.gateways import own_env, runtime_folder, steered
from tests.support.process import PATIENCE, config_file, entry, ran, shell, tunnel
from tests.support.raw import Json, Script, tool
from tests.support.rawclient import raw_client

GOOD = Script(name="good", offers={"tools": [tool("echo")], "prompts": [{"name": "ask"}, {"name": "tell"}]})
NOW = 1_800_000_000.0


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    with runtime_folder() as folder:
        for name, value in own_env(folder).items():
            monkeypatch.setenv(name, value)
        yield own_env(folder)


def facts(**more: Any) -> Json:
    """Of a server that is well."""
    told: Json = {
        "server": "git",
        "state": "ready",
        "since": NOW - 180,
        "protocol": "2026-07-28",
        "counts": {"tools": 12, "prompts": 3, "resources": 0, "resourceTemplates": 1},
        "listed_at": NOW - 60,
        "calls": 1_024,
        "in_flight": 2,
        "p50": 0.0031,
        "p95": 1.25,
        "restarts": 1,
        "last_error": None,
        "is_down": False,
    }
    return told | more


DOWN = facts(
    server="a server with quite a long name",
    state="crash-looping",
    last_error={"phase": "launch", "cause": "command 'uvx' was not found on PATH " * 3, "hint": "install it"},
    is_down=True,
)
WRONG: Json = {"server": "typo", "state": "wrong", "is_down": True}
WRONG |= {"last_error": {"phase": "config", "cause": "\x1b[31mred", "hint": ""}}


def page(*servers: Json) -> str:
    """What a person sees on a terminal of 80 columns."""
    file = io.StringIO()
    Console(file=file, width=80, highlight=False).print(*lines(servers, NOW), sep="\n")
    return file.getvalue()


# --- times


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0.4, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (185, "3 min"),
        (7_100, "118 min"),
        (7_200, "2 h"),
        (172_800, "2 d"),
    ],
)
def test_a_time_that_passed_is_told_in_one_unit(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_moments_and_durations_are_told_or_left_out() -> None:
    assert (ago(NOW - 180, NOW), ago(None, NOW), ago(0.0, NOW)) == ("3 min ago", "", "")
    assert (stamp(NOW), stamp(None)) == ("2027-01-15T08:00:00Z", "")
    assert (quick(0.0031), quick(1.25), quick(None)) == ("3 ms", "1.2 s", "-")


# --- tables


def test_a_table_has_a_line_for_what_counts_and_one_for_the_last_error() -> None:
    assert page(facts()).splitlines() == [
        "server  state  for    protocol    calls  now   p50    p95  restarts",
        "git     ready  3 min  2026-07-28  1,024    2  3 ms  1.2 s         1",
        "  12 tools, 3 prompts, 1 resource template, listed 1 min ago".ljust(80),
    ]


def test_a_table_fits_80_columns_whatever_stands_in_it() -> None:
    lines_of_page = page(facts(), facts(server="x" * 40), DOWN, WRONG).splitlines()

    assert max(map(len, lines_of_page)) <= 80
    assert "\x1b" not in "".join(lines_of_page)
    told = [line for line in lines_of_page if "last error" in line]
    assert told[0].startswith("  last error: launch: command 'uvx' was not found on PATH")
    assert told[1].rstrip() == "  last error: config:  [31mred"


def test_a_row_for_a_pipe_has_times_and_numbers_as_programs_read_them() -> None:
    assert row(4711, facts(last_error={"phase": "serve", "cause": "it ended", "hint": "look"})) == (
        "4711",
        "git",
        "ready",
        "2027-01-15T07:57:00Z",
        "2026-07-28",
        *("12", "3", "0", "1"),
        "2027-01-15T07:59:00Z",
        *("1024", "2", "3.1", "1250.0", "1"),
        "serve: it ended (look)",
    )
    assert row(1, WRONG)[:4] == ("1", "typo", "wrong", "")


# --- the command


def test_without_a_gateway_it_says_what_to_do_and_ends_with_2(env: dict[str, str], tmp_path: Path) -> None:
    config = config_file(tmp_path, {})
    for args, line in (
        (["-c", str(config)], f"no gateway runs with {config} (start one: magictunnel serve -c {config})"),
        (["--all"], "no gateway runs (start one: magictunnel serve -c FILE)"),
        (["--watch"], "no gateway runs (start one: magictunnel serve -c FILE)"),
    ):
        result = CliRunner().invoke(app, ["status", *args])
        assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"error: {line}\n")


@pytest.mark.anyio
async def test_servers_that_are_well_end_it_with_0_and_their_calls_are_counted(
    env: dict[str, str], tmp_path: Path
) -> None:
    config = config_file(tmp_path, {"good": entry(GOOD, tmp_path)})
    async with steered(config, env) as (host, port), raw_client(port, "stateless") as client:
        for _ in range(3):
            await client.request("tools/call", {"name": "good__echo", "arguments": {}})
        done = await ran("status", "-c", str(config), env=env)
        assert (done.code, done.err) == (0, "")
        pid, server, state, since, era, *numbers, error = done.out.removesuffix("\n").split("\t")
        assert (pid, server, state, era, error) == (str(host.process.pid), "good", "ready", "2026-07-28", "")
        assert since.startswith("20")
        tools, prompts, resources, templates, listed, calls, now, p50, p95, restarts = numbers
        assert (tools, prompts, resources, templates) == ("1", "2", "0", "0")
        assert (calls, now, restarts) == ("3", "0", "0")
        assert listed >= since
        assert 0 < float(p50) <= float(p95)


@pytest.mark.anyio
async def test_a_server_that_is_down_ends_it_with_1_and_as_json_it_has_all_the_facts(
    env: dict[str, str], tmp_path: Path
) -> None:
    dead = shell("echo 'no license' >&2; exit 3")
    config = config_file(tmp_path, {"good": entry(GOOD, tmp_path), "dead": dead, "typo": {"commnd": "x"}})
    async with steered(config, env) as (host, port):
        done = await ran("status", "-c", str(config), "--json", env=env)
        assert (done.code, done.err) == (1, "")
        (gateway,) = json.loads(done.out)
        assert gateway["pid"] == host.process.pid
        assert gateway["serves"] == f"http://127.0.0.1:{port}/mcp"
        assert gateway["config"] == str(config)
        good, died, typo = gateway["servers"]
        assert (good["is_down"], good["last_error"]) == (False, None)
        assert died["failures_in_a_row"] >= 1
        assert died["last_error"]["hint"] == "its stderr ends: no license"
        assert typo["state"] == "wrong"

        done = await ran("status", "good", "-c", str(config), env=env)
        assert (done.code, len(done.out.splitlines())) == (0, 1)
        done = await ran("status", "god", "-c", str(config), env=env)
        assert (done.code, done.err) == (2, "error: there is no server 'god' (did you mean 'good'?)\n")


@pytest.mark.anyio
async def test_gateways_of_other_files_are_shown_when_all_are_wanted(env: dict[str, str], tmp_path: Path) -> None:
    one, other = (config_file(folder(tmp_path, name), {name: entry(GOOD, tmp_path)}) for name in ("one", "other"))
    async with steered(one, env), steered(other, env):
        assert [facts_of(await ran("status", "-c", str(file), env=env)) for file in (one, other)] == [
            ["one"],
            ["other"],
        ]
        assert facts_of(await ran("status", "--all", env=env)) == ["one", "other"]
        assert facts_of(await ran("status", env=env)) == ["one", "other"]  # no config is meant here
        none = config_file(folder(tmp_path, "third"), {})
        done = await ran("status", "-c", str(none), env=env)
        assert (done.code, done.out) == (2, "")
        assert "see those that run with other files: magictunnel status --all" in done.err


@pytest.mark.anyio
async def test_watched_it_goes_on_until_it_is_ended_also_when_no_gateway_is_left(
    env: dict[str, str], tmp_path: Path
) -> None:
    config = config_file(tmp_path, {"good": entry(GOOD, tmp_path)})
    watch = ("status", "-c", str(config), "--watch", "--every", "0.2")
    async with (
        steered(config, env) as (host, _),
        tunnel(*watch, env=env) as seen,
        tunnel(*watch, "--json", env=env) as told,
    ):
        await seen.until(lambda: seen.lines.count("") >= 3)
        await told.until(lambda: len(told.lines) >= 3)
        assert seen.lines[0].split("\t")[1:3] == ["good", "ready"]
        assert json.loads(told.lines[-1])[0]["servers"][0]["server"] == "good"
        host.process.send_signal(signal.SIGTERM)
        await told.until(lambda: told.lines[-1] == "[]")
        for watching in (seen, told):
            watching.process.send_signal(signal.SIGINT)
            assert await watching.ended() == 0
            assert watching.talk == []


@pytest.mark.anyio
async def test_on_a_terminal_it_is_drawn_again_in_its_place(env: dict[str, str], tmp_path: Path) -> None:
    config = config_file(tmp_path, {"good": entry(GOOD, tmp_path)})
    ours, theirs = os.openpty()
    async with steered(config, env):
        words = [sys.executable, "-m", "magictunnel", "status", "-c", str(config), "-w", "--every", "0.2"]
        more = {"TERM": "xterm", "COLUMNS": "80"}
        with anyio.fail_after(PATIENCE):
            process = await anyio.open_process(words, stdout=theirs, stderr=theirs, env={**os.environ, **env, **more})
            os.close(theirs)
            seen = b""
            while seen.count(b"2026-07-28") < 3:
                await anyio.wait_readable(ours)
                seen += os.read(ours, 65_536)
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 0
    os.close(ours)
    assert b"\x1b[32mready" in seen
    assert b"\x1b[1A" in seen  # it goes up, to write over what it wrote


def folder(parent: Path, name: str) -> Path:
    made = parent / name
    made.mkdir()
    return made


def facts_of(done: Any) -> list[str]:
    """The names of the servers in a pipe."""
    return [line.split("\t")[1] for line in done.out.splitlines()]
