"""Which changes of a schema break those who relied on it, and what is said of them."""

from __future__ import annotations

from typing import Any

import pytest

from magictunnel.catalog.model import Json
from magictunnel.catalog.schemas import MAX_REASONS, verdict

STRING, NUMBER, INTEGER, NULL = ({"type": name} for name in ("string", "number", "integer", "null"))


def takes(properties: Json | None = None, *required: str, **more: Any) -> Json:
    """The schema of an object."""
    return {"type": "object", "properties": properties or {}, "required": list(required)} | more


BREAKING: list[tuple[str, Any, Any, list[str]]] = [
    ("new required", takes({"a": {}}), takes({"a": {}, "b": {}}, "b"), ["new required property 'b'"]),
    ("required now", takes({"a": {}}), takes({"a": {}}, "a"), ["property 'a' is required now"]),
    ("gone", takes({"a": {}, "b": {}}), takes({"b": {}}), ["property 'a' is gone"]),
    ("all gone", takes({"a": {}}), {"type": "object"}, ["property 'a' is gone"]),
    (
        "gone and closed",
        takes({"a": {}}, additionalProperties=False),
        takes(additionalProperties=False),
        ["property 'a' is gone"],
    ),
    (
        "narrowed type",
        takes({"a": {"type": ["string", "null"]}}),
        takes({"a": STRING}),
        ["a: does not take null any more"],
    ),
    ("other type", takes({"a": STRING}), takes({"a": INTEGER}), ["a: does not take string any more"]),
    ("number to integer", NUMBER, INTEGER, ["does not take number any more"]),
    ("typed now", takes({"a": {}}), takes({"a": STRING}), ["a: takes only string now"]),
    ("enum value gone", {"enum": ["a", "b"]}, {"enum": ["a"]}, ['does not take "b" any more']),
    (
        "many gone",
        {"enum": list("abcdefgh")},
        {"enum": ["a"]},
        ['does not take "b", "c", "d", "e" and 3 more any more'],
    ),
    ("enum at all", STRING, STRING | {"enum": ["a"]}, ['takes only "a" now']),
    ("const at all", INTEGER, {"const": 1}, ["takes only 1 now"]),
    ("1 is not true", {"enum": [1]}, {"enum": [True]}, ["does not take 1 any more"]),
    ("lower maximum", {"maximum": 9}, {"maximum": 5}, ["`maximum` 9 -> 5"]),
    ("new minimum", INTEGER, INTEGER | {"minimum": 1}, ["`minimum` none -> 1"]),
    ("longer", STRING, STRING | {"minLength": 1}, ["`minLength` none -> 1"]),
    ("fewer items", {"maxItems": 9}, {"maxItems": 5}, ["`maxItems` 9 -> 5"]),
    ("unique now", {"type": "array"}, {"type": "array", "uniqueItems": True}, ["`uniqueItems` changed"]),
    ("pattern", STRING | {"pattern": "a"}, STRING | {"pattern": "b"}, ["`pattern` changed"]),
    ("format", STRING, STRING | {"format": "date"}, ["`format` changed"]),
    (
        "closed",
        takes({"a": {}}),
        takes({"a": {}}, additionalProperties=False),
        ["other properties are not accepted any more"],
    ),
    ("half closed", takes(additionalProperties=True), takes(additionalProperties=STRING), ["*: takes only string now"]),
    (
        "opened, then named",
        takes(additionalProperties=STRING),
        takes({"a": INTEGER}, additionalProperties=STRING),
        ["a: does not take string any more"],
    ),
    (
        "deep",
        takes({"a": takes({"b": STRING})}),
        takes({"a": takes({"b": NULL})}),
        ["a.b: does not take string any more"],
    ),
    ("in a list", {"items": STRING}, {"items": NULL}, ["[]: does not take string any more"]),
    ("odd name", takes({"a b": STRING}), takes({"a b": NULL}), ["'a b': does not take string any more"]),
    ("branch gone", {"anyOf": [STRING, NULL]}, STRING, ["does not take null any more"]),
    (
        "branch narrowed",
        {"anyOf": [STRING, NULL]},
        {"anyOf": [STRING | {"maxLength": 5}, NULL]},
        ["`maxLength` none -> 5"],
    ),
    ("choice", STRING, {"anyOf": [INTEGER, NULL]}, ["does not take string any more"]),
    ("exclusive choice", {"oneOf": [STRING, INTEGER]}, {"oneOf": [STRING, INTEGER, NUMBER]}, ["`oneOf` changed"]),
    ("nothing", STRING, False, ["is not accepted any more"]),
    ("a property nothing", takes({"a": {}}), takes({"a": False}), ["a: is not accepted any more"]),
    ("unknown added", STRING, STRING | {"x-own": 1}, ["`x-own` changed"]),
    ("unknown gone", STRING | {"x-own": 1}, STRING, ["`x-own` changed"]),
    ("unknown changed", STRING | {"x-own": 1}, STRING | {"x-own": True}, ["`x-own` changed"]),
    ("not", STRING | {"not": {"const": "a"}}, STRING | {"not": {"const": "b"}}, ["`not` changed"]),
    ("then", {"if": NULL}, {"if": NULL, "then": False}, ["`then` changed"]),
    ("tuples", {"prefixItems": [STRING]}, {"prefixItems": [NULL]}, ["`prefixItems` changed"]),
    ("a tuple to a list", {"prefixItems": [STRING], "items": NULL}, {"items": NULL}, ["`prefixItems` changed"]),
    ("odd shape", {"minimum": 1}, {"minimum": "1"}, ["`minimum` changed"]),
    ("draft 4", {"exclusiveMinimum": False}, {"exclusiveMinimum": True}, ["`exclusiveMinimum` changed"]),
    ("no schema", STRING, 5, ["changed"]),
    (
        "definition",
        {"$ref": "#/$defs/A", "$defs": {"A": STRING}},
        {"$ref": "#/$defs/A", "$defs": {"A": NULL}},
        ["does not take string any more"],
    ),
    ("remote", {"$ref": "https://a.example/x"}, {"$ref": "https://a.example/y"}, ["`$ref` changed"]),
    ("leads nowhere", {"$ref": "#/no", "x": 1}, {"$ref": "#/no", "x": 2}, ["`$ref` changed", "`x` changed"]),
    (
        "unevaluated",
        takes({"a": {}}, unevaluatedProperties=False),
        takes({"b": {}}, unevaluatedProperties=False),
        ["property 'a' is gone", "changed beside `unevaluated…`, which depends on all of it"],
    ),
]

