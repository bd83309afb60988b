"""What is found of a server, step by step; what is never done to it; and what to type or edit next."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from typer.testing import CliRunner, Result

from magictunnel.backends.checkup import harmless_tool
from magictunnel.cli.app import app
from magictunnel.cli.byhand import by_hand
from magictunnel.config.model import ServerConfig, Transport
from magictunnel.secrets import Secrets
from tests.support.gateways import own_env, runtime_folder, steered, yaml_file
from tests.support.process import HAS_PROC, config_file, entry, gone, marked, ran, shell, tunnel
from tests.support.raw import Json, Script, text, tool
from tests.support.web import raw_http

READ_ONLY = {"annotations": {"readOnlyHint": True}}
TOOLS = [tool("delete_all"), tool("now", **READ_ONLY), tool("later", **READ_ONLY)]
SECRET = "sekret-of-mine"


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with runtime_folder() as folder:
        for name, value in own_env(folder).items():
            monkeypatch.setenv(name, value)
        yield folder


def run(*args: object) -> Result:
    return CliRunner().invoke(app, ["doctor", *map(str, args)])


def rows(result: Result, server: str) -> dict[str, list[str]]:
    """What a pipe gets of one server: step or fact -> how it went, its seconds, what was found; of each line."""
    found: dict[str, list[str]] = {}
    for line in result.stdout.splitlines():
        name, step, outcome, seconds, what = line.split("\t")
        if name == server:
            assert not seconds or float(seconds) >= 0
            found.setdefault(step, []).extend([outcome, what] if outcome else [what])
    return found


def examined(tmp_path: Path, server: Json, code: int) -> dict[str, list[str]]:
    """What is found of a server `s`."""
    result = run("-c", config_file(tmp_path, {"s": server}))
    assert (result.exit_code, result.stderr) == (code, "")
    return rows(result, "s")


def asked(transcript: Path) -> list[str]:
    """The methods, and names of tools, that a server was asked for."""
    messages = [json.loads(line) for line in transcript.read_text("utf-8").splitlines()]
    return [f"{one['method']} {(one.get('params') or {}).get('name', '')}".strip() for one in messages]


# --- a server that is well


@pytest.mark.parametrize("era", ["handshake", "stateless"])
def test_a_server_that_is_well_gets_through_every_step(era: str, tmp_path: Path) -> None:
    transcript = tmp_path / "transcript"
    script = Script("srv", era, {"tools": TOOLS}, chatter=["hello"], transcript=str(transcript))

    found = examined(tmp_path, entry(script, tmp_path), 0)

    assert found["resolve"] == ["ok", shlex.join([sys.executable, *entry(script, tmp_path)["args"]])]
    assert found["spawn"] == ["ok", ""]
    version, about = ("2025-11-25", "srv 1") if era == "handshake" else ("2026-07-28", "a server without a name")
    assert found["open"] == ["ok", f"{about}, {era} era ({version}): tools"]
    assert found["list"] == ["ok", "3 tools"]
    assert found["call"] == ["ok", "tool 'now' answers"]
    assert found["stderr"] == ["hello"]
    assert found["cwd"] == [str(tmp_path)]
    assert found["PATH"] == [os.environ["PATH"]]
    assert "next" not in found
    assert [one for one in asked(transcript) if one.startswith("tools/call")] == ["tools/call now"]


@pytest.mark.parametrize("era", ["handshake", "stateless"])
def test_without_a_tool_that_changes_nothing_none_is_called(era: str, tmp_path: Path) -> None:
    transcript = tmp_path / "transcript"
    offers = {"tools": [tool("delete_all"), tool("look", inputSchema={"required": ["at"]}, **READ_ONLY)]}
    script = Script("srv", era, offers, transcript=str(transcript))

    found = examined(tmp_path, entry(script, tmp_path), 0)

    assert found["call"] == ["ok", "it answers a ping" if era == "handshake" else "it answers server/discover"]
    assert not [one for one in asked(transcript) if one.startswith("tools/call")]


def test_a_tool_that_is_not_offered_is_not_called_either(tmp_path: Path) -> None:
    transcript = tmp_path / "transcript"
    script = Script("srv", offers={"tools": TOOLS}, transcript=str(transcript))
    keys = {"exclude": ["now"], "tools": {"later": {"enabled": False}}}

    found = examined(tmp_path, entry(script, tmp_path, **keys), 0)

    assert found["call"] == ["ok", "it answers server/discover"]
    assert "tools/call now" not in asked(transcript)


def test_a_server_that_knows_no_ping_is_well(tmp_path: Path) -> None:
    answers: dict[str, Json] = {"ping": {"error": {"code": -32601, "message": "Method not found"}}}
    script = Script("srv", "handshake", {"tools": []}, answers=answers)

    assert examined(tmp_path, entry(script, tmp_path), 0)["call"] == ["ok", "it answers, though no ping"]


def test_a_tools_own_error_is_an_answer(tmp_path: Path) -> None:
    script = Script("srv", offers={"tools": TOOLS}, answers={"tools/call now": text("no", isError=True)})

    found = examined(tmp_path, entry(script, tmp_path), 0)

    assert found["call"] == ["ok", "tool 'now' answers with an error of its own"]


@pytest.mark.parametrize(
    ("definition", "is_harmless"),
    [
        (tool("x", **READ_ONLY), True),
        (tool("x", inputSchema={"type": "object", "properties": {"a": {}}, "required": []}, **READ_ONLY), True),
        (tool("x"), False),
        (tool("x", annotations={"readOnlyHint": "true"}), False),
        (tool("x", annotations={"readOnlyHint": False, "idempotentHint": True}), False),
        (tool("x", annotations={"readOnlyHint": True, "destructiveHint": True}), False),
        (tool("x", annotations=[]), False),
        (tool("x", inputSchema={"required": ["a"]}, **READ_ONLY), False),
        (tool("x", inputSchema={"anyOf": [{"required": ["a"]}]}, **READ_ONLY), False),
        (tool("x", inputSchema={"minProperties": 1}, **READ_ONLY), False),
        (tool("x", inputSchema={"$ref": "#/$defs/a"}, **READ_ONLY), False),
        (tool("x", execution={"taskSupport": "required"}, **READ_ONLY), False),
        ({"annotations": {"readOnlyHint": True}}, False),
    ],
)
def test_only_what_says_that_it_changes_nothing_and_needs_nothing_is_harmless(
    definition: Json, is_harmless: bool
) -> None:
    assert (harmless_tool([definition]) == "x") is is_harmless


# --- where it fails


def test_a_variable_without_a_value_fails_the_first_step(tmp_path: Path) -> None:
    found = examined(tmp_path, shell("exit", env={"TOKEN": "${NO_SUCH}"}), 1)

    assert found["resolve"] == ["failed", "${NO_SUCH} in env.TOKEN is not set"]
    assert found["spawn"] == ["skipped", ""]
    assert found["next"] == ["set NO_SUCH, or write ${NO_SUCH:-default}", f"edit {tmp_path}/magictunnel.json:1"]


def test_a_program_that_is_not_there_fails_to_start(tmp_path: Path) -> None:
    config = yaml_file(tmp_path / "c.yaml", {"fine": shell("exit", enabled=False), "s": {"command": "nosuch"}})

    result = run("s", "-c", config)

    found = rows(result, "s")
    assert result.exit_code == 1
    assert found["resolve"] == ["ok", "nosuch"]
    assert found["spawn"] == ["failed", "command 'nosuch' was not found on PATH"]
    assert found["open"] == found["list"] == found["call"] == ["skipped", ""]
    assert found["next"] == ["install it, or write its full path in `command`", f"edit {config}:5"]


def test_a_process_that_ends_is_to_be_run_by_hand_and_that_command_shows_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", SECRET)
    line = 'echo "$1 is wrong, $FLAG, $PWD" >&2; exit 3'
    server = shell(line, "${MY_TOKEN}", env={"FLAG": "1", "OTHER": "literal-secret"}, cwd=str(tmp_path))

    found = examined(tmp_path, server, 1)

    assert found["open"] == ["failed", "the process ended with exit code 3"]
    assert found["stderr"] == [f"*** is wrong, 1, {tmp_path}"]
    hint, command = found["next"]
    assert hint == f"its stderr ends: *** is wrong, 1, {tmp_path}"
    assert command.startswith(f"by hand: cd {tmp_path} && FLAG=1 OTHER='***' /bin/sh -c ")
    assert command.endswith(' sh "${MY_TOKEN}"')
    typed = command.removeprefix("by hand: ")
    done = subprocess.run(["/bin/sh", "-c", typed], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (3, f"{SECRET} is wrong, 1, {tmp_path}\n")


@pytest.mark.parametrize(
    ("fault", "step", "cause"),
    [
        ({"hang_on": ["server/discover", "initialize"]}, "open", "no answer within 1 s"),
        ({"hang_on": ["tools/list"]}, "list", "no answer within 1 s"),
        ({"hang_on": ["tools/call"]}, "call", "no answer within 1 s"),
        ({"crash_on": ["tools/list"]}, "list", "the process ended with exit code 3"),
        ({"crash_on": ["tools/call now"]}, "call", "the process ended with exit code 3"),
        ({"answers": {"tools/call now": {"error": {"code": -7, "message": "no"}}}}, "call", "no"),
        ({"only_junk": True}, "open", "no answer within 1 s, but 1 line(s) on stdout that are not JSON-RPC"),
    ],
)
def test_a_fault_is_found_in_the_step_where_it_is(fault: Any, step: str, cause: str, tmp_path: Path) -> None:
    script = Script(name="srv", offers={"tools": TOOLS}, **fault)

    found = examined(tmp_path, entry(script, tmp_path, start_timeout="1s", era="stateless"), 1)

    outcome, told = found[step]
    assert outcome == "failed"
    assert cause in told
    steps = ["resolve", "spawn", "open", "list", "call"]
    after = steps.index(step) + 1
    assert all(found[one][0] == "ok" for one in steps[: after - 1])
    assert all(found[one][0] == "skipped" for one in steps[after:])
    assert any(todo.startswith("by hand: ") for todo in found["next"])


def test_an_address_where_nobody_listens_is_not_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", SECRET)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://me:pass@127.0.0.1:{port}/mcp?key=value&token=${{MY_TOKEN}}"

    found = examined(tmp_path, {"url": url, "headers": {"Authorization": "Bearer ${MY_TOKEN}", "X": "open"}}, 1)

    plain = f"http://127.0.0.1:{port}/mcp"
    assert found["resolve"] == ["ok", plain]
    assert "spawn" not in found
    assert found["reach"] == ["failed", f"cannot connect to {plain}"]
    assert found["open"] == ["skipped", ""]
    hint, command, place = found["next"]
    assert hint == "start that server, or correct `url`"
    assert command.startswith("by hand: curl -i --max-time 5 ")
    assert command.endswith(f'"http://***@127.0.0.1:{port}/mcp?key=***&token=${{MY_TOKEN}}"')
    assert "-H \"Authorization: Bearer ${MY_TOKEN}\" -H 'X: ***'" in command
    assert place.startswith("edit ")
    assert "pass" not in " ".join(found["next"])


@pytest.mark.anyio
async def test_a_server_over_http_is_reached_and_gets_through_and_a_refusal_is_told(tmp_path: Path) -> None:
    script = Script(name="web", offers={"tools": TOOLS})
    with anyio.fail_after(30):
        async with raw_http(script) as (_, port), raw_http(script, status=401) as (_, closed):
            urls = {"web": f"http://127.0.0.1:{port}/mcp", "closed": f"http://127.0.0.1:{closed}/mcp"}
            config = config_file(tmp_path, {name: {"url": url} for name, url in urls.items()})
            done = await ran("doctor", "--json", "-c", str(config))

    web, refused = json.loads(done.out)["servers"]
    assert [(one["step"], one["outcome"]) for one in web["steps"]] == [
        (step, "ok") for step in ("resolve", "reach", "open", "list", "call")
    ]
    assert (web["verdict"], web["url"], web["command"], web["env"]) == ("ok", urls["web"], None, None)
    assert (refused["verdict"], refused["error"]) == ("failed", "the server answered HTTP 401")
    assert "it wants credentials" in refused["next"][0]
    assert done.code == 1


# --- all of them, and what they have in common


def test_no_secret_is_shown_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", SECRET)
    script = Script(name="srv", offers={"tools": TOOLS}, chatter=[f"the token is {SECRET}", "and literal-secret"])
    env = {"TOKEN": "${MY_TOKEN}", "OTHER": "literal-secret", "HOME": "/somewhere/else", "N": "12"}
    good = entry(script, tmp_path, env=env)
    dead = shell(f"echo '{SECRET}' >&2; exit 3", env=env)
    config = config_file(tmp_path, {"good": good, "dead": dead})

    result = run("-c", config)

    found = rows(result, "good")
    assert "TOKEN=${MY_TOKEN} OTHER=*** N=12" in found["env"][0]
    assert "HOME=/somewhere/else" in found["env"][0]
    assert found["stderr"] == ["the token is ***", "and ***"]
    for out in (result.output, run("--json", "-c", config).output):
        assert SECRET not in out
        assert "literal-secret" not in out


def test_what_all_have_in_common_is_told_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGICTUNNEL_STORE", str(tmp_path / "s.db"))
    included = config_file(tmp_path, {})
    config = yaml_file(tmp_path / "c.yaml", {"off": shell("exit", enabled=False)}, below=f"include: [{included.name}]")

    result = run("-c", config)

    assert result.exit_code == 0
    assert rows(result, "") == {
        "config": [str(config)],
        "includes": [str(included)],
        "runs": ["no gateway with this config"],
        "store": [f"{tmp_path / 's.db'} (not there yet)"],
    }
    assert rows(result, "off") == {"config": ["skipped", "it is switched off (magictunnel servers enable off)"]}
    assert rows(run("off", "-c", config), "off")["open"][0] == "failed"


def test_what_is_wrong_in_the_config_is_told_with_its_place(tmp_path: Path) -> None:
    config = yaml_file(tmp_path / "c.yaml", {"typo": {"commnd": "x"}}, below="include: [none.json]")

    result = run("-c", config)

    assert result.exit_code == 1
    assert rows(result, "typo") == {
        "config": ["failed", "commnd: unknown key"],
        "next": ["did you mean 'command'?", f"edit {config}:4"],
    }
    (name,) = {line.split("\t")[0] for line in result.stdout.splitlines()} - {"", "typo"}
    assert "none.json" in " ".join(rows(result, name)["config"])


def test_a_capability_file_is_read_and_nothing_in_it_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOBODY_SETS_THIS", raising=False)
    tools = "tools: [{name: touch, description: D., command: [touch, ran], annotations: {readOnlyHint: true}}]"
    (tmp_path / "own.yaml").write_text(tools, "utf-8")
    (tmp_path / "api.yaml").write_text("auth: {a: {type: bearer, token: '${NOBODY_SETS_THIS}'}}", "utf-8")
    (tmp_path / "bad.yaml").write_text("instructions: x\ntols: []", "utf-8")
    config = yaml_file(tmp_path / "c.yaml", {}, below="capabilities: [own.yaml, api.yaml, bad.yaml]")

    result = run("-c", config)

    assert result.exit_code == 1
    assert rows(result, "own") == {"read": ["ok", str(tmp_path / "own.yaml")], "list": ["ok", "1 tool"]}
    assert rows(result, "api")["resolve"] == ["failed", "${NOBODY_SETS_THIS} in auth.a.token is not set"]
    assert rows(result, "api")["next"][1] == f"edit {tmp_path / 'api.yaml'}"
    assert rows(result, "bad")["next"][-1] == f"edit {tmp_path / 'bad.yaml'}:2"
    assert not (tmp_path / "ran").exists()
    assert run("own", "-c", config).exit_code == 0
    assert run("api", "-c", config, "--json").exit_code == 1


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["god"], r"there is no server 'god' \(did you mean 'good'\?\)"),
        (["-c", "none.yaml"], r"none.yaml: there is no such file .*"),
    ],
)
def test_what_cannot_be_examined_is_refused(args: list[str], line: str, tmp_path: Path) -> None:
    config = config_file(tmp_path, {"good": shell("exit")})

    result = run("-c", config, *args)

    assert (result.exit_code, result.stdout) == (2, "")
    assert re.fullmatch(f"error: {line}\n", result.stderr)


@pytest.mark.anyio
async def test_gateways_that_run_with_it_are_told_and_suspected_where_a_port_is_taken(
    tmp_path: Path, runtime: Path
) -> None:
    env = own_env(runtime)
    async with raw_http(Script(name="web", offers={"tools": TOOLS})) as (_, port):
        server = shell("sleep 60", url=f"http://127.0.0.1:{port}/mcp", type="http")
        config = config_file(tmp_path, {"web": server})
        async with steered(config, env) as (host, _):
            done = await ran("doctor", "--json", "-c", str(config), env=env)
            told = json.loads(done.out)

    assert [one["pid"] for one in told["gateways"]] == [host.process.pid]
    (web,) = told["servers"]
    assert f"something else listens at http://127.0.0.1:{port}/mcp already" in web["error"]
    assert "what listens there may be its own: magictunnel status web" in web["next"]


@pytest.mark.anyio
@pytest.mark.skipif(not HAS_PROC, reason="processes are found by /proc")
async def test_ended_in_between_it_leaves_no_process_behind(tmp_path: Path) -> None:
    slow = Script(name="slow", hang_on=["server/discover", "initialize"])
    config = config_file(tmp_path, {"slow": entry(slow, tmp_path)})
    mark = str(tmp_path / "slow.script.json")
    async with tunnel("doctor", "-c", str(config)) as looking:
        await looking.until(lambda: bool(marked(mark)))
        looking.process.send_signal(signal.SIGTERM)
        assert await looking.ended() == 130
    assert not await gone(mark)


# --- by hand


@pytest.mark.parametrize(
    ("written", "word"),
    [
        ("plain", "plain"),
        ("two words", "'two words'"),
        ('$HOME `x` "y"', "'$HOME `x` \"y\"'"),
        ("${SET}", '"${SET}"'),
        ("${env:SET}/b c", '"${SET}/b c"'),
        ('a$b\\`${SET}"', '"a\\$b\\\\\\`${SET}\\""'),
        ("${UNSET:-a b}", "'a b'"),
        ("${SET:-a b}", '"${SET}"'),
        ("${UNSET}", '"${UNSET}"'),
        ("${MAGICTUNNEL_PYTHON}", shlex.quote(sys.executable)),
        ("--port=${MAGICTUNNEL_PORT}", "--port=8123"),
        ("Bearer ${keyring:my api}", "\"Bearer $(keyring get magictunnel 'my api')\""),
        ("${UNSET} ${keyring:x}", '"${UNSET} $(keyring get magictunnel x)"'),
    ],
)
def test_a_word_is_quoted_for_the_shell_and_its_variables_stay(
    written: str, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SET", SECRET)
    monkeypatch.delenv("UNSET", raising=False)
    server = ServerConfig(type=Transport.STDIO, command="run", args=(written,))

    assert by_hand(server, Secrets()) == f"run {word}"
