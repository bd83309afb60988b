"""What is asked for of a GraphQL type: its leaves, and those of what it leads to, down to a depth. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_leaf_type,
    is_object_type,
    is_required_argument,
)

MAX_FIELDS = 150
"""Of one operation; with more of them, it goes less deep."""
_MAX_LOOKED_AT = 2_000
"""Fields beyond which what is so deep is not looked at further."""
_MAX_NESTED = 12
"""Objects within each other, those included that count for nothing."""
_MAX_TYPES = 20
"""Possible types of an interface or a union that are told apart."""
_WRAPPERS = ("Connection", "Edge", "Payload", "Result", "Response")
"""Ends of the names of types that only hold what one is after, which therefore is no deeper than they are."""
_TELLING = frozenset(
    ("__typename", "id", "name", "fullName", "nameWithOwner", "title", "number", "login", "email", "state", "status",
     "type", "url", "description", "body", "text", "value", "date", "createdAt", "updatedAt")
)  # fmt: skip
"""Fields by which things are known; where there is no room for all, these come first."""

Selection = dict[str, Any]
"""Response name (with what it is an alias of: `a: b`), or `... on Type` -> what is asked for of it; None: a leaf."""


class Selector:
    """Makes selections of the types of one schema."""

    def __init__(self, schema: GraphQLSchema, *, deprecated: bool) -> None:
        self._schema = schema
        self._deprecated = deprecated
        self._left = 0

    def text(self, type_: Any, depth: int) -> str:
        """The selection set of an output type, ` { ... }`, as deep as MAX_FIELDS allows; empty for a leaf.

        `depth`: levels of objects, from 1.
        """
        named = get_named_type(type_)
        if is_leaf_type(named):
            return ""
        for levels in range(depth, 0, -1):
            self._left = _MAX_LOOKED_AT
            found = self._of(named, levels, ())
            if levels == 1 or (self._left > 0 and _size(found) <= MAX_FIELDS):
                return _written(_first(found, MAX_FIELDS) or {"__typename": None})
        return ""

    def _of(self, type_: Any, levels: int, above: tuple[str, ...]) -> Selection:
        if isinstance(type_, GraphQLObjectType):
            return self._fields(type_, levels, above)
        if not isinstance(type_, GraphQLInterfaceType | GraphQLUnionType):
            return {}  # an input type, where a schema has one in a wrong place
        return {"__typename": None} | self._alternatives(type_, levels, above)

    def _fields(
        self, type_: GraphQLObjectType | GraphQLInterfaceType, levels: int, above: tuple[str, ...]
    ) -> Selection:
        found: Selection = {}
        for name, field in type_.fields.items():
            self._left -= 1
            if self._left < 0 or not self._is_asked(field):
                continue
            inner = get_named_type(field.type)
            if is_leaf_type(inner):
                found[name] = None
            elif below := self._below(type_.name, inner, levels, above):
                found[name] = below
        if found.get("nodes"):
            found.pop("edges", None)  # which lead to the same
        return found

    def _below(self, owner: str, inner: Any, levels: int, above: tuple[str, ...]) -> Selection:
        left = levels if owner.endswith(_WRAPPERS) else levels - 1
        if left < 1 or len(above) > _MAX_NESTED or inner.name == owner or inner.name in above:
            return {}
        found = self._of(inner, left, (*above, owner))
        return found if set(found) - {"__typename"} else {}

    def _is_asked(self, field: GraphQLField) -> bool:
        if field.deprecation_reason is not None and not self._deprecated:
            return False
        return not any(is_required_argument(argument) for argument in field.args.values())

    def _alternatives(
        self, type_: GraphQLInterfaceType | GraphQLUnionType, levels: int, above: tuple[str, ...]
    ) -> Selection:
        """What is common to all, and of each possible type what it has besides."""
        found: Selection = {}
        common: set[str] = set()
        if isinstance(type_, GraphQLInterfaceType):
            found, common = self._fields(type_, levels, above), set(type_.fields)
        taken: dict[str, str] = {}
        possible = [one for one in self._schema.get_possible_types(type_) if is_object_type(one)]
        possible.sort(key=lambda one: one.name)
        for one in possible[:_MAX_TYPES] if levels > 1 or not common else ():
            fields = self._fields(one, levels, above) if one.name not in above else {}
            own = {name: below for name, below in fields.items() if name not in common}
            if own:
                found[f"... on {one.name}"] = dict(_apart(own, one, taken))
        return found


def _apart(fields: Selection, owner: GraphQLObjectType, taken: dict[str, str]) -> Iterator[tuple[str, Any]]:
    """`fields`, with those renamed whose name another possible type has for something of another type."""
    for name, below in fields.items():
        kind = str(owner.fields[name].type)
        if taken.setdefault(name, kind) == kind:
            yield name, below
        else:
            yield f"{name}_{owner.name}: {name}", below


def _size(selection: Mapping[str, Any]) -> int:
    return sum(1 + (_size(below) if below else 0) for below in selection.values())


def _first(selection: Selection, most: int) -> Selection:
    """Its first fields, `most` of them at most: leaves, and then a fair share of what each of the others has below."""
    leaves = [name for name, below in selection.items() if below is None]
    if len(leaves) > most:
        leaves.sort(key=lambda name: name.rpartition(" ")[2] not in _TELLING)
    found: Selection = dict.fromkeys(leaves[:most])
    left = most - len(found)
    deeper = [(name, below) for name, below in selection.items() if below]
    for place, (name, below) in enumerate(deeper):
        share = left // (len(deeper) - place) - 1
        if share > 0 and (part := _first(below, share)):
            found[name] = part
            left -= 1 + _size(part)
    return found


def _written(selection: Selection, indent: str = "    ") -> str:
    lines = [f"{indent}{name}{_written(below, indent + '  ') if below else ''}\n" for name, below in selection.items()]
    return f" {{\n{''.join(lines)}{indent[2:]}}}"
