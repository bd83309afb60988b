"""Laws of verdicts: by a validator that others wrote, what is called compatible takes all that was taken."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from magictunnel.catalog.keywords import SHAPES
from magictunnel.catalog.refs import GROUPS, NOTES
from magictunnel.catalog.schemas import verdict
from tests.properties.offers import law

TYPES = ["null", "boolean", "number", "integer", "string", "array", "object", ["string", "null"], ["integer", "string"]]

names = st.sampled_from("abc")
OF_OBJECTS = [
    "type",
    "properties",
    "required",
    "additionalProperties",
    "anyOf",
    "allOf",
    "patternProperties",
    "if",
    "then",
]
"""Keywords that are most with each other, and so are chosen together."""

small = st.integers(0, 3)
scalars = st.sampled_from([None, True, False, 0, 1, 2, 3, 5, 1.5, "", "x", "xx", "xyz"])
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2))
objects = st.dictionaries(names, values, max_size=3)
references = st.sampled_from([{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}, {"$ref": "#/$defs/A", "minimum": 2}])
"""They stand where a part of the value is meant, or else a validator may never come to an end."""


def keywords(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects of a few keywords each."""
    part = inner | references
    some = st.lists(inner, min_size=1, max_size=2)
    strategies: dict[str, st.SearchStrategy[Any]] = {
        "type": st.sampled_from(TYPES),
        "enum": st.lists(scalars, min_size=1, max_size=3),
        "const": scalars,
        "multipleOf": st.integers(1, 3),
        "pattern": st.sampled_from(["x", "^x"]),
        "uniqueItems": st.booleans(),
        "properties": st.dictionaries(names, part, max_size=2),
        "required": st.lists(names, max_size=2, unique=True),
        "additionalProperties": part,
        "patternProperties": st.dictionaries(st.sampled_from(["a", "b|c"]), inner, max_size=1),
        "propertyNames": inner,
        "dependentRequired": st.dictionaries(names, st.lists(names, max_size=1), max_size=1),
        "dependentSchemas": st.dictionaries(names, inner, max_size=1),
        "items": part,
        "prefixItems": some,
        **dict.fromkeys(("anyOf", "oneOf", "allOf"), some),
        **dict.fromkeys(("not", "if", "then", "else", "contains", "unevaluatedItems", "unevaluatedProperties"), inner),
        **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minContains"), small),
        **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), small),
        "maxContains": st.integers(1, 3),
        "title": st.sampled_from("tu"),
        "x-own": small,
    }
    many = st.sampled_from([sorted(strategies), OF_OBJECTS, OF_OBJECTS])
    chosen = many.flatmap(lambda keys: st.lists(st.sampled_from(keys), min_size=1, max_size=4, unique=True))
    return chosen.flatmap(lambda keys: st.fixed_dictionaries({key: strategies[key] for key in keys}))


plain = st.sampled_from([True, False, {}, {"type": "string"}, {"type": "integer"}])
schemas = st.recursive(plain, keywords, max_leaves=6)
whole = st.builds(
    lambda schema, one, other: {**schema, "$defs": {"A": one, "B": other}}, keywords(schemas), schemas, schemas
)


@st.composite
def changed(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """A schema, and the same with a change or two somewhere in it; either way round."""
    old = copy.deepcopy(draw(whole))
    new = copy.deepcopy(old)
    for _ in range(draw(st.integers(1, 2))):
        place = new
        while inner := [one for one in _parts(place) if one]:
            if draw(st.booleans()):
                break
            place = draw(st.sampled_from(inner))
        if place and draw(st.booleans()):
            place.pop(draw(st.sampled_from(sorted(place))))
        if draw(st.booleans()):
            place.update(copy.deepcopy(draw(keywords(schemas))))
    return (old, new) if draw(st.booleans()) else (new, old)


def _parts(schema: dict[str, Any]) -> list[dict[str, Any]]:
    lists = [value for value in schema.values() if isinstance(value, list)]
    return [one for one in (*schema.values(), *(one for many in lists for one in many)) if isinstance(one, dict)]


def is_valid(value: Any, schema: Any) -> bool | None:
    """Whether it is; None if that cannot be told."""
    try:
        return Draft202012Validator(schema).is_valid(value)
    except Exception:  # noqa: BLE001 a change may have left a reference that leads nowhere
        return None


def is_told_of(value: Any, schema: dict[str, Any]) -> bool:
    """Whether all properties in it are named somewhere in the schema: nobody was told of others."""
    if isinstance(value, dict):
        return all(json.dumps(key) in json.dumps(schema) and is_told_of(inner, schema) for key, inner in value.items())
    return not isinstance(value, list) or all(is_told_of(inner, schema) for inner in value)


@law
@given(changed(), st.lists(values | objects, min_size=5, max_size=20))
def test_what_was_valid_and_is_not_is_never_called_compatible(pair, found) -> None:
    old, new = pair
    outside = {key: part for key, part in old.items() if key != "$defs"}
    said = old if '"$ref"' in json.dumps(outside) else outside
    lost = [one for one in found if is_told_of(one, said) and is_valid(one, old) and is_valid(one, new) is False]
    if lost:
        assert verdict(old, new).is_breaking
        assert verdict(new, old, of_results=True).is_breaking


@law
@given(whole)
def test_no_change_is_compatible(schema) -> None:
    same = dict(reversed(schema.items()))
    assert not verdict(schema, same).is_breaking
    assert not verdict(schema, same, of_results=True).is_breaking


@law
@given(whole, whole)
def test_whatever_is_valid_breaks_nobody(one, other) -> None:
    assert not verdict(one, True).is_breaking
    assert not verdict(False, other).is_breaking


keys = st.sampled_from([*sorted(SHAPES), *sorted(NOTES), *sorted(set().union(*GROUPS)), "$ref", "not", "$id", "x-own"])
odd = st.recursive(
    scalars | st.sampled_from(["#", "#/", "#/$defs/A", "#/properties/a", "#/-1", "string", float("nan"), 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys | names, inner, max_size=4),
    max_leaves=20,
)


@law
@given(odd, odd)
def test_whatever_a_server_sends_for_a_schema_there_is_a_verdict(one, other) -> None:
    for old, new in [(one, other), (other, one), (one, one)]:
        for of_results in (False, True):
            reasons = verdict(old, new, of_results=of_results).reasons
            assert all(reason and "\n" not in reason for reason in reasons)
