from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from magictunnel.config.load import MAX_INCLUDES, load, parse
from magictunnel.config.model import Config
from magictunnel.config.text import read_text
from magictunnel.errors import ConfigError

OURS = "/home/me/magictunnel-config.yaml"
CURSOR = '{"mcpServers": {"a": {"command": "x"}, "b": {"url": "http://b"}}, "theme": "dark"}'
VS_CODE = '{\n  // mine\n  "servers": {"c": {"type": "stdio", "command": "z", "cwd": "sub"},},\n}'


def reader(files: Mapping[str, str]) -> Callable[[Path], str]:
    """Reads from `files`, which stand in the folder of our own."""

    def read(path: Path) -> str:
        if path.parent != Path(OURS).parent or path.name not in files:
            return read_text(path / "is" / "not" / "there")
        return files[path.name]

    return read


def ours(text: str, **files: str) -> Config:
    """Our file, and those beside it: `a_json` stands for a.json."""
    return parse(text, OURS, reader({name.replace("_", "."): content for name, content in files.items()}))


def beside(name: str) -> str:
    return f"/home/me/{name}"


def test_servers_of_other_files_come_after_ours_in_order() -> None:
    config = ours(
        "include: [cursor.json, code.json]\nmcpServers: {own: {command: y}}\ndefaults: {timeout: 5}\n",
        cursor_json=CURSOR,
        code_json=VS_CODE,
    )

    assert list(config.servers) == ["own", "a", "b", "c"]
    assert (config.problems, config.notes) == ((), ())
    assert config.files == (OURS, beside("cursor.json"), beside("code.json"))
    assert [config.file_of(name) for name in config.servers] == [OURS, *config.files[1:2] * 2, beside("code.json")]
    assert config.defaults.timeout == 5


def test_a_file_of_ours_may_have_nothing_but_includes() -> None:
    assert list(ours("include: [c.json]", c_json=CURSOR).servers) == ["a", "b"]
    assert ours("include: []\nmcpServers: {}").files == (OURS,)
    assert ours("include:\nmcpServers: {}").files == (OURS,)
    with pytest.raises(ConfigError, match="has no `mcpServers`"):
        ours("include: []")


def test_each_file_is_read_as_the_kind_it_is() -> None:
    config = ours(
        "include: [code.json, more.yaml]",
        code_json=VS_CODE,
        more_yaml="mcpServers: {d: {command: x, cwd: sub}, e: {command: x, argz: []}}",
    )

    assert config.servers["c"].cwd == "sub"
    assert config.servers["d"].cwd == beside("sub")
    (problem,) = config.problems
    assert (problem.server, problem.file) == ("e", beside("more.yaml"))
    assert "did you mean 'args'?" in problem.hint
    assert config.file_of("e") == beside("more.yaml")


def test_a_name_that_is_taken_is_left_out_with_a_note() -> None:
    config = ours(
        "include: [one.json, two.json]\nmcpServers: {b: {command: mine, enabled: false}, a: {command: []}}",
        one_json=CURSOR,
        two_json='{"mcpServers": {"n": {"command": "x"}, "b": {"command": "y"}}}',
    )

    assert list(config.servers) == ["b", "n"]
    assert config.servers["b"].command == "mine"
    assert [problem.server for problem in config.problems] == ["a"]
    assert config.notes == (
        f"{beside('one.json')}: server 'a' is left out, because {OURS} has one of that name",
        f"{beside('one.json')}: server 'b' is left out, because {OURS} has one of that name",
        f"{beside('two.json')}: server 'b' is left out, because {OURS} has one of that name",
    )
    assert [included.servers for included in config.include] == [(), ("n",)]


def test_an_alias_that_is_taken_is_a_problem_of_its_server() -> None:
    config = ours("include: [c.json]\nmcpServers: {x: {command: y, alias: a}}", c_json=CURSOR)

    assert list(config.servers) == ["x", "b"]
    assert [problem.file for problem in config.problems] == [beside("c.json")]


def test_magictunnel_in_a_hosts_file_takes_no_name() -> None:
    us = '{"mcpServers": {"mt": {"command": "magictunnel", "args": ["serve"]}}}'

    config = ours("include: [a.json, b.json]", a_json=us, b_json=us.replace('"magictunnel"', '"x"'))

    assert list(config.servers) == ["mt"]
    assert "is MagicTunnel itself" in config.notes[0]


