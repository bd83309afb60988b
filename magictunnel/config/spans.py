"""Where every value stands in a config's text, by the parser's own positions: an edit touches only its place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from ruamel.yaml import YAML
from ruamel.yaml.events import (
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from magictunnel.config.jsonc import to_flow_yaml

_COLON = re.compile(r"\s*:")
_PROPERTIES = re.compile(r"(?:[ \t]*[&!]\S*)*")
"""An anchor and a tag, as they stand before a value."""


class Style(Enum):
    """How a value is written."""

    BLOCK = auto()
    """A mapping that is told by its indentation."""
    FLOW = auto()
    """A mapping in braces."""
    LEAF = auto()
    """Anything else; an alias, too."""


@dataclass(frozen=True, slots=True)
class Member:
    """One key of a mapping, which starts at `start`, and its value."""

    key: str | None
    """None for one that is an alias."""
    start: int
    value: Span


@dataclass(frozen=True, slots=True)
class Span:
    """A value, which is `text[start:end]`: without the white space and comments around it."""

    start: int
    end: int
    style: Style = Style.LEAF
    inner: int = 0
    """Where in a mapping what stands before its first key begins: behind the brace, or behind the colon."""
    members: tuple[Member, ...] = ()

    def find(self, key: str) -> int | None:
        """The position among `members` of the one called `key`."""
        return next((index for index, member in enumerate(self.members) if member.key == key), None)


def spans(text: str, file: str, *, is_json: bool) -> Span | None:
    """The whole value of `text`, which `parse_text` has found to be well-formed; None if there is none."""
    source = to_flow_yaml(text, file) if is_json else text
    reader = _Reader(text, YAML(typ="safe", pure=True).parse(source), _origins(text, source))
    return reader.document()


def _origins(text: str, flow: str) -> Sequence[int]:
    """For each position in `flow`, which `to_flow_yaml` made of `text`, the one it comes from.

    Only two things make it longer: a `? ` before a key, and `\\uXXXX` for one character of a string.
    """
    if len(text) == len(flow):
        return range(len(flow) + 1)
    origins: list[int] = []
    here = 0
    while (at := len(origins)) < len(flow):
        if text[here] == '"' and flow[at] == "?":
            origins += [here] * 2
        else:
            escaped = flow[at] == "\\" != text[here]
            origins += [here] * (6 if escaped else 1)
            here += 1
    return [*origins, here]


class _Reader:
    def __init__(self, text: str, events: Iterator[Event], origins: Sequence[int]) -> None:
        self._text = text
        self._events = events
        self._origins = origins

    def document(self) -> Span | None:
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                return self._value(next(self._events), 0)
        return None

    def _value(self, event: Event, behind: int) -> Span:
        """The value that `event` begins. `behind`: where its colon ends, for one that is left out stands nowhere."""
        if isinstance(event, MappingStartEvent):
            return self._mapping(event, behind)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(event)
        start, end = self._marks(event)
        if start == end and isinstance(event, ScalarEvent):
            return Span(behind, behind)
        return Span(start, self._trimmed(start, end))

    def _mapping(self, event: MappingStartEvent, behind: int) -> Span:
        start, opened = self._marks(event)
        members: list[Member] = []
        while not isinstance(key := next(self._events), MappingEndEvent):
            members.append(self._member(key))
        if event.flow_style:
            return Span(start, self._marks(key)[1], Style.FLOW, opened, tuple(members))
        properties = _PROPERTIES.match(self._text, behind)
        inner = properties.end() if properties else behind
        return Span(start, members[-1].value.end, Style.BLOCK, inner, tuple(members))

    def _member(self, event: Event) -> Member:
        start, end = self._marks(event)
        colon = _COLON.match(self._text, end)
        key = _whole(event.value) if isinstance(event, ScalarEvent) else None
        return Member(key, start, self._value(next(self._events), colon.end() if colon else end))

    def _sequence(self, event: SequenceStartEvent) -> Span:
        start, end = self._marks(event)
        while not isinstance(item := next(self._events), SequenceEndEvent):
            end = self._value(item, self._marks(item)[0]).end
        return Span(start, self._marks(item)[1] if event.flow_style else end)

    def _marks(self, event: Event) -> tuple[int, int]:
        return self._origins[event.start_mark.index], self._origins[event.end_mark.index]

    def _trimmed(self, start: int, end: int) -> int:
        """`end` without the empty lines that a block scalar drags along."""
        return start + len(self._text[start:end].rstrip())


def _whole(text: str) -> str:
    """A key with both halves of each UTF-16 pair joined, as the parser gives it."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
