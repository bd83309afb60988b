"""The properties of a tool's input, flat. Pure.

Schemas are hostile: what is not shaped as JSON Schema says is left out, and no more than MAX_FIELDS are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from magictunnel.catalog.keywords import types_of
from magictunnel.catalog.model import Json
from magictunnel.catalog.refs import Root, TooMuch
from magictunnel.discovery.arguments.fields import MAX_NAME, UNTOLD, Field, Role, name_stems
from magictunnel.discovery.arguments.roles import role_of
from magictunnel.discovery.words import stem

MAX_FIELDS = 120
MAX_CHOICES = 200
_MAX_TEXT = 600
"""Characters of a description that are looked at."""


def fields(tool: Json) -> tuple[Field, ...]:
    """The properties of a raw tool definition that can be filled; none if its schema cannot be looked into."""
    schema = tool.get("inputSchema")
    if not isinstance(schema, dict):
        return ()
    try:
        root = Root(schema)
        return tuple(_all(root, root.expanded(schema)))
    except (TooMuch, RecursionError, TypeError, ValueError):
        return ()


def _all(root: Root, schema: Json) -> Iterator[Field]:
    seen = 0
    for name, given, required in _properties(schema):
        for field in _with_members(root, _field(root, (name,), given, required)):
            yield field
            seen += 1
            if seen >= MAX_FIELDS:
                return


def _properties(schema: Json) -> Iterator[tuple[str, Json, bool]]:
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, dict):
        return
    needed = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
    for name, given in properties.items():
        if isinstance(name, str) and isinstance(given, dict) and len(name) <= MAX_NAME:
            yield name, given, name in needed


def _with_members(root: Root, field: Field) -> Iterator[Field]:
    """The field, or in place of an object with named members these."""
    if field.role is not Role.OBJECT or field.is_list or len(field.path) > 1:
        yield field
        return
    members = list(_properties(field.schema))
    if not members:
        yield field
    for name, given, required in members[:MAX_FIELDS]:
        yield _field(root, (*field.path, name), given, required and field.is_required)


def _field(root: Root, path: tuple[str, ...], given: Json, required: bool) -> Field:
    schema = _merged(root, given)
    types = types_of(schema)
    items: Json = {}
    is_list = "array" in types and "string" not in types
    if is_list:
        inner = schema.get("items")
        items = _merged(root, inner) if isinstance(inner, dict) else {}
        types = types_of(items)
    texts = (given.get("description"), schema.get("description"), schema.get("title"), items.get("description"))
    about = next((text for text in texts if isinstance(text, str)), "")[:_MAX_TEXT]
    choices = _choices(items if is_list else schema, about)
    field = Field(path, schema, types, is_list, required, _names(path, about.lower()), about.lower(), choices)
    return replace(field, role=role_of(field, items if is_list else schema))


_OF_WHAT = re.compile(r"\b(?:name|id|identifier|key|number|url) of (?:the |a |an )?([a-z]+)\b")


def _names(path: tuple[str, ...], about: str) -> tuple[str, ...]:
    """The stems of a name; where it says only `name` or `id`, of what is in the description or in the object's name."""
    names = name_stems(path[-1])
    if set(names) <= UNTOLD:
        if len(path) > 1:
            return (*name_stems(path[0]), *names)
        if match := _OF_WHAT.search(about):
            return (stem(match[1]), *names)
    return names


def _merged(root: Root, given: Json) -> Json:
    """The schema with references followed, and of its alternatives the one that is not null, or their types."""
    schema = root.expanded(given)
    for key in ("anyOf", "oneOf"):
        branches = schema.get(key)
        if not isinstance(branches, list) or len(branches) > 20:
            continue
        known = [root.expanded(branch) for branch in branches if isinstance(branch, dict)]
        known = [branch for branch in known if branch.get("type") != "null"]
        if len(known) == 1:
            return {**known[0], **{name: value for name, value in schema.items() if name != key}}
        return {**schema, **_either(known)}
    return schema


def _either(branches: list[Json]) -> Json:
    """What is common to alternatives: the types of all, and the values where all are listed."""
    types = sorted(frozenset[str]().union(*map(types_of, branches)) if branches else frozenset())
    if branches and all(_listed(branch) is not None for branch in branches):
        return {"type": types, "enum": [value for branch in branches for value in _listed(branch) or ()]}
    return {"type": types}


def _listed(schema: Json) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    values = schema.get("enum")
    return values if isinstance(values, list) else None


_ONE_OF = re.compile(
    r"(?:\b(?:can be|must be|is|either|choose)? ?(?:one|any) of|\bpossible values(?: are)?|\ballowed values(?: are)?"
    r"|\bvalid (?:values|options)(?: are)?|\boptions(?: are)?|\bvalues):? ([^.;\n()]{3,200})",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"\s*,\s*(?:or |and )?|\s+(?:or|and)\s+|\s*\|\s*")
_CHOICE = re.compile(r"[\"'`]?([A-Za-z][\w-]{0,40})[\"'`]?\Z")


def _choices(schema: Json, about: str) -> tuple[Any, ...]:
    """The values that are listed, in the schema or, of texts, in the description."""
    listed = _listed(schema)
    if listed is not None:
        return tuple(value for value in listed[:MAX_CHOICES] if isinstance(value, str | int | float))
    if "string" not in types_of(schema) or (match := _ONE_OF.search(about)) is None:
        return ()
    found = [_CHOICE.match(part.strip()) for part in _BETWEEN.split(match[1])]
    values = tuple(one[1] for one in found if one)
    return values if len(values) == len(found) > 1 else ()
