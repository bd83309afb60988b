"""Servers in, out, on and off by the shell: what stands in the file, what is told, and what is put back."""

from __future__ import annotations

import json
import re
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from magictunnel.cli.app import app
from tests.support.gateways import line_of, own_env, runtime_folder, steered, yaml_file
from tests.support.memory import until
from tests.support.process import config_file, entry, ran, shell, tunnel
from tests.support.raw import Json, Script, tool
from tests.support.web import raw_http

GOOD = Script(name="good", offers={"tools": [tool("echo"), tool("other")], "prompts": [{"name": "ask"}]})
SLOW = Script(name="slow", hang_on=["server/discover", "initialize"])
FAILS = ["--", "/bin/sh", "-c", "echo 'no license' >&2; exit 3"]
WHY = "error: server 'new': handshake: the process ended with exit code 3 (its stderr ends: no license)"


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with runtime_folder() as folder:
        for name, value in own_env(folder).items():
            monkeypatch.setenv(name, value)
        yield folder


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return yaml_file(tmp_path / "servers.yaml", {"good": entry(GOOD, tmp_path)}, below="defaults: {timeout: 9s}")


def run(*args: object) -> Result:
    return CliRunner().invoke(app, ["servers", *map(str, args)])


def told(result: Result, code: int = 0) -> str:
    assert (result.exit_code, result.stderr) == (code, "")
    return result.stdout


def refusal(result: Result, code: int = 2) -> str:
    assert (result.exit_code, result.stdout) == (code, "")
    (line,) = result.stderr.splitlines()
    return line.removeprefix("error: ")


def content(file: Path) -> bytes:
    return file.read_bytes()


# --- add, where no gateway runs


def test_a_server_that_comes_up_is_written_behind_the_others_and_nothing_else_changes(
    config: Path, tmp_path: Path
) -> None:
    before = config.read_text("utf-8")
    options = ["--env", "TOKEN=${HOME}", "--cwd", ".", "--era", "handshake", "--start", "lazy", "--type", "stdio"]

    result = run("add", "new", *options, "-c", config, *line_of(GOOD, tmp_path))

    assert told(result) == (
        f"added new to {config}: 2 tools, 1 prompt; no gateway runs with it (magictunnel serve -c {config})\n"
    )
    (added,) = [line for line in config.read_text("utf-8").splitlines() if line not in before.splitlines()]
    assert added.startswith("  new: {")
    assert config.read_text("utf-8").replace(added + "\n", "") == before
    written = json.loads(told(run("list", "--json", "-c", config)))
    assert [(one["server"], one["state"]) for one in written] == [("good", "ready"), ("new", "ready")]
    assert "start: lazy" in added
    assert f"cwd: {tmp_path}" in added
    assert "${HOME}" in added


def test_as_json_it_tells_what_was_done_and_how_the_server_is(config: Path, tmp_path: Path) -> None:
    done = json.loads(told(run("add", "new", "--json", "-c", config, *line_of(GOOD, tmp_path))))

    status = done.pop("status")
    assert done == {"server": "new", "done": "added", "file": str(config), "gateways": []}
    assert (status["state"], status["counts"]["tools"]) == ("ready", 2)


@pytest.mark.parametrize(
    ("name", "begins"),
    [("new.yaml", "mcpServers:\n  good:\n    command: "), ("deep/new.json", '{\n  "mcpServers": {\n')],
)
def test_a_file_that_is_not_there_is_made_for_our_eyes_only(name: str, begins: str, tmp_path: Path) -> None:
    config = tmp_path / name

    result = run("add", "good", "-c", config, *line_of(GOOD, tmp_path))

    assert result.exit_code == 0
    assert result.stderr == f"note: there is no {config} yet; it is made\n"
    assert config.read_text("utf-8").startswith(begins)
    assert stat.S_IMODE(config.stat().st_mode) == 0o600