COMPATIBLE: list[tuple[str, Any, Any]] = [
    ("the same", takes({"a": STRING}, "a"), takes({"a": STRING}, "a")),
    ("order", takes({"a": {}, "b": {}}, "a", "b"), takes({"b": {}, "a": {}}, "b", "a")),
    ("notes", takes({"a": {"title": "x", "default": 1}}), takes({"a": {"description": "y", "examples": []}})),
    ("dialect", takes({"a": STRING}, **{"$schema": "a"}), takes({"a": STRING}, **{"$schema": "b"})),
    ("new optional", takes({"a": STRING}), takes({"a": STRING, "b": INTEGER})),
    (
        "new optional of a closed one",
        takes(additionalProperties=False),
        takes({"b": INTEGER}, additionalProperties=False),
    ),
    ("optional now", takes({"a": {}}, "a"), takes({"a": {}})),
    ("wider type", takes({"a": INTEGER}), takes({"a": NUMBER})),
    ("nullable now", takes({"a": STRING}), takes({"a": {"type": ["string", "null"]}})),
    ("nullable in another way", {"type": ["string", "null"]}, {"anyOf": [STRING, NULL]}),
    ("and back", {"anyOf": [STRING | {"minLength": 1}, NULL]}, {"type": ["string", "null"], "minLength": 1}),
    ("untyped", STRING, {}),
    ("anything", STRING, True),
    ("nothing was taken", False, STRING),
    ("enum value more", {"enum": ["a"]}, {"enum": ["b", "a"]}),
    ("enum no more", {"type": "string", "enum": ["a"]}, STRING),
    ("enum as choice", {"enum": ["a", "b"]}, {"anyOf": [{"const": "a"}, {"const": "b"}]}),
    ("choice as enum", {"oneOf": [{"const": "a"}, {"const": "b"}]}, {"type": "string", "enum": ["a", "b"]}),
    ("boolean as values", {"type": "boolean"}, {"enum": [True, False]}),
    ("looser bounds", {"minimum": 2, "maxLength": 2}, {"minimum": 1, "maxLength": 3}),
    ("bounds of other types", STRING, STRING | {"minimum": 5, "items": False}),
    ("opened", takes(additionalProperties=False), takes()),
    ("branch more", {"anyOf": [STRING]}, {"anyOf": [NULL, STRING]}),
    ("exclusive branch more", {"oneOf": [STRING]}, {"oneOf": [STRING, NULL]}),
    (
        "told apart by a property",
        {"oneOf": [takes({"k": {"const": "a"}, "x": {}}, "k")]},
        {"oneOf": [takes({"k": {"const": "a"}, "x": {}, "y": {}}, "k"), takes({"k": {"const": "b"}}, "k")]},
    ),
    ("items wider", {"items": INTEGER}, {"items": {"anyOf": [NUMBER, NULL]}}),
    ("unknown and the same", STRING | {"x-own": 1, "maxLength": 1}, STRING | {"x-own": 1, "maxLength": 2}),
    (
        "choices and the same",
        takes({"a": {}}, anyOf=[{"required": ["a"]}]),
        takes({"a": {}, "c": INTEGER}, anyOf=[{"required": ["a"]}]),
    ),
    (
        "a note beside remote",
        {"items": {"$ref": "https://a.example/x"}},
        {"items": {"$ref": "https://a.example/x"}, "title": "x"},
    ),
    ("inlined", {"$ref": "#/$defs/A", "$defs": {"A": STRING}}, STRING),
    (
        "moved",
        {"items": {"$ref": "#/$defs/A"}, "$defs": {"A": STRING}},
        {"items": {"$ref": "#/definitions/B"}, "definitions": {"B": STRING}},
    ),
    ("joined", {"allOf": [takes({"a": {}}), {"title": "x"}]}, takes({"a": {}})),
    ("tuple and the same", {"prefixItems": [STRING], "items": INTEGER}, {"prefixItems": [STRING], "items": NUMBER}),
]


