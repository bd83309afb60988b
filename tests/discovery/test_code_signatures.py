"""Tools as functions: names that are legal and each one's own, types that say what the schema says, whatever it is."""

from __future__ import annotations

import ast
import keyword
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.catalog.model import Entry, Kind
from magictunnel.discovery.code import signatures
from magictunnel.discovery.code.annotations import CHECKED, SHOWN, Types
from magictunnel.discovery.code.names import KEYWORDS, identifiers
from magictunnel.discovery.code.signatures import MAX_CHECKED, checked, functions, parameters
from tests.discovery.code_tools import entry

# --- names


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["github__list-issues", "a_b"], ["github__list_issues", "a_b"]),
        (["class", "print", "match", "Any"], ["class_", "print_", "match_", "Any_"]),
        (["1st", "", "_x", "__import__"], ["x1st", "x", "x_x", "x__import__"]),
    ],
)
def test_a_name_becomes_an_identifier(names: list[str], found: list[str]) -> None:
    assert identifiers(names) == dict(zip(found, names, strict=True))


def test_of_names_that_would_share_an_identifier_none_has_it_but_the_one_that_is_it() -> None:
    alone, dash, dot = identifiers(["a_b", "a-b", "a.b"])

    assert alone == "a_b"
    assert dash != dot
    assert all(name.startswith("a_b_") and len(name) == 12 for name in (dash, dot))
    assert [*identifiers(["a-b", "a.b"])] == [dash, dot]


NAMES = st.lists(
    st.text("ab-._é1\ud800", max_size=5) | st.sampled_from(["class", "print", "x" * 65, "x" * 66]), max_size=8
)


@given(NAMES)
def test_every_name_has_an_identifier_of_its_own(names: list[str]) -> None:
    found = identifiers(names)

    assert [*found.values()] == list(dict.fromkeys(names))
    assert all(name.isidentifier() and name.isascii() and not keyword.iskeyword(name) for name in found)


@given(NAMES)
def test_the_order_of_names_decides_nothing(names: list[str]) -> None:
    assert identifiers(names) == identifiers(names[::-1])


def test_parameters_may_be_called_like_builtins_and_begin_with_a_line() -> None:
    assert [*identifiers(["type", "_id", "from", "__x"], KEYWORDS, "__")] == ["type", "_id", "from_", "x__x"]


# --- types

ODD: list[Any] = [None, 7, "string", [], True, {}, {"type": 7}, {"type": ["x"]}, {"enum": []}]


@pytest.mark.parametrize(
    ("schema", "shown", "held_to"),
    [
        ({"type": "string"}, "str", "str"),
        ({"type": "number"}, "float", "float"),
        ({"type": ["integer", "null"]}, "int | None", "int | None"),
        ({"type": "boolean", "nullable": True}, "bool | None", "bool | None"),
        ({"type": "array", "items": {"type": "number"}}, "list[float]", "Sequence[float]"),
        ({"type": "array"}, "list[Any]", "Sequence[Any]"),
        ({"type": "object", "properties": {"a": {}}}, "dict[str, Any]", "Mapping[str, Any]"),
        ({"properties": {"a": {}}}, "dict[str, Any]", "Mapping[str, Any]"),
        ({"enum": ["a", "b"]}, "Literal['a', 'b']", "str"),
        ({"enum": ["a", 1, None]}, "Literal['a', 1, None]", "None | int | str"),
        ({"const": "a\n'"}, 'Literal["a\\n\'"]', "str"),
        ({"enum": [[1]]}, "Any", "Any"),
        ({"enum": [f"value {number}" for number in range(100)]}, "str", "str"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "str | int", "str | int"),
        ({"anyOf": [{"type": "string"}, {}]}, "Any", "Any"),
        ({"allOf": [{"type": "string"}]}, "str", "str"),
        ({"type": "string", "anyOf": [{"minLength": 1}]}, "str", "str"),
        ({"$ref": "#/$defs/a"}, "int", "int"),
        ({"$ref": "#/$defs/loop"}, "list[list[list[list[Any]]]]", "Sequence[Sequence[Sequence[Sequence[Any]]]]"),
        ({"$ref": "https://elsewhere"}, "Any", "Any"),
        *((odd, "Any", "Any") for odd in ODD),
    ],
)
def test_a_schema_is_a_type(schema: Any, shown: str, held_to: str) -> None:
    defined = {"a": {"type": "integer"}, "loop": {"type": "array", "items": {"$ref": "#/$defs/loop"}}}
    types = Types({"$defs": defined, "properties": {"x": schema}})

    assert (types.of(schema, SHOWN), types.of(schema, CHECKED)) == (shown, held_to)


