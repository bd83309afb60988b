"""What single keywords leave of all values."""

from __future__ import annotations

from typing import Any

import pytest

from magictunnel.catalog.keywords import ALL_TYPES, BOUNDS, SHAPES, concerning, get, is_bounded, types_of, values_of
from magictunnel.catalog.model import Json


@pytest.mark.parametrize(
    ("schema", "types"),
    [
        ({}, ALL_TYPES),
        ({"type": "string"}, {"string"}),
        ({"type": ["string", "null"]}, {"string", "null"}),
        ({"type": 5}, ALL_TYPES),
        ({"type": []}, ALL_TYPES),
        ({"enum": ["a", None]}, {"string", "null"}),
        ({"const": []}, {"array"}),
        ({"const": {}}, {"object"}),
        ({"const": True}, {"boolean"}),
        ({"const": 1}, {"integer"}),
        ({"const": 1.5}, {"number"}),
        ({"type": "number", "enum": [1, 2]}, {"integer"}),
        ({"type": "integer", "enum": [1.0]}, {"integer"}),
        ({"type": ["string", "integer"], "enum": ["a", "b"]}, {"string"}),
        ({"type": "string", "const": 1}, set()),
    ],
)
def test_types(schema: Json, types: set[str]) -> None:
    assert types_of(schema) == types


@pytest.mark.parametrize(
    ("schema", "values"),
    [
        ({"enum": ["a", 1]}, ['"a"', "1"]),
        ({"const": None}, ["null"]),
        ({"type": "boolean"}, ["false", "true"]),
        ({"type": "null"}, ["null"]),
        ({"type": "string"}, None),
        ({"enum": []}, None),
        ({}, None),
    ],
)
def test_values(schema: Json, values: list[str] | None) -> None:
    found = values_of(schema)

    assert (found and list(found)) == values


@pytest.mark.parametrize(
    ("key", "limit", "schema", "holds"),
    [
        ("minimum", 1, {"minimum": 1}, True),
        ("minimum", 1, {"exclusiveMinimum": 1}, True),
        ("minimum", 1, {"minimum": 0}, False),
        ("minimum", 1, {}, False),
        ("minimum", 1, {"minimum": "5"}, False),
        ("minimum", 1, {"minimum": True}, False),
        ("exclusiveMinimum", 1, {"minimum": 1}, False),
        ("exclusiveMinimum", 1, {"minimum": 1.5}, True),
        ("exclusiveMinimum", 1, {"exclusiveMinimum": 1}, True),
        ("maximum", 1, {"maximum": 1}, True),
        ("maximum", 1, {"exclusiveMaximum": 1}, True),
        ("maximum", 1, {"maximum": 2}, False),
        ("exclusiveMaximum", 1, {"maximum": 1}, False),
        ("exclusiveMaximum", 1, {"maximum": 0}, True),
        ("multipleOf", 2, {"multipleOf": 4}, True),
        ("multipleOf", 4, {"multipleOf": 2}, False),
        ("multipleOf", 0.5, {"multipleOf": 0.5}, True),
        ("multipleOf", 0, {"multipleOf": 2}, False),
        ("minLength", 0, {}, True),
        ("minLength", 2, {"minLength": 2}, True),
        ("minItems", 2, {"minItems": 1}, False),
        ("maxItems", 2, {"maxItems": 1}, True),
        ("maxItems", 2, {}, False),
        ("minimum", float("nan"), {"minimum": 5}, False),
        ("minimum", 10**400, {"minimum": 1e308}, False),
    ],
)
def test_bounds(key: str, limit: float, schema: Json, holds: bool) -> None:
    assert is_bounded(key, limit, schema) is holds


def test_keywords_that_a_type_cannot_offend_are_left_out() -> None:
    schema: Json = {"minLength": 1, "minimum": 1, "items": {}, "required": [], "enum": [], "x-own": 1}

    assert concerning(schema, frozenset({"string"})).keys() == {"minLength", "enum", "x-own"}
    assert concerning(schema, frozenset({"integer"})).keys() == {"minimum", "enum", "x-own"}
    assert concerning(schema, ALL_TYPES) == schema


@pytest.mark.parametrize("key", sorted(SHAPES.keys() - {"const"}))
@pytest.mark.parametrize("value", [None, {"a": object()}, ["x", 1], "", -1])
def test_a_value_of_another_shape_is_as_good_as_none(key: str, value: Any) -> None:
    fitting = {
        dict: ("properties", "items", "additionalProperties"),
        list: ("anyOf", "oneOf", "allOf", "enum"),
        str: ("type", "pattern", "format"),
        int: BOUNDS,
    }

    assert (get({key: value}, key) is None) == (key not in fitting.get(type(value), ()))