@pytest.mark.parametrize(("old", "new", "reasons"), [case[1:] for case in BREAKING], ids=[case[0] for case in BREAKING])
def test_what_takes_less_breaks_and_says_why(old: Any, new: Any, reasons: list[str]) -> None:
    assert list(verdict(old, new).reasons) == reasons
    assert verdict(old, new).is_breaking


@pytest.mark.parametrize(("old", "new"), [case[1:] for case in COMPATIBLE], ids=[case[0] for case in COMPATIBLE])
def test_what_takes_as_much_or_more_is_compatible(old: Any, new: Any) -> None:
    assert verdict(old, new).reasons == ()
    assert not verdict(old, new).is_breaking


@pytest.mark.parametrize(
    ("old", "new", "reasons"),
    [
        (takes({"a": {}}, "a"), takes({"a": {}}), ["property 'a' may be missing now"]),
        (takes({"a": {}}, "a"), takes({"b": {}}, "b"), ["property 'a' is gone"]),
        (takes({"a": {}}), takes({}), ["property 'a' is gone"]),
        (STRING, {"type": ["string", "null"]}, ["may be null now"]),
        (STRING, {}, ["may be other than string now"]),
        ({"enum": ["a"]}, {"enum": ["a", "b"]}, ['may be "b" now']),
        ({"enum": ["a"]}, STRING, ['may be other than "a" now']),
        ({"maximum": 5}, {"maximum": 9}, ["`maximum` 5 -> 9"]),
        ({"minimum": 5}, {}, ["`minimum` 5 -> none"]),
        (takes(additionalProperties=False), takes({"a": {}}, additionalProperties=False), ["a: may be there now"]),
        (takes(additionalProperties=False), takes(), ["there may be other properties now"]),
    ],
)
def test_of_results_what_says_less_breaks(old: Any, new: Any, reasons: list[str]) -> None:
    assert list(verdict(old, new, of_results=True).reasons) == reasons


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({}, takes({"a": STRING}, "a")),
        (takes({"a": {}}), takes({"a": {}, "b": {}}, "a", "b")),
        ({"type": ["string", "null"]}, STRING),
        ({"enum": ["a", "b"]}, {"enum": ["a"]}),
        ({"maximum": 9}, {"maximum": 5}),
        (takes(), takes(additionalProperties=False)),
    ],
)
def test_of_results_what_says_more_is_compatible(old: Any, new: Any) -> None:
    assert not verdict(old, new, of_results=True).is_breaking


