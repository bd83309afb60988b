"""Parse events of one YAML document -> data, key lines and spellings, within bounds that hold while reading."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ruamel.yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
)

from magictunnel.config.plainjson import MAX_DEPTH, MAX_NODES
from magictunnel.errors import ConfigError

KeyPath = tuple[str | int, ...]

_CORE = "tag:yaml.org,2002:"
_TEXT_TAGS = frozenset({"!", _CORE + "str"})
_VALUE_TAGS = frozenset(_CORE + kind for kind in ("null", "bool", "int", "float"))
_COLLECTION_TAGS = frozenset({None, "!", _CORE + "map", _CORE + "seq"})


@dataclass(frozen=True, slots=True)
class Built:
    """A document: its data, the line of every key and value, and how what is no text was spelled."""

    data: Any
    lines: dict[KeyPath, int]
    written: dict[KeyPath, str]


@dataclass(frozen=True, slots=True)
class _Node:
    """A finished value, and what it costs to repeat it where an alias stands."""

    value: Any
    size: int = 1
    height: int = 0


class Builder:
    """Reads one document off `events`. ConfigError (with `file` and line) for what has no meaning in a config."""

    def __init__(self, events: Iterator[Event], file: str, nodes: int = MAX_NODES) -> None:
        """`nodes`: keys and values at most."""
        self._most = nodes
        self._lines: dict[KeyPath, int] = {}
        self._written: dict[KeyPath, str] = {}
        self._events = events
        self._file = file
        self._anchors: dict[str, _Node] = {}
        self._nodes = 0

    def built(self) -> Built:
        """The only document; its data are None if there is none."""
        value = None
        started = False
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                if started:
                    raise self._error("a second document starts here", event, hint="keep one")
                started = True
                value = self._node(next(self._events), ()).value
        return Built(value, self._lines, self._written)

    def _node(self, event: Event, path: KeyPath) -> _Node:
        assert isinstance(event, NodeEvent)  # where a value stands, the parser gives nothing else
        self._lines.setdefault(path, _line(event))
        if isinstance(event, AliasEvent):
            return self._alias(event, path)
        self._charge(1, len(path), event)
        node = self._content(event, path)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _content(self, event: NodeEvent, path: KeyPath) -> _Node:
        if isinstance(event, ScalarEvent):
            return _Node(self._scalar(event, path))
        if isinstance(event, CollectionStartEvent) and event.tag not in _COLLECTION_TAGS:
            raise self._unknown_tag(event)
        return self._mapping(path) if isinstance(event, MappingStartEvent) else self._sequence(path)

    def _alias(self, event: AliasEvent, path: KeyPath) -> _Node:
        node = self._anchors.get(event.anchor)
        if node is None:
            raise self._error(f"*{event.anchor} stands before the end of what &{event.anchor} names", event)
        self._charge(node.size, len(path) + node.height, event)
        return node

    def _charge(self, nodes: int, depth: int, event: Event) -> None:
        """Keep to the bounds; what an alias stands for counts each time."""
        self._nodes += nodes
        if self._nodes > self._most:
            raise self._error(f"more than {self._most:,} values", event, hint="what an alias names counts each time")
        if depth > MAX_DEPTH:
            raise self._error(f"nested more than {MAX_DEPTH} levels deep", event)

    def _sequence(self, path: KeyPath) -> _Node:
        children: list[_Node] = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            children.append(self._node(event, (*path, len(children))))
        return _parent([child.value for child in children], children)

    def _mapping(self, path: KeyPath) -> _Node:
        children: dict[str, _Node] = {}
        merged: dict[str, Any] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            key = self._key(event, path, children)
            children[key] = self._node(next(self._events), (*path, key))
            if _is_merge(event):
                merged = self._merged(children[key].value, event)
        value = {key: node.value for key, node in children.items()}
        if merged:
            del value["<<"]
        return _parent(merged | value, list(children.values()))

    def _key(self, event: Event, path: KeyPath, earlier: dict[str, _Node]) -> str:
        key = self._node(event, (*path, "?")).value if isinstance(event, AliasEvent) else self._key_text(event)
        if not isinstance(key, str):
            raise self._error("a key has to be text", event)
        if key in earlier:
            first = self._lines[(*path, key)]
            raise self._error(f"the key {key!r} stands here twice", event, hint=f"it is already in line {first}")
        self._lines[(*path, key)] = _line(event)
        return key

    def _key_text(self, event: Event) -> str | None:
        """A key as it is spelled: `8080` and `on` are names here like any other."""
        if not isinstance(event, ScalarEvent):
            return None
        self._charge(1, 0, event)
        key = _whole(event.value)
        if event.anchor:
            self._anchors[event.anchor] = _Node(key)
        return key

    def _merged(self, given: Any, event: Event) -> dict[str, Any]:
        """What `<<:` brings in: one mapping, or a list of them of which the earlier wins."""
        value: dict[str, Any] = {}
        for mapping in given if isinstance(given, list) else [given]:
            if not isinstance(mapping, dict):
                raise self._error("`<<` takes a mapping, or a list of mappings", event)
            value = mapping | value
        return value

    def _scalar(self, event: ScalarEvent, path: KeyPath) -> Any:
        if event.tag in _TEXT_TAGS or (event.tag is None and not event.implicit[0]):
            return _whole(event.value)
        if event.tag is not None and event.tag not in _VALUE_TAGS:
            raise self._unknown_tag(event)
        value = _plain(event.value)
        if not isinstance(value, str):
            self._written[path] = event.value
        return value

    def _unknown_tag(self, event: ScalarEvent | CollectionStartEvent) -> ConfigError:
        return self._error(f"the tag {str(event.tag)[:80]} has no meaning here", event, hint="leave it out")

    def _error(self, message: str, event: Event, *, hint: str = "") -> ConfigError:
        return ConfigError(message, file=self._file, line=_line(event), hint=hint)


def _line(event: Event) -> int:
    return int(event.start_mark.line) + 1


def _is_merge(event: Event) -> bool:
    return isinstance(event, ScalarEvent) and event.value == "<<" and event.tag is None and bool(event.implicit[0])


def _parent(value: Any, children: list[_Node]) -> _Node:
    size = 1 + sum(child.size for child in children)
    return _Node(value, size, 1 + max((child.height for child in children), default=0))


def _whole(text: str) -> str:
    """`text` with both halves of each UTF-16 pair joined: JSON escapes come in halves. A lone half is no text."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


_READERS: tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...] = (
    (re.compile(r"~|null|Null|NULL|"), lambda _: None),
    (re.compile(r"true|True|TRUE|false|False|FALSE"), lambda text: text.lower() == "true"),
    (re.compile(r"[-+]?[0-9]{1,4000}"), int),
    (re.compile(r"0o[0-7]{1,4000}|0x[0-9a-fA-F]{1,4000}"), lambda text: int(text, 0)),
    (re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"), lambda text: float(text.replace(".", ""))),
)


def _plain(text: str) -> Any:
    """An unquoted value by the core schema of YAML 1.2: no `yes`, no dates, `012` is twelve."""
    for pattern, read in _READERS:
        if pattern.fullmatch(text):
            return read(text)
    return _whole(text)