def test_without_any_config_the_first_place_that_is_looked_at_gets_one(tmp_path: Path) -> None:
    result = run("add", "good", *line_of(GOOD, tmp_path))

    assert result.exit_code == 0
    assert "good" in (tmp_path / "magictunnel-config.yaml").read_text("utf-8")


def test_a_server_behind_a_url_is_written_with_its_headers(config: Path) -> None:
    result = run("add", "web", "--url", "http://127.0.0.1:9/mcp", "--header", "X-Key=${KEY}=x", "--keep", "-c", config)

    assert result.exit_code == 0
    assert result.stderr.startswith("warning: server 'web': resolve: ${KEY} in headers.X-Key is not set")
    assert "down for now" in result.stdout
    assert 'web: {url: http://127.0.0.1:9/mcp, headers: {X-Key: "${KEY}=x"}}' in config.read_text("utf-8")


def test_a_server_that_does_not_come_up_is_told_in_one_line_and_the_file_is_as_it_was(config: Path) -> None:
    before = config.read_bytes()

    result = run("add", "new", "-c", config, *FAILS)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [WHY, f"note: {config} is as it was; --keep leaves it there all the same"]
    assert config.read_bytes() == before


def test_a_file_that_was_made_for_a_server_that_does_not_come_up_is_gone_again(tmp_path: Path) -> None:
    config = tmp_path / "none.yaml"

    result = run("add", "new", "-c", config, *FAILS)

    assert result.exit_code == 1
    assert f"note: {config} is gone again; --keep leaves it there all the same" in result.stderr
    assert not config.exists()


def test_who_changed_the_file_meanwhile_keeps_what_he_wrote(config: Path) -> None:
    line = 'echo "# mine, too" >> "$1"; exit 1'

    result = run("add", "new", "-c", config, "--", "/bin/sh", "-c", line, "sh", str(config))

    assert result.exit_code == 1
    assert f"note: {config} is left as it is: somebody changed it just now" in result.stderr
    assert "# mine, too" in config.read_text("utf-8")
    assert "new:" in config.read_text("utf-8")


def test_a_server_is_kept_although_it_does_not_come_up_if_that_is_wanted(config: Path) -> None:
    result = run("add", "new", "--keep", "-c", config, *FAILS)

    assert result.exit_code == 0
    assert result.stderr == WHY.replace("error", "warning") + "\n"
    assert "new:" in config.read_text("utf-8")


def test_a_server_that_is_switched_off_by_the_defaults_is_written_and_not_started(tmp_path: Path) -> None:
    config = yaml_file(tmp_path / "off.yaml", {}, below="defaults: {enabled: false}")

    assert told(run("add", "new", "-c", config, *FAILS)) == f"added new to {config}; no gateway runs with it\n"


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["good", "--", "x"], r".*servers.yaml:4: there is a server 'good' already \(choose another name\)"),
        (["new"], r"server 'new': has neither a `command` nor a `url` \(add one of them\)"),
        (["new", "--url", "x", "--", "y"], r"server 'new': has both a `command` and a `url` \(keep one, .*\)"),
        (["new", "--type", "http", "--", "y"], r"server 'new': an http server needs a `url` \(.*\)"),
        (["new", "--env", "x", "--", "y"], r"--env 'x' is not K=V \(write it like --env NAME=VALUE\)"),
        (["new", "--header", "=x", "--url", "y"], r"--header '' is not K=V \(write it like --header NAME=VALUE\)"),
        (["new", "--", "magictunnel", "serve", "--stdio"], r"server 'new': is MagicTunnel itself; left out so that .*"),
        (["x" * 65, "--", "y"], r"server 'x+': a server's name has 1 to 64 characters and no control characters"),
    ],
)
def test_what_cannot_be_used_is_refused_and_nothing_is_written(args: list[str], line: str, config: Path) -> None:
    before = config.read_bytes()

    assert re.fullmatch(line, refusal(run("add", "-c", config, *args)))
    assert config.read_bytes() == before