# --- stubs


def test_a_signature_says_what_a_model_must_know() -> None:
    tool = entry(
        "github__list-issues",
        {
            "state": {"enum": ["open", "closed"], "default": "open"},
            "n": {"type": "integer"},
            "from": {"type": "string"},
        },
        description="List issues.\nAt length.",
        outputSchema={"type": "object", "properties": {"total": {"type": "integer"}}},
    )
    tool.definition["inputSchema"]["required"] = ["n"]

    assert signatures([tool, entry("ping", {})]) == (
        "async def github__list_issues(*, n: int, state: Literal['open', 'closed'] = 'open', from_: str | None = None)"
        ' -> dict[str, Any]:\n    """List issues."""\n    # -> {\'total\': int}\n'
        "async def ping(**others: Any) -> Any: ..."
    )


def test_signatures_are_bounded_and_say_what_is_left_out() -> None:
    tools = [entry(f"tool_{number}", {"x": {"type": "string"}}) for number in range(1000)]

    text = signatures(tools, 5000)

    assert len(text) < 5100
    assert text.endswith(f"# {1000 - text.count('async def')} more are not shown")


def test_a_tool_of_a_thousand_parameters_takes_others() -> None:
    tool = entry("many", {f"p{number}": {"type": "string"} for number in range(1000)})

    assert len(parameters(tool)) == 60
    assert "**others: Any" in signatures([tool])


def test_past_some_functions_a_checker_is_told_names_alone() -> None:
    tools = functions([entry(f"tool_{number}", {}) for number in range(MAX_CHECKED + 1)])

    assert checked(tools).splitlines()[-1] == f"tool_{MAX_CHECKED}: Any"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "properties", "items", "enum", "required", "anyOf", "$ref", "default", "x", "a-b", "é"]
            ),
            inner | st.sampled_from(["string", "object", "array", "#", "#/properties/x", "inf"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.text(max_size=10), JSON, JSON, JSON)
def test_stubs_of_any_tool_are_python(name: str, schema: Any, described: Any, output: Any) -> None:
    definition = {"name": name, "inputSchema": schema, "description": described, "outputSchema": output}
    tools = [Entry(Kind.TOOL, name, "s", name, definition)]

    ast.parse(signatures(tools).encode("utf-8"))
    ast.parse(checked(functions(tools)).encode("utf-8"))


@pytest.mark.parametrize(
    "described", ['a """ b', "a\\", "\ud800", "x" * 1_000_000, "\n\n a \n b", 7, "a\u2028b", "\x00"]
)
def test_any_description_is_a_docstring(described: Any) -> None:
    text = signatures([entry("tool", {"x": {"default": described}}, description=described)])

    ast.parse(text)
    assert len(text) < 2000


def test_a_huge_or_deep_schema_is_any() -> None:
    deep: Any = {"type": "string"}
    for _ in range(100_000):
        deep = {"type": "array", "items": deep}

    for schema in (deep, {"description": "x" * 2_000_000}):
        assert signatures([entry("tool", {"x": schema})]) == "async def tool(*, x: Any = None) -> Any: ..."
