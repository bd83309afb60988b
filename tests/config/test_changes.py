from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from magictunnel.config.changes import Changes, changes, identity, settled
from magictunnel.config.load import parse
from magictunnel.config.model import Config, ServerConfig, ServerSettings
from magictunnel.config.rules import merge_rules

ENTRY = {"command": "x"}
ALL = {"a": ENTRY, "b": ENTRY, "c": ENTRY}


def config(servers: dict[str, Any], **top: Any) -> Config:
    return parse(json.dumps({"mcpServers": servers, **top}), "/conf/config.yaml")


def one(entry: dict[str, Any], **top: Any) -> Config:
    """A server that keeps its entry, and one that has this."""
    made = config({"kept": ENTRY, "a": ENTRY | entry}, **top)
    assert made.problems == ()
    return made


def edited(before: dict[str, Any], after: dict[str, Any]) -> Changes:
    return changes(one(before), one(after))


# --- what changes


def test_an_equal_config_is_nothing() -> None:
    found = changes(config(ALL), config(ALL))

    assert found == Changes(kept=("a", "b", "c"))
    assert found.is_nothing


def test_servers_come_and_go() -> None:
    found = changes(config(ALL), config({"c": ENTRY, "d": ENTRY, "a": ENTRY}))

    assert (found.added, found.removed, found.restarted, found.kept) == (("d",), ("b",), (), ("c", "a"))
    assert found.rules_changed
    assert not found.is_nothing


@pytest.mark.parametrize(
    "entry",
    [
        {"command": "y"},
        {"args": ["--port"]},
        {"env": {"TOKEN": "1"}},
        {"cwd": "sub"},
        {"command": None, "url": "http://x"},
        {"type": "http", "url": "http://x"},
        {"era": "stateless"},
        {"start_timeout": 5},
        {"grace": 5},
        {"session": "per_client"},
        {"ask_timeout": 5},
        {"poll": 5},
        {"start": "lazy"},
        {"idle_timeout": 5},
        {"heartbeat": 5},
        {"concurrency": 5},
    ],
)
def test_a_server_is_restarted_by_what_its_life_depends_on(entry: dict[str, Any]) -> None:
    for found in (edited({}, entry), edited(entry, {})):
        assert (found.restarted, found.kept) == (("a",), ("kept",))
        assert not found.rules_changed


def test_headers_restart_a_server() -> None:
    before = {"command": None, "url": "http://x"}

    assert edited(before, before | {"headers": {"A": "b"}}).restarted == ("a",)
    assert edited(before | {"headers": {"A": "1", "B": "2"}}, before | {"headers": {"B": "2", "A": "1"}}).is_nothing


def test_every_setting_of_a_server_restarts_it_or_is_known_not_to() -> None:
    tried = {"start_timeout", "grace", "session", "ask_timeout", "poll", "start", "idle_timeout", "heartbeat"}

    assert set(ServerSettings.model_fields) == tried | {"concurrency", "enabled", "timeout"}


@pytest.mark.parametrize(
    "entry",
    [
        {"alias": "n"},
        {"include": ["t*"]},
        {"exclude": {"prompts": ["*"]}},
        {"tools": {"t": {"name": "u"}}},
        {"tools": {"t": {"description": "d"}}},
        {"tools": {"t": {"enabled": False}}},
    ],
)
def test_what_shapes_the_catalog_restarts_nothing(entry: dict[str, Any]) -> None:
    found = edited({}, entry)

    assert found.rules_changed
    assert found.kept == ("kept", "a")


def test_the_order_and_the_naming_shape_the_catalog() -> None:
    assert changes(config(ALL), config({"b": ENTRY, "a": ENTRY, "c": ENTRY})) == Changes(
        kept=("b", "a", "c"), rules_changed=True
    )
    assert changes(config(ALL), config(ALL, naming={"prefix": "never"})).rules_changed


@pytest.mark.parametrize(
    "entry", [{"timeout": 5}, {"tools": {"t": {"timeout": 5}}}, {"tools": {"t": {"ask_timeout": 5}}}]
)
def test_what_each_call_looks_up_changes_nothing_else(entry: dict[str, Any]) -> None:
    found = edited({}, entry)

    assert found.restarted == ()
    assert found.rules_changed == (merge_rules(one({})) != merge_rules(one(entry)))


def test_a_server_that_is_not_needed_any_more_is_restarted_to_stay_down() -> None:
    off, by_tool = {"enabled": False}, {"enabled": False, "tools": {"t": {"enabled": True}}}

    assert edited({}, off).restarted == ("a",)
    assert edited(off, {}).restarted == ("a",)
    assert edited(off, by_tool).restarted == ("a",)
    assert edited({}, by_tool).restarted == ()
    assert edited(off, off | {"command": "y"}).is_nothing


