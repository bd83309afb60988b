"""`show`, `hide`, `enable`, `disable`: the rules in the file, what is told, and what clients see at once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from typer.testing import CliRunner, Result

from magictunnel.catalog.model import Kind, Listing
from magictunnel.cli.app import app
from magictunnel.config.changes import identity
from magictunnel.config.load import load
from magictunnel.config.rules import needed
from magictunnel.store.database import open_database
from magictunnel.store.listings import Listings
from tests.support.gateways import own_env, runtime_folder, steered, yaml_file
from tests.support.memory import until
from tests.support.process import config_file, entry, over_stdio, ran, shell
from tests.support.raw import Script, tool

GIT = Script(
    name="git",
    offers={"tools": [tool("log"), tool("show"), tool("push")], "prompts": [{"name": "review"}]},
)
WEB = Script(name="web", offers={"tools": [tool("fetch")], "resources": [{"uri": "web://home", "name": "home"}]})
NOBODY = "no gateway runs with it"


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with runtime_folder() as folder:
        for name, value in own_env(folder).items():
            monkeypatch.setenv(name, value)
        yield folder


@pytest.fixture
def config(tmp_path: Path) -> Path:
    servers = {"git": entry(GIT, tmp_path), "web": entry(WEB, tmp_path)}
    return yaml_file(tmp_path / "servers.yaml", servers, below="defaults: {timeout: 9s}")


def run(command: str, *args: object) -> Result:
    return CliRunner().invoke(app, [command, *map(str, args)])


def told(result: Result, code: int = 0) -> list[str]:
    assert (result.exit_code, result.stderr) == (code, "")
    return list(result.stdout.splitlines())


def rules(config: Path) -> list[tuple[str, str]]:
    return [(name, str(seen)) for name, seen in load(config).visibility.items()]


def listed(config: Path) -> dict[str, str]:
    return {one["name"]: one["visibility"] for one in json.loads(run("list", "tools", "--json", "-c", config).stdout)}


# --- without a gateway


def test_each_name_is_written_as_a_rule_and_nothing_else_changes(config: Path) -> None:
    before = config.read_text("utf-8")

    assert told(run("hide", "git__log", "web__*", "web://home", "-c", config)) == [
        "git__log: search-only, was auto",
        "web__*: search-only (1 tool)",
        "web://home: search-only, was auto",
        f"written to {config}; {NOBODY}",
    ]

    line = '\nvisibility: {git__log: search-only, "web__*": search-only, web://home: search-only}'
    assert config.read_text("utf-8") == before.replace("{timeout: 9s}", "{timeout: 9s}" + line)
    assert listed(config) == {
        "git__log": "search-only",
        "git__show": "auto",
        "git__push": "auto",
        "web__fetch": "search-only",
    }


def written(path: Path) -> tuple[int, int]:
    """Which file it is, and when it was written; it may be read."""
    stat = path.stat()
    return stat.st_ino, stat.st_mtime_ns


def test_what_is_so_already_is_said_and_the_file_is_not_touched(config: Path) -> None:
    assert told(run("show", "git__log", "git", "-c", config))[:2] == [
        "git__log: listed, was auto",
        "git: listed (3 tools, 1 prompt)",
    ]
    before = written(config)

    assert told(run("show", "git__log", "git", "-c", config)) == [
        "git__log: listed already",
        "git: listed already (3 tools, 1 prompt)",
    ]
    assert written(config) == before


def test_a_tool_is_disabled_and_enabled_and_another_rule_against_it_is_overruled(config: Path) -> None:
    assert told(run("disable", "git__push", "git__s*", "-c", config))[0] == "git__push: disabled, was auto"
    assert listed(config) == {"git__log": "auto", "web__fetch": "auto"}
    assert told(run("enable", "git__push", "git__show", "-c", config))[:2] == [
        "git__push: auto, was disabled",
        "git__show: auto, was disabled",
    ]

    assert rules(config) == [("git__s*", "disabled"), ("git__show", "auto")]
    assert told(run("enable", "git__s*", "-c", config))[0] == "git__s*: enabled (1 tool)"
    assert rules(config) == [("git__show", "auto")]


def test_a_rule_that_is_to_win_goes_to_the_end(config: Path) -> None:
    run("hide", "git__log", "git__*", "-c", config)
    run("show", "git__log", "-c", config)

    assert rules(config) == [("git__*", "search-only"), ("git__log", "listed")]


def test_the_tools_by_which_others_are_found_are_known_too(config: Path) -> None:
    assert told(run("disable", "smart_tool_discovery", "-c", config))[0] == "smart_tool_discovery: disabled, was auto"
    assert told(run("show", "magictunnel", "-c", config))[0].startswith("magictunnel: listed (")


def test_a_name_by_which_calls_reach_it_is_understood(config: Path) -> None:
    assert told(run("hide", "fetch", "-c", config))[0] == "web__fetch: search-only, was auto"


def test_a_glob_that_fits_nothing_is_written_all_the_same(config: Path) -> None:
    assert told(run("hide", "x*", "-c", config))[0] == "x*: search-only (it matches nothing now)"
    assert rules(config) == [("x*", "search-only")]


@pytest.mark.parametrize("command", ["show", "hide", "enable", "disable"])
def test_a_name_that_nobody_knows_is_refused_and_nothing_is_written(command: str, config: Path) -> None:
    before = config.read_bytes()

    result = run(command, "git__log", "git__lgo", "-c", config)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "error: Unknown tool, prompt, resource or server: git__lgo (did you mean git__log or git__show?)\n"
    )
    assert config.read_bytes() == before


def test_of_a_server_that_is_down_it_is_said_that_its_names_are_not_known(tmp_path: Path) -> None:
    config = yaml_file(tmp_path / "c.yaml", {"git": entry(GIT, tmp_path), "dead": shell("exit 3")})

    result = run("hide", "dead__thing", "-c", config)

    assert result.exit_code == 2
    assert "It is not known what dead offers: see check" in result.stderr
    assert told(run("hide", "git__log", "dead", "-c", config))[1] == "dead: search-only (it matches nothing now)"


def test_a_hosts_file_takes_rules_too(tmp_path: Path) -> None:
    config = config_file(tmp_path, {"git": entry(GIT, tmp_path)})
    whole = json.loads(config.read_text("utf-8"))

    assert told(run("disable", "git__push", "-c", config))[0] == "git__push: disabled, was auto"
    assert json.loads(config.read_text("utf-8")) == whole | {"visibility": {"git__push": "disabled"}}


# --- servers


def test_a_server_is_switched_as_by_servers(config: Path) -> None:
    before = config.read_text("utf-8")

    assert told(run("disable", "git", "web", "-c", config)) == [
        f"disabled git in {config}; {NOBODY}",
        f"disabled web in {config}; {NOBODY}",
    ]
    assert needed(load(config)) == []
    assert re.fullmatch(
        rf"enabled git in {config}: 3 tools, 1 prompt; {NOBODY} \(.*\)",
        "".join(told(run("enable", "git", "-c", config))),
    )
    assert told(run("enable", "git", "-c", config)) == ["git is enabled already"]
    assert run("enable", "web", "-c", config).exit_code == 0
    assert config.read_text("utf-8") == before


def test_a_capability_file_is_seen_as_rules_say(tmp_path: Path) -> None:
    text = "tools: [{name: one, description: D., command: [date]}, {name: two, description: D., command: [date]}]"
    (tmp_path / "own.yaml").write_text(text, "utf-8")
    config = yaml_file(tmp_path / "c.yaml", {}, below="capabilities: [own.yaml]")

    assert told(run("disable", "own", "-c", config))[0] == "own: disabled (2 tools)"
    assert listed(config) == {}
    assert told(run("enable", "own", "-c", config))[0] == "own: enabled (2 tools)"
    assert told(run("hide", "own", "-c", config))[0] == "own: search-only (2 tools)"
    assert told(run("show", "own__one", "-c", config))[0] == "own__one: listed, was search-only"
    assert listed(config) == {"own__one": "listed", "own__two": "search-only"}


def test_a_server_that_a_rule_disables_loses_the_rule(tmp_path: Path) -> None:
    config = yaml_file(tmp_path / "c.yaml", {"git": entry(GIT, tmp_path)}, below="visibility: {git: disabled}")

    assert told(run("enable", "git", "-c", config)) == [
        "git: enabled (3 tools, 1 prompt)",
        f"written to {config}; {NOBODY}",
        "git is enabled already",
    ]
    assert rules(config) == []


def test_a_server_that_does_not_come_up_is_not_enabled(tmp_path: Path) -> None:
    config = yaml_file(tmp_path / "c.yaml", {"dead": shell("exit 3", enabled=False)})
    before = config.read_bytes()

    assert run("enable", "dead", "-c", config).exit_code == 1
    assert config.read_bytes() == before
    assert run("enable", "dead", "--keep", "-c", config).exit_code == 0
    assert "dead" in load(config).servers


# --- what is known without starting anything


def keep(config: Path, server: str, *names: str) -> None:
    async def save() -> None:
        async with open_database(config.parent / "s.db") as database:
            offered = Listing({Kind.TOOL: [tool(name) for name in names]})
            await Listings(database).save(server, identity(load(config).servers[server]), offered, 1.0)

    anyio.run(save)


def test_what_the_store_knows_is_known_without_a_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAGICTUNNEL_STORE")
    mark = tmp_path / "started"
    servers = {name: shell('touch "$1"', str(mark)) for name in ("git", "web")}
    config = yaml_file(tmp_path / "c.yaml", servers, below="store: s.db")
    keep(config, "git", "log")

    assert told(run("hide", "git__log", "-c", config))[0] == "git__log: search-only, was auto"
    assert not mark.exists()
    assert run("hide", "web__fetch", "-c", config).exit_code == 2
    assert mark.exists()


# --- while a gateway runs


@pytest.mark.anyio
async def test_clients_see_it_at_once(config: Path, runtime: Path) -> None:
    env, file = own_env(runtime), ["-c", str(config)]
    async with steered(config, env) as (host, _):
        done = await ran("disable", "git__push", *file, env=env)
        assert done.err == ""
        assert re.fullmatch(
            rf"git__push: disabled, was auto\nwritten to {config}; served by gateway {host.process.pid} \(.*\)\n",
            done.out,
        )
        await host.said("config: names and filters changed")


@pytest.mark.anyio
async def test_a_host_is_told_that_its_list_has_changed(config: Path, runtime: Path) -> None:
    env = own_env(runtime)
    async with over_stdio(config, env=env) as host:
        await host.open("handshake")
        assert "git__push" in await names(host)
        await ran("hide", "git__push", "-c", str(config), env=env)
        await host.until(lambda: bool(host.heard("notifications/tools/list_changed")))
        assert "git__push" not in await names(host)
        answer = await host.request("tools/call", {"name": "git__push", "arguments": {}})
        assert "result" in answer
        await ran("disable", "git__push", "-c", str(config), env=env)
        answer = await host.request("tools/call", {"name": "git__push", "arguments": {}})
        assert "Unknown tool" in answer["error"]["message"]


async def names(host: object) -> list[str]:
    answer = await host.request("tools/list")  # type: ignore[attr-defined]
    return [one["name"] for one in answer["result"]["tools"]]


@pytest.mark.anyio
async def test_a_gateway_that_includes_the_file_is_not_said_to_go_by_its_rules(tmp_path: Path, runtime: Path) -> None:
    env = own_env(runtime)
    included = config_file(tmp_path, {"git": entry(GIT, tmp_path)})
    config = yaml_file(tmp_path / "mine.yaml", {}, below=f"include: [{included.name}]")
    async with steered(config, env):
        done = await ran("hide", "git__log", "-c", str(included), env=env)
        assert done.out.splitlines()[-1] == f"written to {included}; {NOBODY}"
        done = await ran("hide", "git__log", "-c", str(config), env=env)
        assert "served by gateway" in done.out
        await until(lambda: rules(config) == [("git__log", "search-only")])