# --- references that lead back

NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}, "value": STRING}}


def rooted(node: Json, **more: Any) -> Json:
    return {"$ref": "#/$defs/Node", "$defs": {"Node": node}} | more


def test_a_schema_that_leads_back_to_itself_is_compared_once_round() -> None:
    wider = NODE | {"properties": NODE["properties"] | {"value": {}}}
    narrower = NODE | {"properties": NODE["properties"] | {"value": NULL}}

    assert not verdict(rooted(NODE), rooted(wider)).is_breaking
    assert verdict(rooted(NODE), rooted(narrower)).reasons == ("value: does not take string any more",)


def test_what_stands_beside_a_reference_is_not_taken_for_the_reference() -> None:
    """What was found with a condition beside it does not hold for the next round without it."""
    old = rooted(NODE, minProperties=1)
    new = rooted(NODE | {"minProperties": 1})

    assert verdict(old, new).is_breaking


def test_the_same_text_means_something_else_where_its_definitions_do() -> None:
    old = takes({"a": {"items": {"$ref": "#/$defs/A"}}}, **{"$defs": {"A": STRING}})
    new = takes({"a": {"items": {"$ref": "#/$defs/A"}}}, **{"$defs": {"A": NULL}})

    assert verdict(old, new).reasons == ("a[]: does not take string any more",)


# --- hostile


def test_a_property_that_is_only_required_may_be_sent_too() -> None:
    old = {"required": ["a"], "properties": {}}

    assert verdict(old, old | {"properties": {"a": False}}).is_breaking


def test_what_is_too_deep_or_too_large_is_called_breaking_soon() -> None:
    deep: Any = STRING
    other: Any = NULL
    for _ in range(200):
        deep, other = {"items": deep}, {"items": other}
    wide = {"anyOf": [takes({f"p{at}": {"anyOf": [STRING, {"minimum": at}]}}) for at in range(400)]}
    loop = {"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"}
    pairs = [(deep, other), (wide, wide | {"title": "x", "minimum": 1}), (loop, loop | {"minimum": 1})]
    endless: Any = {}
    for _ in range(100_000):
        endless = {"not": endless}

    for old, new in [*pairs, (endless, STRING), (STRING, endless), ({"const": 10**5_000}, STRING)]:
        assert verdict(old, new).is_breaking


def test_not_more_reasons_than_one_reads() -> None:
    old = takes({f"p{at}": {} for at in range(100)})

    assert len(verdict(old, takes()).reasons) == MAX_REASONS


def test_long_names_and_values_are_cut() -> None:
    (reason,) = verdict({"enum": ["x" * 5_000]}, {"enum": ["y"]}).reasons
    (other,) = verdict(takes({"x" * 5_000: {}}), takes()).reasons

    assert len(reason) < 100
    assert len(other) < 100
