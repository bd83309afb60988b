"""Listing, Entry and Catalog: the values everything else passes around. All frozen."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

Json = dict[str, Any]
"""A JSON object as it came off the wire. Shared freely, so never changed in place."""


def identical(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON. Python alone takes `1` for `true`."""
    return bool(one == other) and json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


EMPTY: Mapping[Any, Any] = MappingProxyType({})


class Kind(StrEnum):
    """What can be offered. The value is the key that holds the entries in a list result."""

    TOOL = "tools"
    PROMPT = "prompts"
    RESOURCE = "resources"
    TEMPLATE = "resourceTemplates"

    @property
    def word(self) -> str:
        """What a person calls one of these."""
        return _WORDS[self]

    @property
    def key(self) -> str:
        """The field of a definition by which an entry of this kind is addressed."""
        return _KEYS[self]

    @property
    def capability(self) -> str:
        """The server capability that promises this kind."""
        return "resources" if self is Kind.TEMPLATE else self.value


_WORDS = {
    Kind.TOOL: "tool",
    Kind.PROMPT: "prompt",
    Kind.RESOURCE: "resource",
    Kind.TEMPLATE: "resource template",
}
_KEYS = {Kind.TOOL: "name", Kind.PROMPT: "name", Kind.RESOURCE: "uri", Kind.TEMPLATE: "uriTemplate"}


class Visibility(StrEnum):
    """Where an entry is to be seen."""

    AUTO = "auto"
    """In the list, unless a client is shown the way to search instead."""
    LISTED = "listed"
    """In every list."""
    SEARCH_ONLY = "search-only"
    """In no list; it is found by searching, and answers to its name."""
    DISABLED = "disabled"
    """Nowhere: it is unknown, whoever asks in whatever way."""


class View(StrEnum):
    """What a client is shown of the tools it may use."""

    EVERYTHING = "everything"
    SEARCH = "search"
    """Only the tools by which the others are found, and those that are in every list."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What one backend offers now: its definitions per kind, all pages, and what it says of itself."""

    entries: Mapping[Kind, Sequence[Json]] = field(default_factory=lambda: EMPTY)
    capabilities: Json = field(default_factory=dict)
    """The server capabilities it advertised, as it wrote them."""
    instructions: str = ""
    hints: Mapping[Kind, Json] = field(default_factory=lambda: EMPTY)
    """For how long its lists may be kept, and by whom (`ttlMs`, `cacheScope`), of each kind for which it said so."""

    def is_like(self, other: Listing) -> bool:
        """Whether nothing in it differs from `other`, to the letter."""
        return identical(
            (dict(self.entries), self.capabilities, self.instructions, dict(self.hints)),
            (dict(other.entries), other.capabilities, other.instructions, dict(other.hints)),
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One offered thing: its public name (or URI), its owner, and its name there."""

    kind: Kind
    name: str
    backend: str
    original: str
    definition: Json
    """As clients see it: the owner's definition with only the public name (and overrides) in it."""
    visibility: Visibility = Visibility.AUTO


@dataclass(frozen=True, slots=True)
class Conflict:
    """Something about the merge that a person should know, mostly that two entries wanted the same public name."""

    kind: Kind
    name: str
    backends: tuple[str, ...]
    outcome: str

    def __str__(self) -> str:
        return f"{self.kind.word} {self.name!r} of {', '.join(self.backends)}: {self.outcome}"


@dataclass(frozen=True, slots=True)
class Catalog:
    """All entries, merged. One value, swapped whole; a Call keeps the one it came in with."""

    entries: Mapping[Kind, Mapping[str, Entry]] = field(default_factory=lambda: EMPTY)
    """Per kind, by public name, in the order in which they are listed."""
    accepted: Mapping[Kind, Mapping[str, Entry]] = field(default_factory=lambda: EMPTY)
    """Other names a call may use: the bare name where one backend has it, the prefixed name where it is not shown."""
    guides: Mapping[str, Entry] = field(default_factory=lambda: EMPTY)
    """Tools by which other entries are found, by public name; listed where those are not."""
    claims: Mapping[str, Mapping[str, Entry]] = field(default_factory=lambda: EMPTY)
    """Resource URIs as their owners write them -> backend -> entry; how links in results are made to resolve."""
    ambiguous: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: EMPTY)
    """Resource URIs and templates that several backends claim -> the public ones to use instead."""
    backends: tuple[str, ...] = ()
    """Whose listings are merged here, in their order."""
    conflicts: tuple[Conflict, ...] = ()
    capabilities: Json = field(default_factory=dict)
    """What some backend here can really do: the union of what they advertised."""
    extensions: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: EMPTY)
    """Extension id -> the backends that advertise it."""
    hints: Mapping[Kind, Json] = field(default_factory=lambda: EMPTY)
    """For how long each list may be kept, and by whom."""
    instructions: str = ""
    """Of all servers, each under its name."""
    said: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    """Backend -> its instructions."""

    def of(self, kind: Kind) -> Mapping[str, Entry]:
        """The entries of one kind, by public name."""
        return self.entries.get(kind, EMPTY)


Allows = Callable[[Entry], bool]
"""A caller's rights as one question. Lists and calls ask the same one, so they cannot disagree."""


def everything(_entry: Entry) -> bool:
    """The rights of a caller who may use all there is."""
    return True
