"""A JSON Schema as a Python type: as a model reads it, or as a type checker should hold a script to it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from magictunnel.catalog.keywords import get
from magictunnel.catalog.model import Json
from magictunnel.catalog.refs import Root, TooMuch

ANY = "Any"
MAX_DEPTH = 3
"""Levels of lists and unions that are told apart."""
MAX_MEMBERS = 6
"""Of one union."""
MAX_VALUES = 20
"""Of one enum that are told."""
MAX_TEXT = 240
"""Characters of one type."""


@dataclass(frozen=True, slots=True)
class Style:
    """How types are written."""

    array: str
    mapping: str
    literals: bool
    """Whether single values are told, or their type alone."""


SHOWN = Style("list", "dict", literals=True)
CHECKED = Style("Sequence", "Mapping", literals=False)
"""Takes what is right at run time but cannot be proved: a list of integers for one of numbers, any text for an enum."""

_SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}


class Types:
    """Types of the parts of one whole schema, whatever it is."""

    def __init__(self, schema: Any) -> None:
        try:
            self._root: Root | None = Root(schema)
        except (TooMuch, RecursionError, ValueError, TypeError):
            self._root = None

    def of(self, part: Any, style: Style) -> str:
        """The type of the values that `part` takes; `Any` if that cannot be told, or not in short."""
        try:
            text = self._type(part, style, 0)
        except (TooMuch, RecursionError, ValueError, TypeError):
            return ANY
        return text if len(text) <= MAX_TEXT else ANY

    def _type(self, part: Any, style: Style, depth: int) -> str:
        if depth > MAX_DEPTH or not isinstance(part, dict) or self._root is None:
            return ANY
        schema = self._root.expanded(part)
        if "$ref" in schema or "allOf" in schema:
            return ANY
        members = [*self._members(schema, style, depth)]
        return _union([*members, "None"] if schema.get("nullable") is True else members)

    def _members(self, schema: Json, style: Style, depth: int) -> Iterable[str]:
        values = [schema["const"]] if "const" in schema else get(schema, "enum")
        if values is not None:
            return _of_values(values, style)
        named = get(schema, "type")
        if named is not None:
            names = [named] if isinstance(named, str) else named[: MAX_MEMBERS + 1]
            return [self._named(name, schema, style, depth) for name in names]
        branches = get(schema, "anyOf") or get(schema, "oneOf")
        if branches:
            return [self._type(branch, style, depth + 1) for branch in branches[: MAX_MEMBERS + 1]]
        implied = [name for key, name in (("properties", "object"), ("items", "array")) if key in schema]
        return [self._named(name, schema, style, depth) for name in implied[:1]]

    def _named(self, name: str, schema: Json, style: Style, depth: int) -> str:
        if name == "array":
            return f"{style.array}[{self._type(schema.get('items'), style, depth + 1)}]"
        if name == "object":
            return f"{style.mapping}[str, Any]"
        return _SCALARS.get(name, ANY)


def _of_values(values: list[Any], style: Style) -> list[str]:
    """The type of some values of an enum."""
    if style.literals and len(values) <= MAX_VALUES and all(_is_literal(value) for value in values):
        literal = f"Literal[{', '.join(repr(value) for value in values)}]"
        if len(literal) <= MAX_TEXT:
            return [literal]
    names = {type(value).__name__ for value in values}
    return [{"NoneType": "None"}.get(name, name) if name in _PLAIN else ANY for name in sorted(names)]


_PLAIN = frozenset({"str", "int", "float", "bool", "NoneType"})


def _is_literal(value: Any) -> bool:
    return value is None or isinstance(value, bool | str) or (isinstance(value, int) and abs(value) < 1 << 63)


def _union(members: Iterable[str]) -> str:
    """`members` as one type; without any, or with too many, nothing is known."""
    told = list(dict.fromkeys(members))
    return ANY if not told or ANY in told or len(told) > MAX_MEMBERS else " | ".join(told)