def test_a_server_that_would_take_anothers_name_is_refused(tmp_path: Path) -> None:
    included = yaml_file(tmp_path / "team.yaml", {"theirs": {"command": "x", "alias": "new"}})
    config = yaml_file(tmp_path / "mine.yaml", {}, below=f"include: [{included.name}]")
    before = config.read_bytes()

    assert "is called 'new' like server 'new'" in refusal(run("add", "new", "-c", config, "--", "x"))
    assert "stands in " in refusal(run("add", "theirs", "-c", config, "--", "x"))
    assert config.read_bytes() == before


# --- enable, disable, remove


def test_a_server_is_switched_off_and_on_and_taken_out(config: Path) -> None:
    before = config.read_text("utf-8")

    assert told(run("disable", "good", "-c", config)) == f"disabled good in {config}; no gateway runs with it\n"
    assert "enabled: false" in config.read_text("utf-8") or '"enabled": false' in config.read_text("utf-8")
    assert told(run("disable", "good", "-c", config)) == "good is disabled already\n"
    assert "2 tools, 1 prompt" in told(run("enable", "good", "-c", config))
    assert config.read_text("utf-8") == before
    assert told(run("enable", "good", "-c", config)) == "good is enabled already\n"
    assert told(run("remove", "good", "-c", config)) == f"removed good from {config}; no gateway runs with it\n"
    assert config.read_text("utf-8") == "# mine\n\nmcpServers: {}\ndefaults: {timeout: 9s}\n# the end\n"


def test_a_server_that_does_not_come_up_is_not_switched_on(tmp_path: Path) -> None:
    config = yaml_file(tmp_path / "c.yaml", {"new": shell("echo 'no license' >&2; exit 3", enabled=False)})
    before = config.read_bytes()

    result = run("enable", "new", "-c", config)

    assert (result.exit_code, result.stderr.splitlines()[0]) == (1, WHY)
    assert config.read_bytes() == before
    assert run("enable", "new", "--keep", "-c", config).exit_code == 0
    assert config.read_bytes() != before


def test_tools_that_are_enabled_by_themselves_keep_their_server(tmp_path: Path) -> None:
    keys = {"tools": {"echo": {"enabled": True}}}
    config = yaml_file(tmp_path / "c.yaml", {"good": entry(GOOD, tmp_path, **keys)})

    result = run("disable", "good", "-c", config)

    assert result.exit_code == 0
    assert result.stderr == "note: good goes on for its tools that are enabled by themselves\n"


@pytest.mark.parametrize("do", ["enable", "disable", "remove"])
def test_what_is_not_in_the_file_is_refused_with_a_remedy(do: str, config: Path, tmp_path: Path) -> None:
    assert "there is no server 'god' (did you mean 'good'?)" in refusal(run(do, "god", "-c", config))
    assert "there is no such file" in refusal(run(do, "good", "-c", tmp_path / "none.yaml"))
    assert "no config file found" in refusal(run(do, "good"))


@pytest.mark.parametrize("do", ["enable", "disable", "remove"])
def test_a_server_of_an_included_file_is_changed_there(do: str, tmp_path: Path) -> None:
    included = yaml_file(tmp_path / "team.yaml", {"theirs": shell("exit 3")})
    config = yaml_file(tmp_path / "mine.yaml", {}, below=f"include: [{included.name}]")

    line = f"server 'theirs' stands in {included} (edit that file, or name it with -c)"
    assert refusal(run(do, "theirs", "-c", config)) == line


def test_an_entry_that_cannot_be_used_is_not_switched_on_but_off_and_out(tmp_path: Path) -> None:
    config = yaml_file(tmp_path / "c.yaml", {"typo": {"commnd": "x", "enabled": False}})

    assert refusal(run("enable", "typo", "-c", config)).startswith(f"{config}:4: server 'typo': commnd: unknown key")
    assert run("remove", "typo", "-c", config).exit_code == 0


