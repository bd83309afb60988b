"""What changed between two listings of one server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from magictunnel.catalog.changes import Changes, EntryChange, How
from magictunnel.catalog.compare import compare
from magictunnel.catalog.model import Json, Kind, Listing

SCHEMA: Json = {"type": "object", "properties": {"text": {"type": "string"}}}


def tool(name: str, **more: Any) -> Json:
    return {"name": name, "description": f"about {name}", "inputSchema": SCHEMA} | more


def tools(*definitions: Json) -> Listing:
    return Listing({Kind.TOOL: definitions})


def of_tools(old: Json, new: Json) -> EntryChange:
    """What became of the only tool."""
    (change,) = compare(tools(old), tools(new)).entries
    return change


def seen(changes: Changes) -> list[tuple[str, str, str]]:
    return [(change.how.value, change.name, change.was) for change in changes.entries]


def lines(old: Json, new: Json) -> list[str]:
    return compare(tools(old), tools(new)).lines()


# --- which became which


def test_of_equals_nothing_changed() -> None:
    one, other = tool("a"), tool("b")

    assert not compare(tools(one, other), tools(other, dict(reversed(one.items()))))


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        (Kind.TOOL, {"name": "a"}, {"name": "b"}),
        (Kind.PROMPT, {"name": "a"}, {"name": "b"}),
        (Kind.RESOURCE, {"uri": "a:1", "name": "x"}, {"uri": "b:1", "name": "x"}),
        (Kind.TEMPLATE, {"uriTemplate": "a:{x}", "name": "x"}, {"uriTemplate": "b:{x}", "name": "x"}),
    ],
)
def test_of_every_kind_what_is_gone_and_what_has_come_is_told(kind: Kind, one: Json, other: Json) -> None:
    changes = compare(Listing({kind: [one]}), Listing({kind: [other]}))

    assert seen(changes) == [("removed", one[kind.key], ""), ("added", other[kind.key], "")]
    assert {change.kind for change in changes.entries} == {kind}
    assert changes.breaks
    assert changes.lines() == [f"removed {kind.word} {one[kind.key]}", f"added {kind.word} {other[kind.key]}"]


def test_what_has_only_come_breaks_nothing() -> None:
    assert not compare(tools(), tools(tool("a"))).breaks


def test_the_same_under_another_name_is_renamed() -> None:
    changes = compare(tools(tool("a", title="A")), tools(tool("zzz", title="Z", description="about a")))

    assert seen(changes) == [("renamed", "zzz", "a")]
    assert changes.breaks
    assert changes.lines() == ["renamed tool zzz: was a", 'changed tool zzz: title: "A" -> "Z"']


@pytest.mark.parametrize(
    "other",
    [
        tool("list_items", description="about list_item", inputSchema={}),
        tool("list_items", description="Lists."),
        tool("List-Item", description="Lists.", annotations={}),
    ],
)
def test_much_the_same_under_a_similar_name_is_renamed(other: Json) -> None:
    assert seen(compare(tools(tool("list_item")), tools(other))) == [("renamed", other["name"], "list_item")]


@pytest.mark.parametrize(
    ("gone", "come"),
    [
        ([tool("list_item")], [tool("purge", description="Deletes.")]),
        ([tool("list_item", inputSchema={})], [tool("list_items", inputSchema={})]),
        ([{"name": "a", "inputSchema": {"type": "object"}}], [{"name": "b", "inputSchema": {"type": "object"}}]),
        ([tool("a", description="x"), tool("b", description="x")], [tool("c", description="x")]),
        ([tool("a", description="x")], [tool("b", description="x"), tool("c", description="x")]),
    ],
    ids=["other name", "other description", "nothing that tells", "two gone", "two come"],
)
def test_what_may_be_another_thing_is_not_called_renamed(gone: list[Json], come: list[Json]) -> None:
    assert not compare(tools(*gone), tools(*come)).of(How.RENAMED)


def test_several_are_renamed_each_to_its_own() -> None:
    changes = compare(
        tools(tool("a_one"), tool("a_two"), tool("stays")),
        tools(tool("stays"), tool("b_two", description="about a_two"), tool("b_one", description="about a_one")),
    )

    assert seen(changes) == [("renamed", "b_two", "a_two"), ("renamed", "b_one", "a_one")]


def test_a_resource_that_moved_is_renamed() -> None:
    readme = {"uri": "file:///a", "name": "readme", "description": "Read me first.", "mimeType": "text/plain"}
    changes = compare(Listing({Kind.RESOURCE: [readme]}), Listing({Kind.RESOURCE: [readme | {"uri": "file:///b"}]}))

    assert seen(changes) == [("renamed", "file:///b", "file:///a")]


def test_what_is_listed_twice_is_two_things_whatever_their_order() -> None:
    one, other = tool("a"), tool("a", description="other")

    assert not compare(tools(one, other), tools(other, one))
    assert seen(compare(tools(one, other), tools(one))) != []
    assert seen(compare(tools(one), tools(one, one))) == [("added", "a", "")]


@pytest.mark.parametrize("odd", [{}, {"name": None}, {"name": 5}, {"name": ["x"]}])
def test_what_has_no_name_is_told_all_the_same(odd: Json) -> None:
    assert seen(compare(tools(), tools(odd))) == [("added", "(without a name)", "")]


def test_ten_thousand_that_went_and_came_are_compared_in_time() -> None:
    gone = tools(*(tool(f"old_{at}", description="x") for at in range(10_000)))
    come = tools(*(tool(f"new_{at}", description="x") for at in range(10_000)))

    assert len(compare(gone, come).entries) == 20_000


# --- what changed of it


def test_texts_are_shown_as_they_were_and_are() -> None:
    change = of_tools(tool("a", description="old"), tool("a", description="new", title="T"))

    assert [(part.name, part.values, part.breaks) for part in change.parts] == [
        ("description", {"was": "old", "now": "new"}, None),
        ("title", {"now": "T"}, None),
    ]
    assert not change.breaks
    assert lines(tool("a", description="old"), tool("a", description="new")) == [
        'changed tool a: description: "old" -> "new"'
    ]


def test_a_schema_has_a_verdict_with_its_reasons() -> None:
    required = tool("a", inputSchema=SCHEMA | {"required": ["text"]})

    assert lines(tool("a"), required) == ["changed tool a: inputSchema (breaking): property 'text' is required now"]
    assert lines(required, tool("a")) == ['changed tool a: inputSchema (compatible): required: ["text"] -> none']
    assert of_tools(tool("a"), required).breaks
    assert not of_tools(required, tool("a")).breaks


def test_of_results_the_verdict_is_the_other_way_round() -> None:
    required = tool("a", outputSchema=SCHEMA | {"required": ["text"]})
    optional = tool("a", outputSchema=SCHEMA)

    assert not of_tools(optional, required).breaks
    assert of_tools(required, optional).breaks
    assert not of_tools(tool("a"), required).breaks
    assert of_tools(required, tool("a")).breaks


@pytest.mark.parametrize(
    ("old", "new", "breaks"),
    [
        ({"readOnlyHint": True}, {"readOnlyHint": False}, True),
        ({"readOnlyHint": True}, None, True),
        ({"idempotentHint": True}, {}, True),
        ({"destructiveHint": False}, {"destructiveHint": True}, True),
        ({"destructiveHint": False}, {}, True),
        ({}, {"readOnlyHint": True}, False),
        (None, {"destructiveHint": False}, False),
        ({"readOnlyHint": False}, {"readOnlyHint": True, "idempotentHint": True}, False),
        ({}, {"destructiveHint": True}, None),
        ({"title": "x"}, {"title": "y"}, None),
        ({}, {"openWorldHint": True}, None),
        ("odd", {"readOnlyHint": True}, False),
        (None, None, None),
    ],
)
def test_a_tool_that_takes_back_that_it_is_harmless_breaks(old: Any, new: Any, breaks: bool | None) -> None:
    one, other = ({} if hints is None else {"annotations": hints} for hints in (old, new))
    change = of_tools(tool("a", x=1) | one, tool("a", x=2) | other)
    (part,) = [part for part in change.parts if part.name == "annotations"] or [None]

    assert (part and part.breaks) == breaks


def test_every_hint_that_changed_is_named() -> None:
    old, new = {"readOnlyHint": True, "title": "x"}, {"idempotentHint": True, "title": "x"}

    assert lines(tool("a", annotations=old), tool("a", annotations=new)) == [
        "changed tool a: annotations (breaking): readOnlyHint: true -> none",
        "changed tool a: annotations (breaking): idempotentHint: none -> true",
    ]
    assert lines(tool("a"), tool("a", annotations=new)) == [
        "changed tool a: annotations (compatible): idempotentHint: none -> true",
        'changed tool a: annotations (compatible): title: none -> "x"',
    ]


def prompt(*arguments: Json) -> Listing:
    return Listing({Kind.PROMPT: [{"name": "p", "arguments": list(arguments)}]})


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (prompt(), prompt({"name": "a", "required": True}), "new required argument 'a'"),
        (prompt({"name": "a"}), prompt({"name": "a", "required": True}), "argument 'a' is required now"),
        (prompt({"name": "a"}), prompt(), "argument 'a' is gone"),
        (prompt(), prompt({"name": "a"}), None),
        (prompt({"name": "a", "required": True}), prompt({"name": "a"}), None),
        (prompt({"name": "a"}), prompt({"name": "a", "description": "x"}), None),
    ],
)
def test_arguments_of_a_prompt_have_a_verdict_too(old: Listing, new: Listing, reason: str | None) -> None:
    (line,) = compare(old, new).lines()

    assert line.startswith(f"changed prompt p: arguments ({'breaking' if reason else 'compatible'}): {reason or ''}")


@pytest.mark.parametrize("odd", [None, 5, "x", {"a": 1}, [None], [{"name": None}], [{"name": ["x"]}]])
def test_odd_fields_are_compared_like_any_other(odd: Any) -> None:
    for field in ("arguments", "inputSchema", "outputSchema", "annotations", "description", "_meta"):
        for kind in Kind:
            plain, strange = {kind.key: "x", field: {}}, {kind.key: "x", field: odd}
            for old, new in [(plain, strange), (strange, plain)]:
                (change,) = compare(Listing({kind: [old]}), Listing({kind: [new]})).entries
                assert [part.name for part in change.parts] == [field]


def test_what_a_server_says_of_itself_is_compared_too() -> None:
    old = Listing({}, {"tools": {}}, "Be brief.", {Kind.TOOL: {"ttlMs": 1}})
    new = Listing({}, {"tools": {"listChanged": True}}, "Be kind.", {})
    changes = compare(old, new)

    assert changes
    assert not changes.breaks
    assert changes.lines() == [
        "changed the server: capabilities: tools.listChanged: none -> true",
        'changed the server: instructions: "Be brief." -> "Be kind."',
        "changed the server: hints of tools: ttlMs: 1 -> none",
    ]


def test_as_json_it_is_whole() -> None:
    old = Listing({Kind.TOOL: [tool("a"), tool("c")]}, instructions="x")
    new = Listing({Kind.TOOL: [tool("b", description="about a"), tool("c", inputSchema={})]}, instructions="y")
    whole = compare(old, new).as_json()

    assert json.loads(json.dumps(whole)) == whole
    assert whole == {
        "breaking": True,
        "entries": [
            {"change": "renamed", "kind": "tool", "name": "b", "was": "a"},
            {
                "change": "changed",
                "kind": "tool",
                "name": "c",
                "parts": [
                    {
                        "part": "inputSchema",
                        "verdict": "compatible",
                        "lines": ['type: "object" -> none', 'properties: {"text":{"type":"string"}} -> none'],
                        "was": SCHEMA,
                        "now": {},
                    }
                ],
            },
        ],
        "server": [{"part": "instructions", "lines": ['"x" -> "y"'], "was": "x", "now": "y"}],
    }
