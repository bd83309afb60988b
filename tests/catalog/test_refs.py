"""Schemas with their references followed and joined, where that changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from magictunnel.catalog.model import Json
from magictunnel.catalog.refs import MAX_TEXT, NOTHING, Root, TooMuch, joined

DEFS: Json = {
    "Text": {"type": "string"},
    "Alias": {"$ref": "#/$defs/Text", "minLength": 1},
    "Loop": {"$ref": "#/$defs/Loop"},
    "a/b~c d": {"const": 1},
    "No": False,
    "List": [{"const": 2}],
}


@pytest.mark.parametrize(
    ("schema", "expanded"),
    [
        ({"type": "null"}, {"type": "null"}),
        ({"$ref": "#/$defs/Text"}, {"type": "string"}),
        ({"$ref": "#/$defs/Text", "title": "T", "maxLength": 3}, {"type": "string", "title": "T", "maxLength": 3}),
        ({"$ref": "#/$defs/Alias"}, {"type": "string", "minLength": 1}),
        ({"$ref": "#/$defs/a~1b~0c%20d"}, {"const": 1}),
        ({"$ref": "#/$defs/List/0"}, {"const": 2}),
        ({"$ref": "#/$defs/No"}, NOTHING),
        (
            {"allOf": [{"$ref": "#/$defs/Text"}, {"minLength": 2}], "title": "T"},
            {"type": "string", "minLength": 2, "title": "T"},
        ),
        ({"allOf": [True, {"allOf": [{"type": "null"}]}]}, {"type": "null"}),
        ({"allOf": [False]}, NOTHING),
        ({"required": ["a"], "allOf": [{"required": ["b"]}]}, {"required": ["a", "b"]}),
    ],
)
def test_what_can_be_followed_and_joined_is(schema: Json, expanded: Json) -> None:
    assert Root(schema | {"$defs": DEFS}).expanded(schema) == expanded


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/nowhere"},
        {"$ref": "#/$defs/List/7"},
        {"$ref": "#/$defs/List/x"},
        {"$ref": "#anchor"},
        {"$ref": "other.json#/x"},
        {"$ref": "https://example.com/x"},
        {"$ref": 5},
        {"$ref": "#/$defs/Loop"},
        {"allOf": 5},
        {"type": "string", "allOf": [{"type": "null"}]},
        {"properties": {"a": {}}, "allOf": [{"additionalProperties": False}]},
    ],
)
def test_what_cannot_stays_as_it_is(schema: Json) -> None:
    assert Root(schema | {"$defs": DEFS}).expanded(schema) == schema


def test_in_a_schema_with_more_than_one_root_nothing_is_followed() -> None:
    schema = {"$ref": "#/$defs/Text", "$defs": DEFS | {"Own": {"$id": "own"}}}

    assert Root(schema).expanded(schema) == schema


def test_beside_a_reference_older_dialects_see_nothing() -> None:
    schema = {"$ref": "#/$defs/Text", "minLength": 5}

    assert Root({"$defs": DEFS, "$schema": "http://json-schema.org/draft-07/schema#"}).expanded(schema) == {
        "type": "string"
    }


def test_what_is_too_large_or_too_tangled_is_left() -> None:
    tangle: Json = {"$defs": {f"d{at}": {"allOf": [{"$ref": f"#/$defs/d{at + 1}"}] * 2} for at in range(38)}}
    itself: Json = {"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}}

    with pytest.raises(TooMuch):
        Root({"description": "x" * MAX_TEXT})
    with pytest.raises(TooMuch):
        Root(tangle).expanded({"$ref": "#/$defs/d0"})
    with pytest.raises(TooMuch):
        Root(itself).expanded({"$ref": "#/$defs/a"})


@pytest.mark.parametrize("other", [5, "x", None, []])
def test_what_is_no_schema_is_kept_beside(other: Any) -> None:
    assert joined({"type": "null"}, other) == {"type": "null", "allOf": [other]}
