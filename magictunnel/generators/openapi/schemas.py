"""Schemas of a description -> schemas that stand for themselves: JSON Schema 2020-12 with the `$defs` they reach."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from orjson import dumps

from magictunnel.catalog.model import Json
from magictunnel.generators.names import legal
from magictunnel.generators.openapi.dialect import NAMED, SEVERAL, SINGLE, modern
from magictunnel.generators.openapi.documents import Documents, Node, NotCarried, reference_of
from magictunnel.generators.openapi.words import shortened

_MAX_DEPTH = 100
_MAX_COMPOSED = 8
_NO_MORE = "There is more that may be given."
_ANNOTATIONS = ("title", "description", "default", "deprecated", "examples")


class Schema(NamedTuple):
    """A converted schema, and the names of the definitions that it refers to itself."""

    value: Any
    uses: tuple[str, ...] = ()


@dataclass(slots=True)
class Schemas:
    """Converts the schemas of one description, for what is sent or for what is answered."""

    documents: Documents
    is_old: bool
    """Whether they are of OpenAPI before 3.1."""
    hides: str
    """Properties with this keyword are dropped: `readOnly` in what is sent, `writeOnly` in what is answered."""
    max_description: int
    _names: dict[str, str] = field(default_factory=dict)
    """Where a definition stands -> its name."""
    _places: dict[str, Node] = field(default_factory=dict)
    _definitions: dict[str, tuple[Schema, int]] = field(default_factory=dict)

    def converted(self, node: Node) -> Schema:
        """`node` as JSON Schema 2020-12. Raises NotCarried: something in it cannot be."""
        uses: dict[str, None] = {}
        return Schema(self._schema(node.value, node.base, 0, uses), tuple(uses))

    def opened(self, node: Node) -> Schema:
        """The same, of what `node` refers to in the end, so that its keywords stand at its top."""
        return self.converted(self.documents.resolved(node))

    def is_hidden(self, node: Node, depth: int = 0) -> bool:
        """Whether `node`, or something it refers to or is composed of, says so."""
        value = node.value
        if not isinstance(value, dict) or depth > _MAX_COMPOSED:
            return False
        if value.get(self.hides) is True:
            return True
        if "$ref" in value and self.is_hidden(self.documents.resolved(node), depth + 1):
            return True
        parts = value.get("allOf")
        return isinstance(parts, list) and any(self.is_hidden(Node(part, node.base), depth + 1) for part in parts)

    def complete(self, schema: Schema, most: int) -> Any:
        """`schema` with the definitions it reaches; those beyond `most` bytes
        say no more than what they require.
        """
        if not schema.uses:
            return schema.value
        return schema.value | {"$defs": self._reached(schema.uses, most - len(dumps(schema.value)))}

    def _reached(self, uses: Iterable[str], room: int) -> Json:
        """The definitions of these names, and of what they refer to in turn, the nearest first."""
        found: Json = {}
        waiting = list(dict.fromkeys(uses))
        for name in waiting:
            if name in found:
                continue
            definition, size = self._definition(name)
            room -= size
            if room < 0:
                definition = self._slimmed(definition)
            found[name] = definition.value
            waiting += definition.uses
        return dict(sorted(found.items()))

    def _slimmed(self, schema: Schema) -> Schema:
        """No more of `schema` than what it requires."""
        value = slim(schema.value)
        return Schema(value, tuple(name for name in references_in(value) if name in self._places))

    def _definition(self, name: str) -> tuple[Schema, int]:
        """It, and its size (bytes)."""
        if name not in self._definitions:
            schema = self.converted(self._places[name])
            self._definitions[name] = schema, len(dumps(schema.value))
        return self._definitions[name]

    def _schema(self, value: Any, base: str, depth: int, uses: dict[str, None]) -> Any:
        if isinstance(value, bool):
            return value
        if not isinstance(value, dict):
            raise NotCarried(f"a schema that is neither an object nor true or false: {str(value)[:80]!r}")
        if depth > _MAX_DEPTH:
            raise NotCarried(f"a schema that is nested deeper than {_MAX_DEPTH} levels")
        if "$dynamicRef" in value:
            raise NotCarried("$dynamicRef in a schema")
        return self._described(self._keywords(value, base, depth, uses))

    def _keywords(self, value: Json, base: str, depth: int, uses: dict[str, None]) -> Json:
        kept = modern(value, is_old=self.is_old, may_be_null=self.hides == "writeOnly")
        reference = reference_of(value)
        if reference is not None and self.is_old:
            kept = {key: one for key, one in kept.items() if key in _ANNOTATIONS}
        kept.pop(self.hides, None)  # says something of properties only, and those are gone
        if "required" in kept:
            self._hide(kept, value, base)
        inner = depth + 1
        for key, one in kept.items():
            if key in SINGLE:
                kept[key] = self._schema(one, base, inner, uses)
            elif key in SEVERAL:
                kept[key] = [self._schema(each, base, inner, uses) for each in one]
            elif key in NAMED:
                kept[key] = self._named(key, one, base, inner, uses)
        if reference is not None:
            kept["$ref"] = self._reference(reference, base, uses)
        return kept

    def _named(self, key: str, schemas: Json, base: str, depth: int, uses: dict[str, None]) -> Json:
        return {
            name: self._schema(one, base, depth, uses)
            for name, one in schemas.items()
            if key != "properties" or not self.is_hidden(Node(one, base))
        }

    def _hide(self, kept: Json, value: Json, base: str) -> None:
        hidden = self._hidden(Node(value, base), 0)
        if hidden and "required" in kept:
            kept["required"] = [name for name in kept["required"] if name not in hidden]
            if not kept["required"]:
                del kept["required"]

    def _hidden(self, node: Node, depth: int) -> set[str]:
        """The properties of `node`, and of what it is composed of, that are hidden."""
        node = self.documents.resolved(node)
        if depth > _MAX_COMPOSED or not isinstance(node.value, dict):
            return set()
        properties = node.value.get("properties")
        names = {
            name
            for name, one in (properties if isinstance(properties, dict) else {}).items()
            if self.is_hidden(Node(one, node.base))
        }
        parts = node.value.get("allOf")
        for part in parts if isinstance(parts, list) else ():
            names |= self._hidden(Node(part, node.base), depth + 1)
        return names

    def _reference(self, reference: str, base: str, uses: dict[str, None]) -> str:
        place = urljoin(base, reference)
        name = self._names.get(place)
        if name is None:
            node = self.documents.target(reference, base)
            self.documents.resolved(node)  # round and round is no schema
            name = self._names[place] = self._new_name(place)
            self._places[name] = node
        uses[name] = None
        return f"#/$defs/{name}"

    def _new_name(self, place: str) -> str:
        url, fragment = urldefrag(place)
        last = unquote(fragment or urlsplit(url).path).rpartition("/")[2]
        plain = name = legal(last if fragment else last.partition(".")[0]) or "Schema"
        number = 2
        while name in self._places:
            name, number = f"{plain}_{number}", number + 1
        return name

    def _described(self, kept: Json) -> Json:
        if "description" in kept:
            kept["description"] = shortened(kept["description"], self.max_description)
        return kept


def slim(value: Any) -> Any:
    """A schema that requires the same, but names no more than that."""
    if not isinstance(value, dict):
        return value
    required = value.get("required", ())
    kept: Json = {}
    for key, one in value.items():
        if key in SINGLE:
            kept[key] = slim(one)
        elif key in SEVERAL:
            kept[key] = [slim(each) for each in one]
        elif key == "properties":
            kept[key] = {name: slim(each) for name, each in one.items() if name in required}
        elif key not in _ANNOTATIONS:
            kept[key] = one
    if kept.get("properties") != value.get("properties"):
        kept["description"] = _NO_MORE
    return kept


def references_in(value: Any) -> set[str]:
    """The names of the definitions that a converted schema refers to."""
    if isinstance(value, list):
        return {name for one in value for name in references_in(one)}
    if not isinstance(value, dict):
        return set()
    own = {value["$ref"].rpartition("/")[2]} if isinstance(value.get("$ref"), str) else set()
    return own | {name for one in value.values() for name in references_in(one)}


def sendable(value: Any) -> Any:
    """A schema that has something in it: by most styles, a list or an object of nothing is as good as missing."""
    if isinstance(value, dict):
        for kind, least in (("array", "minItems"), ("object", "minProperties")):
            if value.get("type") == kind:
                return value | {least: max(value.get(least, 1), 1)}
    return value