def test_behind_a_server_of_ours_another_of_its_name_may_come_to_light(tmp_path: Path) -> None:
    included = yaml_file(tmp_path / "team.yaml", {"both": shell("exit 3")})
    config = yaml_file(tmp_path / "mine.yaml", {"both": shell("exit 4")}, below=f"include: [{included.name}]")

    result = run("remove", "both", "-c", config)

    assert (result.exit_code, result.stderr) == (0, f"note: {included} has one of that name, which is served now\n")


# --- list, and what needs a gateway


def test_alone_it_lists_as_list_servers_does(config: Path) -> None:
    expected = told(CliRunner().invoke(app, ["list", "servers", "-c", str(config)]))

    assert expected.startswith("good\tready\t")
    assert told(run("-c", config)) == expected
    assert told(run("list", "-c", config)) == expected


def test_options_before_a_subcommand_are_not_swallowed(config: Path) -> None:
    result = run("-c", config, "remove", "good")

    assert result.exit_code == 2
    assert "behind the subcommand" in result.stderr
    assert "good:" in config.read_text("utf-8")


@pytest.mark.parametrize("do", ["restart", "refresh"])
def test_without_a_gateway_there_is_nothing_to_steer(do: str, config: Path) -> None:
    remedy = f"no gateway runs with {config} (start one: magictunnel serve -c {config})"
    assert refusal(run(do, "good", "-c", config)) == remedy
    assert refusal(run(do, "good")) == "no gateway runs (start one: magictunnel serve -c FILE)"


# --- while gateways run


@pytest.mark.anyio
async def test_every_gateway_of_the_file_is_told_at_once(config: Path, tmp_path: Path, runtime: Path) -> None:
    before, env, file = content(config), own_env(runtime), ["-c", str(config)]
    async with steered(config, env) as (one, _), steered(config, env) as (other, _):
        pids = [one.process.pid, other.process.pid]
        served = r"gateway {} \(http://127.0.0.1:\d+/mcp\), gateway {} \(.*\)".format(*pids)

        done = await ran("servers", "add", "new", *file, *line_of(GOOD, tmp_path), env=env)
        assert (done.code, done.err) == (0, "")
        assert re.fullmatch(rf"added new to {config}: 2 tools, 1 prompt; served by {served}\n", done.out)
        for host in (one, other):
            assert (await host.said("new: ready"))[0]

        for do in ("restart", "refresh"):
            done = await ran("servers", do, "new", *file, "--json", env=env)
            answers = json.loads(done.out)
            assert (done.code, [answer["pid"] for answer in answers]) == (0, pids)
            assert all(answer["done"] and answer["status"]["restarts"] == 1 for answer in answers)

        done = await ran("servers", "remove", "new", *file, env=env)
        assert re.fullmatch(rf"removed new from {config}; let go by {served}\n", done.out)
        for host in (one, other):
            await host.said("config: removed new")
    assert content(config) == before


@pytest.mark.anyio
async def test_a_server_that_does_not_come_up_in_a_gateway_is_taken_back_everywhere(
    config: Path, runtime: Path
) -> None:
    before, env = content(config), own_env(runtime)
    async with steered(config, env) as (host, _):
        done = await ran("servers", "add", "new", "-c", str(config), *FAILS, env=env)
        assert (done.code, done.out) == (1, "")
        assert done.err.splitlines()[0] == WHY
        assert content(config) == before
        await host.said("config: removed new")
        assert [one["server"] for one in await servers_of(env)] == ["good"]


@pytest.mark.anyio
async def test_a_variable_counts_that_the_gateway_has_and_not_the_shell(
    config: Path, tmp_path: Path, runtime: Path
) -> None:
    env = own_env(runtime)
    async with steered(config, env | {"ONLY_THERE": "x"}):
        words = ["servers", "add", "new", "-c", str(config), "--env", "A=${ONLY_THERE}", *line_of(GOOD, tmp_path)]
        assert (await ran(*words, env=env)).code == 0
        words[2], words[6] = "other", "A=${ONLY_HERE}"
        done = await ran(*words, env=env | {"ONLY_HERE": "x"})

    assert done.code == 1
    assert "${ONLY_HERE} in env.A is not set" in done.err


