"""What became of what a server offered, as values, as JSON, and as lines. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from magictunnel.catalog.model import Json, Kind


class How(StrEnum):
    """What became of an entry."""

    ADDED = "added"
    REMOVED = "removed"
    RENAMED = "renamed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Part:
    """One field that differs, of an entry or of the server, and in which ways."""

    name: str
    lines: tuple[str, ...]
    values: Json
    """The field as it `was` and as it is `now`; a key for each that there is."""
    breaks: bool | None = None
    """Whether it breaks those who relied on the old one; None where that is not the question."""

    def as_json(self) -> Json:
        verdict = {} if self.breaks is None else {"verdict": "breaking" if self.breaks else "compatible"}
        return {"part": self.name, **verdict, "lines": list(self.lines), **self.values}


@dataclass(frozen=True, slots=True)
class EntryChange:
    """What became of one entry; `was` is its old name, if that is another."""

    how: How
    kind: Kind
    name: str
    was: str = ""
    parts: tuple[Part, ...] = ()

    @property
    def breaks(self) -> bool:
        """Whether who used it as it was may not be able to any more."""
        return self.how in (How.REMOVED, How.RENAMED) or any(part.breaks for part in self.parts)

    def as_json(self) -> Json:
        was = {"was": self.was} if self.was else {}
        parts = {"parts": [part.as_json() for part in self.parts]} if self.parts else {}
        return {"change": self.how.value, "kind": self.kind.word, "name": self.name, **was, **parts}


Row = tuple[str, str, str]
"""What became of it; of what; in which way."""


@dataclass(frozen=True, slots=True)
class Changes:
    """All that differs; false if nothing does."""

    entries: tuple[EntryChange, ...] = ()
    server: tuple[Part, ...] = ()
    """What the server says of itself: capabilities, instructions, and for how long its lists may be kept."""

    def __bool__(self) -> bool:
        return bool(self.entries or self.server)

    @property
    def breaks(self) -> bool:
        return any(entry.breaks for entry in self.entries)

    def of(self, how: How) -> tuple[EntryChange, ...]:
        """The entries that became so."""
        return tuple(entry for entry in self.entries if entry.how is how)

    def as_json(self) -> Json:
        """For a program: every change, with the parts as they were and are."""
        return {
            "breaking": self.breaks,
            "entries": [entry.as_json() for entry in self.entries],
            "server": [part.as_json() for part in self.server],
        }

    def rows(self) -> Iterator[Row]:
        """For a person: a row for each way in which something differs."""
        for entry in self.entries:
            what = f"{entry.kind.word} {entry.name}"
            if entry.how is not How.CHANGED:
                yield entry.how.value, what, f"was {entry.was}" if entry.was else ""
            yield from ((How.CHANGED.value, what, line) for part in entry.parts for line in _lines(part))
        yield from ((How.CHANGED.value, "the server", line) for part in self.server for line in _lines(part))

    def lines(self) -> list[str]:
        """The rows as text."""
        return [f"{how} {what}{': ' if line else ''}{line}" for how, what, line in self.rows()]


def _lines(part: Part) -> Iterator[str]:
    """The lines of a part, each with what it is about."""
    about = part.name if part.breaks is None else f"{part.name} ({'breaking' if part.breaks else 'compatible'})"
    return (f"{about}: {line}" for line in part.lines)
