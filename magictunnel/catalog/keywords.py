"""Single keywords of JSON Schema: their shapes, the types and values they leave, and what bounds what. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from magictunnel.catalog.digest import canonical
from magictunnel.catalog.model import Json

ALL_TYPES = frozenset({"null", "boolean", "number", "string", "array", "object"})
"""Every value is of one of these; an integer is a number."""

LOWEST = ("minLength", "minItems", "minProperties")
BOUNDS = (
    *LOWEST,
    *("maxLength", "maxItems", "maxProperties"),
    *("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf"),
)
"""Keywords that are numbers which bound something."""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_schema(value: Any) -> bool:
    return isinstance(value, dict | bool)


def _is_some(value: Any) -> bool:
    return isinstance(value, list) and bool(value)


SHAPES: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(BOUNDS, _is_number),
    **dict.fromkeys(("anyOf", "oneOf", "allOf", "enum"), _is_some),
    **dict.fromkeys(("items", "additionalProperties"), _is_schema),
    **dict.fromkeys(("pattern", "format"), lambda value: isinstance(value, str)),
    "type": lambda value: isinstance(value, str) or (_is_some(value) and _is_texts(value)),
    "const": lambda _value: True,
    "required": _is_texts,
    "properties": lambda value: isinstance(value, dict),
    "uniqueItems": lambda value: isinstance(value, bool),
}
"""The keywords whose meaning we know, and whether a value is one we know it for."""

_CONCERNS = {
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "array": ("items", "minItems", "maxItems", "uniqueItems"),
    "object": ("properties", "required", "additionalProperties", "minProperties", "maxProperties"),
}
"""Keywords that only values of one type can be invalid by."""


def get(schema: Json, key: str, default: Any = None) -> Any:
    """The value of a keyword, if it is one we know the meaning of."""
    return schema[key] if key in schema and SHAPES[key](schema[key]) else default


def concerning(schema: Json, types: frozenset[str]) -> Json:
    """`schema` without keywords that values of these `types` cannot be invalid by."""
    idle = {key for name, keys in _CONCERNS.items() if name not in broad(types) for key in keys}
    return {key: value for key, value in schema.items() if key not in idle}


def broad(types: frozenset[str]) -> frozenset[str]:
    """`types` with integers as the numbers they are."""
    return frozenset("number" if name == "integer" else name for name in types)


def types_of(schema: Json) -> frozenset[str]:
    """The JSON types (and `integer`) that a value valid by `schema` can have, as far as single keywords tell."""
    named = get(schema, "type", ALL_TYPES)
    types = frozenset([named] if isinstance(named, str) else named)
    for values in _listed(schema):
        types = _common(types, frozenset(map(_type_of, values)))
    return types


def _common(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    """The types in both; of integers and numbers, that is integers."""
    return (one & other) | (
        {"integer"} if "integer" in one | other and "number" in broad(one) & broad(other) else set()
    )


def values_of(schema: Json) -> dict[str, Any] | None:
    """Canonical text -> value, of all values that can be valid by `schema` if it says which; None if it does not."""
    for values in _listed(schema):
        return {canonical(value): value for value in values}
    match sorted(types_of(schema)):
        case ["boolean"]:
            return {"false": False, "true": True}
        case ["null"]:
            return {"null": None}
        case _:
            return None


def _listed(schema: Json) -> Iterator[list[Any]]:
    if "const" in schema:
        yield [schema["const"]]
    if (values := get(schema, "enum")) is not None:
        yield values


def _type_of(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def is_bounded(key: str, limit: Any, schema: Json) -> bool:
    """Whether all that is valid by `schema` keeps the bound `key: limit`."""
    own = get(schema, key)
    match key:
        case "minimum":
            return any(low is not None and low >= limit for low in (own, get(schema, "exclusiveMinimum")))
        case "exclusiveMinimum":
            low = get(schema, "minimum")
            return (own is not None and own >= limit) or (low is not None and low > limit)
        case "maximum":
            return any(high is not None and high <= limit for high in (own, get(schema, "exclusiveMaximum")))
        case "exclusiveMaximum":
            high = get(schema, "maximum")
            return (own is not None and own <= limit) or (high is not None and high < limit)
        case "multipleOf":
            whole = isinstance(own, int) and isinstance(limit, int) and limit != 0
            return own == limit or (whole and own % limit == 0)
        case _ if key in LOWEST:
            return limit <= 0 or (own is not None and own >= limit)
        case _:
            return own is not None and own <= limit
