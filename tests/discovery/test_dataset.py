"""Labelled requests and tools as they are read from a folder; what is wrong is told with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from magictunnel.catalog.model import Json, Kind
from magictunnel.discovery.dataset import MAX_LINE, read_queries, read_tools
from magictunnel.errors import ConfigError

QUERY = {"id": "1", "query": "log in", "gold": ["s/a"]}


def written(folder: Path, name: str, *lines: Json | str) -> Path:
    """The folder, with a file of these lines."""
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (folder / f"{name}.jsonl").write_text("\n".join(texts), encoding="utf-8")
    return folder


def test_a_request_needs_little_and_may_say_more(tmp_path: Path) -> None:
    more = {
        "id": "2",
        "query": "日本",
        "gold": ["s/a", "s/b"],
        "need": [["s/a"], ["s/b"]],
        "suite": "x",
        "profile": "p",
    }
    one, other = read_queries(
        written(
            tmp_path, "queries", QUERY, "", more | {"source": 7, "args": [{"tool": "s/a", "arguments": {"n": 5}}]}, "\n"
        )
    )

    assert (one.gold, one.need, one.suite, one.is_single) == ({"s/a"}, ({"s/a"},), "", True)
    assert (other.query, other.need, other.profile, other.is_single) == ("日本", ({"s/a"}, {"s/b"}), "p", False)
    assert (one.calls, other.calls) == ((), (("s/a", {"n": 5}),))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "this line is no JSON"),
        ("[1]", "this line should be a JSON object of 8 MiB at most"),
        ("[" * 100_000, "this line is no JSON"),
        ({"id": "2", "query": "x"}, "gold: Field required"),
        ({"id": 2, "query": "x", "gold": ["a"]}, "id: Input should be a valid string"),
        ({"id": "2", "query": None, "gold": ["a"]}, "query: Input should be a valid string"),
        ({"id": "2", "query": "x", "gold": []}, "gold: List should have at least 1 item"),
        ({"id": "2", "query": "x", "gold": ["a"], "need": [[]]}, "need.0: List should have at least 1 item"),
        ({"id": "2", "query": "x", "gold": ["a"], "args": [{"tool": "a"}]}, "args.0.arguments: Field required"),
        (QUERY, "there is a request '1' already"),
    ],
)
def test_a_line_that_is_none_is_told_with_its_number(line: Json | str, why: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_queries(written(tmp_path, "queries", QUERY, "", line))

    assert str(caught.value).startswith(f"{tmp_path}/queries.jsonl:3: {why}")
    assert len(str(caught.value).splitlines()) == 1


def test_a_line_without_end_is_not_read_to_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"queries.jsonl:1: .*8 MiB at most"):
        read_queries(written(tmp_path, "queries", '"' + "x" * MAX_LINE + '"'))


def test_a_folder_without_requests_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"it cannot be read: No such file .*name a folder that has queries.jsonl"):
        read_queries(tmp_path)
    with pytest.raises(ConfigError, match="there is no request in it"):
        read_queries(written(tmp_path, "queries", ""))


def test_tools_are_offered_by_their_servers_in_their_profiles(tmp_path: Path) -> None:
    assert read_tools(tmp_path) is None
    tool = {"name": "a", "description": "does a", "input_schema": {"type": "object"}}
    lines = [
        tool | {"server": "s"},
        tool | {"server": "s", "profile": "p"},
        {"server": "t", "name": "b", "profile": "p"},
    ]
    offered = read_tools(written(tmp_path, "tools", *lines))

    assert offered is not None
    assert {profile: list(servers) for profile, servers in offered.items()} == {"": ["s"], "p": ["s", "t"]}
    assert offered["p"]["s"].entries[Kind.TOOL] == (
        {"name": "a", "description": "does a", "inputSchema": {"type": "object"}},
    )
    assert offered["p"]["t"].entries[Kind.TOOL] == ({"name": "b"},)


def test_a_tool_without_a_server_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"tools.jsonl:1: server: Field required"):
        read_tools(written(tmp_path, "tools", {"name": "a"}))
