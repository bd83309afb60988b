import os
from pathlib import Path

import pytest

from magictunnel.capabilities.declared import NOTHING, Declared, declared, with_problems
from magictunnel.catalog.model import Visibility
from magictunnel.catalog.names import NameRules
from magictunnel.config.discovery import DISCOVERY
from magictunnel.config.load import load
from magictunnel.config.model import Config

TOOL = "tools: [{name: t, command: [echo], timeout: 5s, visibility: listed}]\n"


def _config(folder: Path, files: dict[str, str], servers: str = "{}") -> Config:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (folder / "mt.yml").write_text(f"mcpServers: {servers}\ncapabilities: ['**/*.yaml', gone.yaml]\n")
    return load(folder / "mt.yml")


def _names(found: Declared) -> list[str]:
    return list(found.files)


def test_a_file_is_called_as_it_says_or_as_it_is_called(tmp_path: Path) -> None:
    found = declared(_config(tmp_path, {"a.yaml": TOOL, "b.yaml": "name: bee\n" + TOOL}))
    assert _names(found) == ["a", "bee"]


def test_what_cannot_be_used_is_told_and_the_others_are_there(tmp_path: Path) -> None:
    found = declared(_config(tmp_path, {"a.yaml": "tolls: []\n", "b.yaml": TOOL}))
    assert _names(found) == ["b"]
    broken, gone = found.problems
    assert str(broken) == f"{tmp_path}/a.yaml:1: server 'a': tolls: unknown key (did you mean 'tools'?)"
    assert (gone.server, gone.message) == ("gone", "there is no such file")


def test_names_that_are_taken_are_told(tmp_path: Path) -> None:
    servers = "{notes: {command: x}, other: {command: x, alias: short}}"
    files = {"notes.yaml": TOOL, "short.yaml": TOOL, "c/a.yaml": TOOL, "d/a.yaml": TOOL, f"{DISCOVERY}.yaml": TOOL}
    found = declared(_config(tmp_path, files, servers))
    assert _names(found) == ["a"]
    assert sorted(problem.server for problem in found.problems) == sorted(["a", DISCOVERY, "gone", "notes", "short"])
    assert all("is the name of" in one.message for one in found.problems if one.server != "gone")


def test_what_has_become_unusable_is_as_it_was(tmp_path: Path) -> None:
    before = declared(_config(tmp_path, {"a.yaml": TOOL}))
    after = declared(_config(tmp_path, {"a.yaml": "tolls: []\n"}), before)
    assert after.files == before.files
    assert after.problems[0].server == "a"


def test_a_file_that_wants_a_name_that_is_taken_is_as_it_was(tmp_path: Path) -> None:
    before = declared(_config(tmp_path, {"a.yaml": TOOL, "b.yaml": TOOL}))
    after = declared(_config(tmp_path, {"b.yaml": "name: a\n" + TOOL}), before)
    assert after.files == before.files
    assert after.problems[0].server == "b"


def test_what_is_named_no_more_is_there_no_more(tmp_path: Path) -> None:
    before = declared(_config(tmp_path, {"a.yaml": TOOL}))
    (tmp_path / "a.yaml").unlink()
    assert _names(declared(load(tmp_path / "mt.yml"), before)) == []


def test_what_tools_say_of_themselves_is_known(tmp_path: Path) -> None:
    found = declared(_config(tmp_path, {"a.yaml": TOOL}))
    assert (found.timeout_of("a", "t"), found.timeout_of("a", "u"), found.timeout_of("b", "t")) == (5.0, None, None)
    assert found.visibility(NameRules()) == {"a__t": Visibility.LISTED}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_in_the_place_of_a_file_holds_nothing_up(tmp_path: Path) -> None:
    config = _config(tmp_path, {"a.yaml": TOOL})
    before = declared(config)
    (tmp_path / "a.yaml").unlink()
    os.mkfifo(tmp_path / "a.yaml")
    again = load(tmp_path / "mt.yml")
    assert again.declared == (str(tmp_path / "gone.yaml"),)
    after = declared(config, before)
    assert after.files == before.files
    assert after.problems[0].message == "this is no ordinary file"


def test_problems_are_told_once(tmp_path: Path) -> None:
    config = with_problems(_config(tmp_path, {"a.yaml": "tolls: []\n"}))
    assert [problem.server for problem in config.problems] == ["a", "gone"]
    assert with_problems(config) == config
    assert declared(Config()) == NOTHING
