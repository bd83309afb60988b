"""A JSON Schema with its local references followed and its `allOf` joined, where that changes nothing. Pure."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from magictunnel.catalog.digest import canonical
from magictunnel.catalog.model import Json

MAX_TEXT = 1_000_000
"""Characters of a schema that is looked into."""
MAX_WORK = 5_000_000
"""Characters of schemas that are looked at in all, each as often as it is."""
MAX_DEPTH = 40

NOTES = frozenset(
    {"title", "description", "default", "examples", "example", "$comment", "deprecated", "readOnly", "writeOnly"}
    | {"$schema", "$id", "$anchor", "$defs", "definitions"}
)
"""Keywords that say nothing about which values are valid."""
GROUPS = (
    frozenset({"properties", "patternProperties", "additionalProperties", "unevaluatedProperties"}),
    frozenset({"items", "prefixItems", "additionalItems", "unevaluatedItems"}),
    frozenset({"contains", "minContains", "maxContains"}),
    frozenset({"if", "then", "else"}),
)
"""Keywords that mean something only together with those beside them."""
NOTHING: Json = {"not": {}}
"""What no value is valid by, as an object; the schema `false`."""

_REFERENCE = re.compile(r'"\$ref":"([^"]*)"')
_ELSEWHERE = re.compile(r'"\$(?:dynamicRef|recursiveRef|anchor|dynamicAnchor|id)":')


class TooMuch(Exception):
    """A schema is too large, or too tangled, to be looked into."""


class Root:
    """A whole schema: what the references inside it lead to, and the work that looking into it has been."""

    def __init__(self, schema: Any) -> None:
        self.schema = schema
        self.work = 0
        named = isinstance(schema, dict) and "$id" in schema
        text = self.text(schema)
        if len(text) > MAX_TEXT:
            raise TooMuch
        self.follows = len(_ELSEWHERE.findall(text)) == int(named)
        """Whether `#` leads to this schema wherever in it a reference stands."""
        self.dialect = str(schema.get("$schema", "")) if isinstance(schema, dict) else ""
        self.definitions = self._definitions(text)

    def text(self, part: Any) -> str:
        """The canonical text of a part. Raises TooMuch."""
        text = canonical(part)
        self.work += len(text) + 500
        if self.work > MAX_WORK:
            raise TooMuch
        return text

    def expanded(self, schema: Json, depth: int = 0) -> Json:
        """`schema` as one object of keywords. What cannot be followed or joined stays as `$ref` or `allOf` in it."""
        if depth > MAX_DEPTH:
            raise TooMuch
        self.text(schema)
        for _ in range(MAX_DEPTH):
            target = self._target(schema.get("$ref"))
            if target is None:
                break
            alone = self.dialect.startswith("http://json-schema.org/draft-0")  # there, what stands beside it is void
            schema = joined({} if alone else without(schema, "$ref"), target)
        members = schema.get("allOf")
        if not isinstance(members, list):
            return schema
        schema = without(schema, "allOf")
        for member in members:
            schema = joined(schema, self.expanded(member, depth + 1) if isinstance(member, dict) else member)
        return schema

    def _target(self, reference: Any) -> Any:
        """What a reference of this very schema leads to; None if it leads nowhere, or away."""
        if not self.follows or not isinstance(reference, str) or not (reference + "/").startswith("#/"):
            return None
        found = self.schema
        for step in unquote(reference).split("/")[1:]:
            found = _member(found, step.replace("~1", "/").replace("~0", "~"))
        return found if isinstance(found, dict | bool) else None

    def _definitions(self, text: str) -> str | None:
        """The text on which all references depend; None if that is not sure."""
        references = [reference for reference in _REFERENCE.findall(text) if "://" not in reference]
        if not references:
            return ""
        own = all(reference.startswith(("#/$defs/", "#/definitions/")) for reference in references)
        if not own or not self.follows or not isinstance(self.schema, dict):
            return None
        return self.text([self.schema.get(key) for key in ("$defs", "definitions")])


def refers(text: str) -> bool:
    """Whether a schema of this text may mean something else in another place."""
    return bool(_REFERENCE.search(text) or _ELSEWHERE.search(text))


def joined(one: Json, other: Any) -> Json:
    """What is valid by both. Where keywords of one would mean something else beside the other's, under `allOf`."""
    if other is True:
        return one
    if other is False:
        return NOTHING
    if not isinstance(other, dict) or _disturbs(one, other):
        return {**one, "allOf": [*one.get("allOf", ()), other]}
    both = {**other, **one}
    for key in ("required", "allOf"):
        if key in one and key in other:
            both[key] = [*one[key], *other[key]]
    return both


def _disturbs(one: Json, other: Json) -> bool:
    """Whether the keywords of both cannot stand in one object."""
    for key in (one.keys() & other.keys()) - NOTES:
        together = key in ("required", "allOf") and isinstance(one[key], list) and isinstance(other[key], list)
        if not together and canonical(one[key]) != canonical(other[key]):
            return True
    return any(one.keys() & group and other.keys() & group for group in GROUPS)


def _member(value: Any, step: str) -> Any:
    """What one step of a JSON pointer leads to; None: nothing."""
    if isinstance(value, list):
        return value[int(step)] if step.isascii() and step.isdecimal() and int(step[:9]) < len(value) else None
    return value.get(step) if isinstance(value, dict) else None


def without(schema: Json, *keys: str) -> Json:
    """`schema`, but for some of its keywords."""
    return {key: value for key, value in schema.items() if key not in keys}
