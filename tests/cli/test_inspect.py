"""The commands that look and call: what they print, where, and with which exit code."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import anyio
import pytest
from typer.testing import CliRunner, Result

from magictunnel.catalog.model import Kind, Listing
from magictunnel.cli.app import app
from magictunnel.config.changes import identity
from magictunnel.config.load import load
from magictunnel.store.database import open_database
from magictunnel.store.listings import Listings
from tests.support.process import config_file, entry, ran, shell
from tests.support.raw import Script, text, tool

SCHEMA = {"type": "object", "properties": {"count": {"type": "integer"}, "tags": {"type": "array"}}}
ECHO = tool("echo", inputSchema=SCHEMA)
SCRIPT = Script(
    name="srv",
    offers={
        "tools": [ECHO, tool("fail"), tool("refuse"), tool("structured"), tool("odd", description="\x1b[31mred\nline")],
        "prompts": [{"name": "ask", "description": "asks", "arguments": [{"name": "n"}]}],
        "resources": [{"uri": "raw://one", "name": "one"}],
        "resourceTemplates": [{"uriTemplate": "raw://item/{id}", "name": "item"}],
    },
    answers={
        "tools/call fail": text("it failed", isError=True),
        "tools/call refuse": {"error": {"code": -7, "message": "not today"}},
        "tools/call structured": {"content": [], "structuredContent": {"ü": [1]}},
    },
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return config_file(tmp_path, {"srv": entry(SCRIPT, tmp_path)})


def run(*args: object) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args])


def shown(result: Result, code: int = 0) -> str:
    """What it printed on stdout, having ended with `code` and without a word on stderr."""
    assert (result.exit_code, result.stderr) == (code, "")
    return result.stdout


def refusal(result: Result) -> str:
    """The one line with which it could not do what was asked."""
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    return line.removeprefix("error: ")


# --- list


@pytest.mark.parametrize(
    ("what", "rows"),
    [
        (
            "tools",
            [
                "srv__echo\tsrv\tdoes echo",
                "srv__fail\tsrv\tdoes fail",
                "srv__refuse\tsrv\tdoes refuse",
                "srv__structured\tsrv\tdoes structured",
                "srv__odd\tsrv\t [31mred line",
            ],
        ),
        ("prompts", ["srv__ask\tsrv\tasks"]),
        ("resources", ["raw://one\tsrv\t", "raw://item/{id}\tsrv\t"]),
        ("servers", ["srv\tready\t2026-07-28\t5\t1\t1\t1\t\t\t"]),
    ],
)
def test_a_list_in_a_pipe_is_a_line_each(what: str, rows: list[str], config: Path) -> None:
    assert shown(run("list", what, "-c", config)).splitlines() == rows


def test_tools_are_what_is_listed_unless_told_otherwise_and_as_json_with_all_they_are(config: Path) -> None:
    found = json.loads(shown(run("list", "--json", "-c", config)))

    assert found[0] == ECHO | {"server": "srv", "name_there": "echo", "name": "srv__echo", "visibility": "auto"}


def test_servers_as_json_say_how_each_is(config: Path) -> None:
    (found,) = json.loads(shown(run("list", "servers", "--json", "-c", config)))

    assert found.pop("seconds") > 0
    assert found == {
        "server": "srv",
        "state": "ready",
        "phase": "serve",
        "protocol": "2026-07-28",
        "counts": {"tools": 5, "prompts": 1, "resources": 1, "resourceTemplates": 1},
        "error": None,
        "hint": None,
        "listed_at": None,
        "changed_at": None,
    }


def test_servers_that_a_gateway_has_seen_say_when_and_when_they_changed(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAGICTUNNEL_STORE", str(tmp_path / "store.db"))
    assert shown(run("list", "servers", "-c", config)).split("\t")[7:9] == ["", ""]
    assert not (tmp_path / "store.db").exists()
    saved = load(config).servers["srv"]
    now = time.time()

    async def save() -> None:
        async with open_database(tmp_path / "store.db") as database:
            for name, at in (("one", now - 7_200), ("other", now - 180), ("other", now - 65)):
                await Listings(database).save("srv", identity(saved), Listing({Kind.TOOL: ({"name": name},)}), at)

    anyio.run(save)

    assert shown(run("list", "servers", "-c", config)).split("\t")[7:9] == ["1 min ago", "3 min ago"]
    (found,) = json.loads(shown(run("list", "servers", "--json", "-c", config)))
    assert (found["listed_at"], found["changed_at"]) == (now - 65, now - 180)


def test_a_store_that_cannot_be_used_is_a_note(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (other := tmp_path / "other.db").mkdir()
    monkeypatch.setenv("MAGICTUNNEL_STORE", str(other))

    result = run("list", "servers", "-c", config)

    assert (result.exit_code, result.stdout.split("\t")[:2]) == (0, ["srv", "ready"])
    assert result.stderr.startswith(f"note: store {other}: ")


def test_what_cannot_be_listed_is_refused_with_what_can(config: Path) -> None:
    assert refusal(run("list", "toolz", "-c", config)) == (
        "cannot list 'toolz' (list servers, tools, prompts, resources)"
    )


def test_a_clash_is_noted_on_stderr(tmp_path: Path) -> None:
    one, other = (Script(name=name, offers={"tools": [tool("x")]}) for name in "ab")
    servers = {"a": entry(one, tmp_path), "b": entry(other, tmp_path)}
    path = config_file(tmp_path, servers, naming={"prefix": "never"})

    result = run("list", "-c", path)

    assert (result.exit_code, result.stdout) == (0, "x\ta\tdoes x\n")
    assert "note: tool 'x' of a, b: 'a' keeps the name; 'b' is reached by its prefixed name only" in result.stderr


# --- inspect


@pytest.mark.parametrize("name", ["srv__echo", "echo"])
def test_an_entry_is_shown_whole(name: str, config: Path) -> None:
    assert json.loads(shown(run("inspect", name, "--json", "-c", config))) == {
        "kind": "tool",
        "server": "srv",
        "name_there": "echo",
        "timeout": 60.0,
        "definition": ECHO | {"name": "srv__echo"},
    }


@pytest.mark.parametrize(
    ("name", "kind"), [("ask", "prompt"), ("raw://one", "resource"), ("raw://item/{id}", "resource template")]
)
def test_every_kind_can_be_inspected_and_read_by_a_person(name: str, kind: str, config: Path) -> None:
    out = shown(run("inspect", name, "-c", config))

    assert out.startswith(f"kind\t{kind}\nserver\tsrv\n")
    assert json.loads(out[out.index("\n{") :])


# --- call


def test_a_call_takes_words_and_prints_text(config: Path) -> None:
    out = shown(run("call", "srv__echo", "count=2", "tags=a", "tags=b", "-c", config))

    assert json.loads(out) == {"server": "srv", "tool": "echo", "arguments": {"count": 2, "tags": ["a", "b"]}}


def test_a_result_as_json_is_whole(config: Path) -> None:
    result = json.loads(shown(run("call", "fail", "--json", "-c", config), code=1))

    assert result == text("it failed", isError=True)


def test_a_tools_own_error_is_printed_and_code_1(config: Path) -> None:
    assert shown(run("call", "fail", "-c", config), code=1) == "it failed\n"


def test_an_error_that_a_server_answers_is_its_failure_and_no_mistake_of_the_caller(config: Path) -> None:
    """Exit codes: 1 done, and it failed (a tool's error); 2 it could not be done (a wrong option, no such name)."""
    result = run("call", "refuse", "-c", config)

    assert result.stderr == "error: not today\n"
    assert result.exit_code == 1


def test_a_result_without_text_is_printed_as_json(config: Path) -> None:
    assert json.loads(shown(run("call", "structured", "-c", config))) == {"ü": [1]}


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["call", "nothing"], "Unknown tool: nothing (see `magictunnel list tools`)"),
        (["call", "ask"], "Unknown tool: ask (see `magictunnel list tools`)"),
        (["prompt", "echo"], "Unknown prompt: echo (see `magictunnel list prompts`)"),
        (["inspect", "nothing"], "Unknown tool, prompt or resource: nothing (see `magictunnel list tools`)"),
        (["call", "echo", "count=x"], "count='x' is not integer (count wants a value of that type)"),
        (["call", "echo", "x"], "'x' is not an argument (write key=value, '{...}' or @file.json)"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_code_2(args: list[str], line: str, config: Path) -> None:
    assert refusal(run(*args, "-c", config)) == line


# --- read, prompt


@pytest.mark.parametrize("uri", ["raw://one", "raw://item/7", "srv+raw://one"])
def test_a_resource_is_read(uri: str, config: Path) -> None:
    assert shown(run("read", uri, "-c", config)) == f"{uri.removeprefix('srv+')} of srv\n"


def test_a_resource_as_json_is_whole(config: Path) -> None:
    result = json.loads(shown(run("read", "raw://one", "--json", "-c", config)))

    assert result["contents"] == [{"uri": "raw://one", "text": "raw://one of srv"}]


def test_a_prompt_is_filled_in_with_texts(config: Path) -> None:
    assert shown(run("prompt", "ask", "n=7", "-c", config)) == "ask of srv\n"


# --- check


def failing(tmp_path: Path) -> Path:
    servers: dict[str, Any] = {
        "srv": entry(SCRIPT, tmp_path),
        "dead": shell("echo 'no license' >&2; exit 3"),
        "typo": {"commnd": "x"},
    }
    return config_file(tmp_path, servers)


def test_a_check_of_good_servers_is_code_0(config: Path) -> None:
    (line,) = shown(run("check", "-c", config)).splitlines()

    assert line.startswith("srv\tok\tserve\t2026-07-28\t5 tools, 1 prompt, 1 resource, 1 resource template\t")


def test_a_check_says_how_far_each_got_and_what_to_do_and_is_code_1(tmp_path: Path) -> None:
    good, dead, typo = shown(run("check", "-c", failing(tmp_path)), code=1).splitlines()

    assert good.startswith("srv\tok\t")
    assert dead.startswith("dead\tFAILED\thandshake\t")
    assert dead.endswith("the process ended with exit code 3 (its stderr ends: no license)")
    assert typo.startswith("typo\tFAILED\tconfig\t")
    assert "command" in typo


def test_a_check_as_json_has_the_facts(tmp_path: Path) -> None:
    good, dead, typo = json.loads(shown(run("check", "--json", "-c", failing(tmp_path)), code=1))

    assert (good["state"], good["error"]) == ("ready", None)
    assert (dead["phase"], dead["error"]) == ("handshake", "the process ended with exit code 3")
    assert dead["hint"] == "its stderr ends: no license"
    assert typo["server"] == "typo"


# --- as a process


@pytest.mark.anyio
async def test_as_a_process_data_is_on_stdout_and_the_code_is_the_same(config: Path) -> None:
    done = await ran("call", "fail", "-c", str(config))

    assert (done.code, done.out, done.err) == (1, "it failed\n", "")


@pytest.mark.anyio
async def test_as_a_process_a_refusal_is_one_plain_line_on_stderr(tmp_path: Path) -> None:
    done = await ran("list", "-c", str(tmp_path / "none.yaml"))

    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert len(done.err.splitlines()) == 1
    assert "\x1b" not in done.err
