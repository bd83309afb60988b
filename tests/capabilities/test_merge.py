"""Merging: nothing is lost unless that was asked for, and every request goes where it went, with the same secrets."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magictunnel.capabilities.authoring.merge import Part, Strategy, merged
from magictunnel.capabilities.authoring.preview import Preview
from magictunnel.capabilities.language.model import CapabilityFile
from magictunnel.errors import ConfigError

Json = dict[str, Any]


def tool(name: str, **more: Any) -> Json:
    return {"name": name, "description": f"It is {name}.", "command": ["echo", name]} | more


def part(file: str, *tools: Json, folder: str = ".", **more: Any) -> Part:
    return Part(file, {"tools": list(tools)} | more, folder)


def names(content: Json, kind: str = "tools", key: str = "name") -> list[str]:
    CapabilityFile.model_validate(content)
    return [entry[key] for entry in content[kind]]


def test_files_without_a_clash_become_one_in_their_order() -> None:
    result = merged([part("a", tool("x"), description="A."), part("b", tool("y"), tool("z"), description="B.")])
    assert names(result.content) == ["x", "y", "z"]
    assert result.content["description"] == "A.\n\nB."
    assert result.notes == []


def test_what_is_the_same_twice_is_there_once() -> None:
    assert names(merged([part("a", tool("x")), part("b", tool("x"))]).content) == ["x"]


def test_a_clash_is_an_error_that_names_all_of_them() -> None:
    parts = [part("a", tool("x"), tool("y")), part("b", tool("x", title="X"), tool("y", title="Y"))]
    with pytest.raises(ConfigError, match="tool 'x' stands in a and, otherwise, in b; tool 'y' stands in a"):
        merged(parts)


@pytest.mark.parametrize(
    ("strategy", "titles"),
    [
        (Strategy.KEEP_FIRST, {"x": "A"}),
        (Strategy.KEEP_LAST, {"x": "B"}),
        (Strategy.RENAME, {"x": "A", "x_2": "B"}),
    ],
)
def test_a_strategy_says_what_becomes_of_a_clash(strategy: Strategy, titles: dict[str, str]) -> None:
    result = merged([part("a", tool("x", title="A")), part("b", tool("x", title="B"))], strategy)
    assert {one["name"]: one["title"] for one in result.content["tools"]} == titles
    assert len(result.notes) == 1


def test_a_new_name_is_never_one_that_is_taken() -> None:
    parts = [part("a", tool("x"), tool("x_2")), part("b", tool("x", title="B")), part("c", tool("x", title="C"))]
    assert names(merged(parts, Strategy.RENAME).content) == ["x", "x_2", "x_3", "x_4"]


def test_prompts_and_resources_clash_too_and_a_resource_cannot_be_renamed() -> None:
    def file(text: str) -> Json:
        prompt = {"name": "p", "messages": [{"text": text}]}
        return {"prompts": [prompt], "resources": [{"uri": "a://b", "name": "b", "text": text}]}

    parts = [part("a", **file("1")), part("b", **file("2"))]
    with pytest.raises(ConfigError, match="resource 'a://b' stands in a"):
        merged(parts, Strategy.RENAME)
    result = merged(parts, Strategy.KEEP_LAST)
    assert names(result.content, "resources", "uri") == ["a://b"]
    assert result.content["prompts"][0]["messages"] == [{"text": "2"}]


# --- credentials and the rest of `http`

BEARER = {"type": "bearer", "token": "${ONE}"}
OTHER = {"type": "bearer", "token": "${OTHER}"}


def request(name: str, url: str, **more: Any) -> Json:
    return {"name": name, "description": "d", "http": {"url": url} | more}


def sent(content: Json) -> dict[str, tuple[str, str | None]]:
    """Where each request goes, and with which credential."""
    file = CapabilityFile.model_validate(content)
    preview = Preview(file, lambda text, _where: text)
    told = {tool.name: preview.of(tool, {}) for tool in file.tools}
    shown = {name: one.get("http") or one.get("graphql") for name, one in told.items()}
    return {name: (one["url"], one["headers"].get("Authorization")) for name, one in shown.items()}


A = part("a", request("x", "/x"), auth={"key": BEARER}, http={"base_url": "https://a.example/v1", "auth": "key"})
B = part("b", request("y", "/y"), auth={"key": OTHER}, http={"base_url": "https://b.example", "auth": ["key"]})


@pytest.mark.parametrize("strategy", [Strategy.KEEP_FIRST, Strategy.KEEP_LAST, Strategy.RENAME])
def test_no_request_goes_elsewhere_or_carries_what_another_file_meant(strategy: Strategy) -> None:
    result = merged([A, B], strategy)
    assert sent(result.content) == sent(A.content) | sent(B.content)
    assert result.notes == ["auth 'key' of b is 'key_2' now"]


def test_credentials_that_clash_are_an_error_by_default() -> None:
    with pytest.raises(ConfigError, match="auth 'key' stands in a and, otherwise, in b"):
        merged([A, B])


def test_what_was_given_is_not_changed() -> None:
    before = deepcopy(B.content)
    merged([A, B], Strategy.RENAME)
    assert B.content == before


def test_what_all_files_have_in_common_stays_in_one_place() -> None:
    more = part("c", request("z", "/z"), auth={"key": BEARER}, http=A.content["http"])
    result = merged([A, more])
    assert result.content["http"] == A.content["http"]
    assert result.content["tools"][0]["http"] == {"url": "/x"}


def test_a_request_that_wants_no_credential_gets_none() -> None:
    quiet = part("q", request("z", "/z", auth=[]), auth={"key": OTHER}, http=B.content["http"])
    assert sent(merged([A, quiet], Strategy.RENAME).content)["z"] == ("https://b.example/z", None)


def test_graphql_steps_and_templates_keep_their_credentials() -> None:
    graph = {"name": "g", "description": "d", "graphql": {"url": "https://b.example/g", "query": "{a}"}}
    steps = {"name": "s", "steps": [{"name": "one", "http": {"url": "/s"}}]}
    template = {"uriTemplate": "b://{id}", "name": "t", "http": {"url": "/t"}}
    more = part("b", graph, steps, resourceTemplates=[template], auth={"key": OTHER}, http=B.content["http"])
    content = merged([A, more], Strategy.RENAME).content
    assert sent({**content, "tools": content["tools"][:2]})["g"] == ("https://b.example/g", "Bearer ${OTHER}")
    assert content["tools"][2]["steps"][0]["http"] == {"url": "https://b.example/s", "auth": ["key_2"]}
    assert content["resourceTemplates"][0]["http"] == {"url": "https://b.example/t", "auth": ["key_2"]}


def test_common_headers_go_into_each_request_but_not_over_its_own() -> None:
    first = part(
        "a", request("x", "https://a.example/", headers={"accept": "b"}), http={"headers": {"Accept": "a", "X": "1"}}
    )
    content = merged([first, part("b", request("y", "https://b.example/"))]).content
    assert content["tools"][0]["http"]["headers"] == {"X": "1", "accept": "b"}
    assert "headers" not in content["tools"][1]["http"]


def test_leave_to_reach_private_addresses_is_not_spread() -> None:
    private = part("p", request("z", "http://127.0.0.1/"), http={"allow_private": True})
    with pytest.raises(ConfigError, match=r"p may reach private addresses \(http.allow_private\), and a may not"):
        merged([A, private])
    content = merged([private, part("c", tool("no-request"))]).content
    assert content["http"] == {"allow_private": True}


# --- files elsewhere


def test_paths_are_as_seen_from_the_new_file() -> None:
    inside = part(
        "sub/a",
        tool("x"),
        tool("y", command={"argv": ["./run"], "cwd": "bin"}),
        {"name": "z", "python": "mine:run"},
        {"name": "s", "steps": [{"name": "one", "command": ["ls"]}]},
        folder="sub",
        resources=[{"uri": "a://b", "name": "b", "file": "b.txt"}, {"uri": "a://c", "name": "c", "directory": "/c"}],
        prompts=[{"name": "p", "messages": [{"image": "p.png"}]}],
    )
    content = merged([inside, part("b", tool("other"))]).content
    x, y, z, s, other = content["tools"]
    assert x["command"] == {"argv": ["echo", "x"], "cwd": "sub"}
    assert y["command"]["cwd"] == "sub/bin"
    assert z["python"] == {"function": "mine:run", "path": "sub"}
    assert s["steps"][0]["command"]["cwd"] == "sub"
    assert other["command"] == ["echo", "other"]
    assert [one.get("file") or one.get("directory") for one in content["resources"]] == ["sub/b.txt", "/c"]
    assert content["prompts"][0]["messages"][0]["image"] == "sub/p.png"


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from(["a", "b", "c", "d_2", "d"]), unique=True), min_size=1, max_size=4))
def test_renaming_keeps_every_tool(files: list[list[str]]) -> None:
    parts = [part(str(at), *(tool(name, title=f"{at}{name}") for name in given)) for at, given in enumerate(files)]
    content = merged(parts, Strategy.RENAME).content
    found = content.get("tools", [])
    assert sorted(one["title"] for one in found) == sorted(
        f"{at}{name}" for at, given in enumerate(files) for name in given
    )
    assert len({one["name"] for one in found}) == len(found)


# --- tools that call each other


def calls(name: str, called: str) -> Json:
    return {"name": name, "description": "d", "mcp": {"tool": called}}


def called_in(content: Json) -> dict[str, str]:
    return {one["name"]: one["mcp"]["tool"] for one in content["tools"] if "mcp" in one}


def test_tools_of_the_files_are_called_by_their_new_names() -> None:
    parts = [
        part("a.yaml", tool("x"), calls("own", "a__x")),
        part("b.yaml", tool("x", title="B"), calls("y", "second__x"), calls("z", "git__log"), name="second"),
    ]
    result = merged(parts, Strategy.RENAME, "all")
    assert called_in(result.content) == {"own": "all__x", "y": "all__x_2", "z": "git__log"}
    assert "tool 'y' calls 'second__x' by its new name, 'all__x_2'" in result.notes


def test_steps_call_by_the_new_names_too() -> None:
    steps = {"name": "s", "description": "d", "steps": [{"name": "one", "mcp": {"tool": "a__x"}}]}
    content = merged([part("a", tool("x")), part("b", steps)], name="all").content
    assert content["tools"][1]["steps"][0]["mcp"] == {"tool": "all__x"}


def test_of_a_name_made_in_another_way_it_is_told_that_it_may_be_an_old_one() -> None:
    result = merged([part("a", tool("x")), part("b", calls("y", "a.x"))], name="all")
    assert called_in(result.content) == {"y": "a.x"}
    assert result.notes == ["tool 'y' calls 'a.x'; if that is 'x' of a, write its new name"]


@pytest.mark.parametrize(
    ("limits", "limit", "notes"), [([4, 4], 4, 0), ([4, 2], 2, 1), ([None, 2], 2, 1), ([None, None], None, 0)]
)
def test_as_much_runs_at_once_as_the_file_wants_that_wants_least(
    limits: list[int | None], limit: int | None, notes: int
) -> None:
    parts = [part(str(at), tool(f"t{at}"), concurrency=one) for at, one in enumerate(limits)]
    result = merged(parts)
    assert (result.content.get("concurrency"), len(result.notes)) == (limit, notes)