def test_a_file_that_is_missing_costs_only_its_own_servers() -> None:
    config = ours("mcpServers: {own: {command: y}}\ninclude:\n  - gone.json\n  - c.json\n", c_json=CURSOR)

    assert list(config.servers) == ["own", "a", "b"]
    (problem,) = config.problems
    assert problem.server == ""
    assert str(problem) == problem.placed
    assert str(problem) == f"{OURS}:3: include.0: {beside('gone.json')}: there is no such file (check the path)"
    assert [included.is_read for included in config.include] == [False, True]
    assert config.files == (OURS, beside("gone.json"), beside("c.json"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"mcpServers": {\n"a": {', "more.json:2: not valid JSON"),
        ('{"theme": "dark"}', "more.json:1: has no `mcpServers`"),
        ('{\n"mcpServers": []}', "more.json:2: mcpServers: should be a mapping"),
        ("", f"{OURS}:1: include.0: {beside('more.json')}: is empty"),
    ],
)
def test_a_file_that_is_broken_costs_only_its_own_servers(text: str, said: str) -> None:
    config = ours("include: [more.json, c.json]", more_json=text, c_json=CURSOR)

    assert list(config.servers) == ["a", "b"]
    (problem,) = config.problems
    assert said in str(problem)
    assert len(str(problem).splitlines()) == 1


def test_only_servers_are_taken_from_an_included_file() -> None:
    config = ours(
        "include: [more.yaml, c.json]",
        more_yaml="mcpServers: {d: {command: x}}\nnaming: {prefix: never}\ndefaults: {timeout: 1}\ninclude: [c.json]\n",
        c_json='{"mcpServers": {}, "servers": {"x": {}}, "start_wait": 5}',
    )

    assert (list(config.servers), config.naming.prefix, config.defaults.timeout) == (["d"], "always", None)
    assert config.notes == (
        f"{beside('more.yaml')}: ignored: naming, defaults, include (only its servers count)",
        f"{beside('c.json')}: ignored: servers, because the file has mcpServers too",
        f"{beside('c.json')}: ignored: start_wait (only its servers count)",
    )


def test_an_unknown_key_in_an_included_file_of_ours_is_told() -> None:
    (problem,) = ours("include: [more.yaml]", more_yaml="mcpServers: {}\nnameing: {}").problems

    assert (problem.server, problem.line, problem.hint) == ("", 2, "did you mean 'naming'?")


def test_a_file_is_included_once_and_never_in_itself() -> None:
    config = ours("include: [c.json, ./c.json, ../me/magictunnel-config.yaml]", c_json=CURSOR)

    assert list(config.servers) == ["a", "b"]
    assert config.files == (OURS, beside("c.json"))
    assert [note.rpartition(", ")[0] for note in config.notes] == [
        "ignored: include './c.json'",
        "ignored: include '../me/magictunnel-config.yaml'",
    ]


def test_paths_start_at_home_at_the_root_or_in_the_folder_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for folder, name in (("home", "h"), ("conf", "c"), ("else", "e")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mcp.json").write_text(f'{{"mcpServers": {{"{name}": {{"command": "x"}}}}}}')
    config = tmp_path / "conf" / "config.yaml"
    config.write_text(f"include: [~/mcp.json, mcp.json, {tmp_path}/else/mcp.json]\n")

    assert list(load(config).servers) == ["h", "c", "e"]
    monkeypatch.chdir(tmp_path / "conf")
    assert list(load(Path("config.yaml")).servers) == ["h", "c", "e"]


def test_a_hosts_file_includes_nothing() -> None:
    config = parse('{"mcpServers": {}, "include": ["c.json"]}', "mcp.json", reader({"c.json": CURSOR}))

    assert (config.files, config.servers) == (("mcp.json",), {})
    assert "include" in config.notes[0]


@pytest.mark.parametrize(
    ("include", "said"),
    [
        ("c.json", "include: should be a list"),
        ("[1]", "include.0: should be the path of a file"),
        ("['']", "include.0: should be the path of a file"),
        (str([f"{n}.json" for n in range(MAX_INCLUDES + 1)]), "include: should be at most 32 files"),
    ],
)
def test_an_include_that_is_no_list_of_paths_is_fatal(include: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"{OURS}:1: {said}"):
        ours(f"include: {include}")


def test_what_cannot_be_a_file_is_a_problem() -> None:
    config = parse('include: [".", "a\\0b"]', OURS)

    assert [problem.line for problem in config.problems] == [1, 1]
