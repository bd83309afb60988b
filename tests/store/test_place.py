"""Which file the store is."""

from __future__ import annotations

from pathlib import Path

import pytest

from magictunnel.config.model import Config
from magictunnel.store.place import store_path, words_path

HOME = {"HOME": "/home/me"}


@pytest.mark.parametrize(
    ("store", "named", "expected"),
    [
        ("/var/mine.db", None, "/var/mine.db"),
        ("mine.db", None, "/etc/tunnel/mine.db"),
        ("../mine.db", None, "/etc/tunnel/../mine.db"),
        ("~/mine.db", None, "/home/me/mine.db"),
        ("off", None, None),
        (" OFF ", None, None),
        ("/var/mine.db", "/tmp/other.db", "/tmp/other.db"),
        ("/var/mine.db", "other.db", "other.db"),
        ("/var/mine.db", "~/other.db", "/home/me/other.db"),
        ("/var/mine.db", "off", None),
        ("off", "/tmp/other.db", "/tmp/other.db"),
        ("off", "", None),
        ("./off", None, "/etc/tunnel/off"),
    ],
)
def test_the_environment_wins_over_the_config(store: str, named: str | None, expected: str | None) -> None:
    environ = HOME if named is None else HOME | {"MAGICTUNNEL_STORE": named}

    assert store_path(Config(store=store, file="/etc/tunnel/c.yaml"), environ) == (expected and Path(expected))


def test_without_either_it_is_where_programs_keep_their_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    path = store_path(Config(), HOME)

    assert path
    assert (path.name, path.parent.name) == ("store.db", "magictunnel")
    assert path.is_absolute()


def test_a_config_that_was_named_without_a_folder_has_the_current_one() -> None:
    assert store_path(Config(store="mine.db", file="c.yaml"), HOME) == Path("mine.db")


def test_without_a_home_a_tilde_is_a_name() -> None:
    assert store_path(Config(store="~/x", file="/etc/c.yaml"), {}) == Path("/etc/~/x")


def test_what_a_host_is_told_at_once_is_kept_beside_it_for_each_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    monkeypatch.chdir("/")
    usual, named = words_path("/etc/c.yaml", {}), words_path("/etc/c.yaml", {"MAGICTUNNEL_STORE": "/tmp/other.db"})

    assert usual is not None
    assert named is not None
    assert (usual.parent, named.parent) == (Path("/state/magictunnel/first"), Path("/tmp/first"))
    assert usual.name == named.name
    assert words_path("etc/c.yaml", {}) == words_path("/etc/../etc/c.yaml", {}) == usual
    assert words_path("/etc/d.yaml", {}) != usual
    assert words_path("/etc/c.yaml", {"MAGICTUNNEL_STORE": "off"}) is None