@pytest.mark.anyio
async def test_whoever_gives_up_while_a_server_starts_finds_the_file_as_it_was(
    config: Path, tmp_path: Path, runtime: Path
) -> None:
    before, env = content(config), own_env(runtime)
    async with steered(config, env) as (host, _):
        words = ["servers", "add", "new", "-c", str(config), *line_of(SLOW, tmp_path)]
        async with tunnel(*words, env=env) as adding:
            await host.said("config: added new")
            adding.process.send_signal(signal.SIGINT)
            assert await adding.ended() == 130
            assert adding.talk == [f"note: {config} is as it was"]
        assert content(config) == before
        await host.said("config: removed new")


@pytest.mark.anyio
async def test_what_is_down_or_unknown_or_wrong_is_told_when_it_is_steered(tmp_path: Path, runtime: Path) -> None:
    env = own_env(runtime)
    broken: Json = {"dead": shell("echo 'no license' >&2; exit 3"), "typo": {"commnd": "x"}}
    config = yaml_file(tmp_path / "c.yaml", {"good": entry(GOOD, tmp_path)} | broken)
    file = ["-c", str(config)]
    async with steered(config, env) as (host, _):
        for do in ("restart", "refresh"):
            done = await ran("servers", do, "dead", *file, env=env)
            expected = f"error: gateway {host.process.pid}: {WHY.removeprefix('error: ').replace('new', 'dead')}\n"
            assert (done.code, done.out, done.err) == (1, "", expected)
        done = await ran("servers", "restart", "god", *file, env=env)
        assert (done.code, done.err) == (2, "error: there is no server 'god' (did you mean 'good'?)\n")
        done = await ran("servers", "restart", "typo", *file, env=env)
        assert done.code == 2
        assert "server 'typo' cannot be used as it is written" in done.err


@pytest.mark.anyio
async def test_a_refresh_that_fails_says_why_and_that_the_last_listing_stays(tmp_path: Path, runtime: Path) -> None:
    env, script = own_env(runtime), Script(name="good", offers={"tools": [tool("echo")]})
    async with raw_http(script) as (server, port):
        config = yaml_file(tmp_path / "c.yaml", {"good": {"url": f"http://127.0.0.1:{port}/mcp"}})
        async with steered(config, env) as (host, _):
            server.script.answers["tools/list"] = {"error": {"code": -32603, "message": "database is locked"}}
            refresh = ("servers", "refresh", "good", "-c", str(config))

            done = await ran(*refresh, env=env)
            assert done.err == (
                f"error: gateway {host.process.pid}: good, whose last listing stays: database is locked\n"
            )
            assert (done.code, done.out) == (1, "")

            (answer,) = json.loads((await ran(*refresh, "--json", env=env)).out)
            assert (answer["done"], answer["why"]) == (False, "database is locked")
            assert answer["status"]["counts"]["tools"] == 1


@pytest.mark.anyio
async def test_an_included_file_can_be_named_and_its_gateways_are_told(tmp_path: Path, runtime: Path) -> None:
    env = own_env(runtime)
    included = config_file(tmp_path, {"good": entry(GOOD, tmp_path)})
    config = yaml_file(tmp_path / "mine.yaml", {}, below=f"include: [{included.name}]")
    async with steered(config, env) as (host, _):
        done = await ran("servers", "disable", "good", "-c", str(included), env=env)
        assert (done.code, done.err) == (0, "")
        assert f"let go by gateway {host.process.pid} " in done.out
        await until(lambda: json.loads(content(included))["mcpServers"]["good"]["enabled"] is False)


async def servers_of(env: dict[str, str]) -> list[Json]:
    """How the servers of all gateways are."""
    done = await ran("status", "--all", "--json", env=env)
    return [facts for gateway in json.loads(done.out) for facts in gateway["servers"]]