def test_defaults_count_where_a_server_does_not_say_otherwise() -> None:
    servers = {"a": ENTRY, "b": ENTRY | {"start_timeout": 5}, "c": ENTRY | {"start_timeout": 30}}

    assert changes(config(servers), config(servers, defaults={"start_timeout": 5})).restarted == ("a",)
    assert changes(config(servers), config(servers, defaults={"start_timeout": 30})).is_nothing
    assert changes(config(servers), config(servers, defaults={"timeout": 5})).is_nothing
    assert changes(config(servers), config(servers, defaults={"enabled": False})).restarted == ("a", "b", "c")


# --- what is kept in spite of a problem


def test_a_running_server_keeps_its_entry_when_the_new_one_is_a_problem() -> None:
    old = config(ALL)
    new = config({"a": ENTRY, "b": {"comand": "x"}, "d": ENTRY, "c": {"command": "y"}, "e": {}})

    now = settled(old, new)

    assert list(now.servers) == ["a", "b", "d", "c"]
    assert now.servers["b"] == old.servers["b"]
    assert now.problems == new.problems
    assert changes(old, now).restarted == ("c",)
    assert settled(now, new) == now
    assert list(settled(now, config({"a": ENTRY})).servers) == ["a"]


def test_the_first_server_keeps_its_place() -> None:
    assert list(settled(config(ALL), config(ALL | {"a": {}})).servers) == ["a", "b", "c"]
    assert list(settled(config(ALL), config({"c": ENTRY, "b": {}, "a": ENTRY})).servers) == ["c", "a", "b"]


def test_without_a_problem_nothing_is_kept() -> None:
    new = config({"a": ENTRY})

    assert settled(config(ALL), new) == new


def test_a_half_written_included_file_stops_none_of_its_servers() -> None:
    ours = "mcpServers: {own: {command: x}}\ninclude: [more.json, other.json]"
    files = {"more.json": '{"mcpServers": {"m": {"command": "x"}, "n": {"command": "x"}}}', "other.json": "{}"}
    old = parse(ours, "/conf/config.yaml", lambda path: files[path.name])
    files["more.json"] = files["more.json"][:40]
    ours = ours.replace("own:", "n: {command: mine}, own:")

    now = settled(old, broken := parse(ours, "/conf/config.yaml", lambda path: files[path.name]))

    assert list(broken.servers) == ["n", "own"]
    assert list(now.servers) == ["n", "own", "m"]
    assert now.servers["n"].command == "mine"
    assert [Path(now.file_of(name)).name for name in ("own", "n", "m")] == ["config.yaml", "config.yaml", "more.json"]
    assert now.problems == broken.problems
    assert settled(now, broken) == now
    assert "m" not in settled(now, parse(ours.partition("include")[0], "/conf/config.yaml")).servers


# --- who is who


def server(**keys: Any) -> ServerConfig:
    return ServerConfig.model_validate({"type": "stdio", "command": "x", "env": {"K": "secret"}, **keys})


@pytest.mark.parametrize(
    "keys",
    [
        {"type": "sse"},
        {"command": "y"},
        {"args": ["-v"]},
        {"cwd": "/"},
        {"url": "http://x/${A}"},
        {"env": {"K": "secret", "L": ""}},
        {"headers": {"Authorization": "a"}},
        {"era": "handshake"},
    ],
)
def test_how_it_is_reached_makes_a_server_another_one(keys: dict[str, Any]) -> None:
    assert identity(server(**keys)) != identity(server())


@pytest.mark.parametrize(
    "keys",
    [
        {"env": {"K": "other"}},
        {"timeout": 5},
        {"alias": "n"},
        {"tools": {"t": {"enabled": False}}},
        {"session": "per_client"},
    ],
)
def test_secrets_and_settings_do_not_make_a_server_another_one(keys: dict[str, Any]) -> None:
    assert identity(server(**keys)) == identity(server())


def test_the_order_of_variables_is_no_difference_and_that_of_arguments_is() -> None:
    assert identity(server(env={"A": "1", "B": "2"})) == identity(server(env={"B": "3", "A": "4"}))
    assert identity(server(headers={"A": "1"})) != identity(server(env={"K": "", "A": "1"}))
    assert identity(server(args=["a", "b"])) != identity(server(args=["b", "a"]))
    assert len(identity(server())) == 64
