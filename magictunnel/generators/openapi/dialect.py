"""The keywords of one schema, of whichever dialect, as those of JSON Schema 2020-12. Pure."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

Json = dict[str, Any]

_TYPES = ("string", "number", "integer", "boolean", "array", "object", "null")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_schema(value: Any) -> bool:
    return isinstance(value, dict | bool)


def _is_list_of_schemas(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_schema, value))


def _is_map_of_schemas(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_schema, value.values()))


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value)


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_map_of_names(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_names, value.values()))


def _is_anything(_value: Any) -> bool:
    return True


@lru_cache(10_000)
def _is_pattern(value: Any) -> bool:
    """Whether it is one that Python's validators can use, too."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what other versions may take otherwise
            re.compile(value)
    except (Warning, re.error, TypeError, RecursionError, OverflowError):
        return False
    return True


SINGLE = frozenset(
    ("not", "if", "then", "else", "contains", "propertyNames", "items", "additionalProperties", "unevaluatedItems",
     "unevaluatedProperties", "contentSchema")
)  # fmt: skip
"""Keywords that hold a schema."""
SEVERAL = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
"""Those that hold a list of schemas."""
NAMED = frozenset(("properties", "patternProperties", "dependentSchemas"))
"""Those that hold schemas by name."""

_KEYWORDS: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(SINGLE, _is_schema),
    **dict.fromkeys(SEVERAL, _is_list_of_schemas),
    **dict.fromkeys(NAMED, _is_map_of_schemas),
    **dict.fromkeys(("title", "description", "format", "contentEncoding", "contentMediaType"), _is_text),
    **dict.fromkeys(("maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum"), _is_number),
    **dict.fromkeys(
        ("maxLength", "minLength", "maxItems", "minItems", "maxProperties", "minProperties", "maxContains",
         "minContains"), _is_count,
    ),
    **dict.fromkeys(("uniqueItems", "deprecated", "readOnly", "writeOnly"), _is_flag),
    **dict.fromkeys(("const", "default"), _is_anything),
    **dict.fromkeys(("enum", "examples"), _is_list),
    "required": _is_names, "dependentRequired": _is_map_of_names,
    "multipleOf": lambda value: _is_number(value) and value > 0,
    "pattern": lambda value: _is_text(value) and _is_pattern(value),
    "type": lambda value: _is_text(value) or _is_names(value),
}  # fmt: skip


def modern(schema: Json, *, is_old: bool, may_be_null: bool) -> Json:
    """The keywords of `schema` that JSON Schema 2020-12 knows, in its way; what they hold is as it was.

    `is_old`: it is of OpenAPI before 3.1. `may_be_null`: `nullable` also counts where no type stands beside it.
    """
    kept = {key: value for key, value in schema.items() if (fits := _KEYWORDS.get(key)) and fits(value)}
    if isinstance(schema.get("items"), list) and _is_list_of_schemas(schema["items"]):
        kept["prefixItems"] = schema["items"]
    if "required" in kept:
        kept["required"] = list(dict.fromkeys(kept["required"]))
    _keep_example(kept, schema)
    _keep_types(kept)
    if is_old:
        _bound(kept, schema, "minimum", "exclusiveMinimum")
        _bound(kept, schema, "maximum", "exclusiveMaximum")
    if schema.get("nullable") is True:
        return _nullable(kept, may_be_null=may_be_null)
    return kept


def _keep_example(kept: Json, schema: Json) -> None:
    """A short one: it is for people and models."""
    example = schema.get("example")
    if isinstance(example, str | int | float) and len(str(example)) <= 100:
        kept.setdefault("examples", [example])


def _keep_types(kept: Json) -> None:
    if "type" not in kept:
        return
    if kept["type"] == "file":
        kept["type"] = "string"
    if isinstance(kept["type"], list):
        kept["type"] = [one for one in dict.fromkeys(kept["type"]) if one in _TYPES]
    if not kept["type"] or (isinstance(kept["type"], str) and kept["type"] not in _TYPES):
        del kept["type"]


def _bound(kept: Json, schema: Json, bound: str, exclusive: str) -> None:
    """`minimum: 1, exclusiveMinimum: true` -> `exclusiveMinimum: 1`."""
    if schema.get(exclusive) is True and bound in kept:
        kept[exclusive] = kept.pop(bound)


def _nullable(kept: Json, *, may_be_null: bool) -> Json:
    if "type" in kept:
        types = kept["type"] if isinstance(kept["type"], list) else [kept["type"]]
        kept["type"] = types if "null" in types else [*types, "null"]
        if "enum" in kept and None not in kept["enum"]:
            kept["enum"] = [*kept["enum"], None]
        return kept
    return {"anyOf": [kept, {"type": "null"}]} if may_be_null and kept else kept
