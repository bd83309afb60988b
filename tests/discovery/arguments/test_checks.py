"""Does a value fit a schema; and what a schema that was written to harm can do."""

from __future__ import annotations

from typing import Any

import pytest

from magictunnel.catalog.refs import Root
from magictunnel.discovery.arguments.checks import is_cheap, why_not


def reason(value: Any, schema: Any) -> str:
    return why_not(value, schema, Root(schema))


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        ("x", {"type": "string"}),
        (5, {"type": ["integer", "null"]}),
        (5.0, {"type": "integer"}),
        (None, {"type": ["integer", "null"]}),
        ("a", {"enum": ["a", "b"]}),
        (3, {"minimum": 3, "maximum": 3, "multipleOf": 3}),
        ("abc", {"pattern": "^[a-c]+$", "minLength": 3, "maxLength": 3}),
        ("a@b", {"format": "email"}),
        ("2025-06-12T10:00:00Z", {"format": "date-time"}),
        (["a"], {"type": "array", "items": {"type": "string"}, "minItems": 1}),
        ({"a": 1}, {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}),
        ("a", {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        ("a", {"$ref": "#/$defs/x", "$defs": {"x": {"type": "string"}}}),
        ("a", True),
        ("a", {"type": "unheard of", "format": "unheard of", "unheard": "of"}),
        ("a" * 30 + "!", {"pattern": "^(a+)+$"}),
        ("a", {"pattern": "(("}),
        ("a", {"$ref": "http://127.0.0.1:1/schema.json"}),
    ],
)
def test_what_fits(value: Any, schema: Any) -> None:
    assert reason(value, schema) == ""


@pytest.mark.parametrize(
    ("value", "schema", "why"),
    [
        (True, {"type": "integer"}, "is not of type integer"),
        ("5", {"type": "integer"}, "is not of type integer"),
        (5.5, {"type": "integer"}, "is not of type integer"),
        ("c", {"enum": ["a", "b"]}, "is none of the listed values"),
        (True, {"enum": [1]}, "is none of the listed values"),
        (2, {"const": 1}, "is not the one value"),
        (2, {"minimum": 3}, "is less than 3"),
        (3, {"exclusiveMaximum": 3}, "is more than 3"),
        (4, {"multipleOf": 3}, "is no multiple of 3"),
        ("ab", {"minLength": 3}, "is shorter than 3"),
        ("abcd", {"maxLength": 3}, "is longer than 3"),
        ("x", {"pattern": "^[a-c]+$"}, "does not match the pattern"),
        ("x", {"format": "email"}, "is no email"),
        ("x", {"format": "uri"}, "is no uri"),
        ("2025-13-01", {"format": "date"}, "is no date"),
        (["a", 1], {"items": {"type": "string"}}, "has an element that is not of type string"),
        ([], {"minItems": 1}, "has fewer than 1 elements"),
        (["a", "a"], {"uniqueItems": True}, "has an element twice"),
        ({}, {"required": ["a"]}, "lacks 'a'"),
        ({"b": 1}, {"additionalProperties": False}, "has an unknown 'b'"),
        ("a", {"anyOf": [{"type": "integer"}, {"type": "null"}]}, "fits none of the alternatives"),
        ("a", {"allOf": [{"maxLength": 3}, {"minLength": 2}]}, "is shorter than 2"),
        ("a", False, "is not accepted"),
    ],
)
def test_what_does_not(value: Any, schema: Any, why: str) -> None:
    assert reason(value, schema) == why


@pytest.mark.parametrize("pattern", ["(a+)+", "(a|a)*b", r"(x)\1", "a*b*c*d*", "a{1,99999}", "x" * 1000])
def test_patterns_that_may_never_end_are_not_tried(pattern: str) -> None:
    assert not is_cheap(pattern)


def test_a_schema_that_refers_to_itself_ends() -> None:
    schema = {"type": "object", "properties": {"x": {"$ref": "#"}}}
    value: Any = {}
    for _ in range(50):
        value = {"x": value}

    assert reason(value, schema) == ""
