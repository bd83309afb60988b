"""A request as words and values in a row, and what stands to the left and to the right of a value. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from magictunnel.discovery.arguments.dates import Moment, moments
from magictunnel.discovery.arguments.fields import name_stems
from magictunnel.discovery.literals import MAX_REQUEST, Literal, literals
from magictunnel.discovery.words import stem

MAX_ITEMS = 600
"""Words and values of a request that are looked at."""
_REACH = 7
"""Words to the left of a value that may say what it is."""


@dataclass(frozen=True, slots=True)
class Item:
    """A word, or a value, and its span; `starts` is whether a sentence or clause starts with it."""

    text: str
    stem: str
    start: int
    end: int
    starts: bool
    literal: Literal | None = None
    moment: Moment | None = None

    @property
    def is_word(self) -> bool:
        """Whether it is a word and no value."""
        return self.literal is None and self.moment is None

    @property
    def parts(self) -> tuple[str, ...]:
        """The stems of the words in it, abbreviations written out."""
        return name_stems(self.text.lower()) or (self.stem,)

    @property
    def is_proper(self) -> bool:
        """Whether it is written like a name: with capitals, digits or marks within."""
        return bool(_PROPER.search(self.text)) and self.text not in ("I", "OK")


@dataclass(frozen=True, slots=True)
class Span:
    """Values that stand together (`'a', 'b' and 'c'`), and the words around them, the nearest first."""

    items: tuple[Item, ...]
    first: int
    """The place of its first item in the row."""
    left: tuple[Item, ...] = ()
    right: tuple[Item, ...] = ()

    @property
    def kind(self) -> str:
        """That of its first value."""
        one = self.items[0]
        return "date" if one.moment else one.literal.kind if one.literal else "words"

    @property
    def start(self) -> int:
        """Where it starts in the request."""
        return self.items[0].start

    @property
    def end(self) -> int:
        """Where it ends in the request."""
        return self.items[-1].end


@dataclass(frozen=True, slots=True)
class Phrases:
    """A whole request."""

    request: str
    items: tuple[Item, ...]
    spans: tuple[Span, ...] = field(default=())


_WORD = re.compile(r"[^\W_](?:[\w'\u2019-]*\w)?")
_PROPER = re.compile(r"[A-Z]|\w[_-]\w|\d")
_BREAK = re.compile(r"[.;?!:\n](?:\s|\Z)")
_TOGETHER = re.compile(r"\s*(?:,|&|,?\s*\b(?:and|or)\b)\s*", re.IGNORECASE)
_LINKS = ("", ":", "=", "-", "#", "(")
"""What may stand between a word and the value that it announces."""
FILLERS = frozenset(
    {
        "the",
        "a",
        "an",
        "of",
        "is",
        "are",
        "was",
        "were",
        "be",
        "as",
        "with",
        "to",
        "that",
        "following",
        "set",
        "by",
        "its",
    }
    | {
        "it's",
        "it",
        "has",
        "have",
        "equal",
        "equals",
        "which",
        "both",
        "either",
        "who",
        "this",
        "named",
        "called",
        "value",
        "for",
        "on",
    }
)
"""Words that may stand between a value and the word that says what it is."""


def phrases(request: str, now: datetime | None) -> Phrases:
    """`request` as items, and its values as spans in their surroundings; without `now`, no dates are looked for."""
    items = tuple(_items(request[:MAX_REQUEST], now))[:MAX_ITEMS]
    return Phrases(request, items, tuple(_spans(request, items)))


def _items(text: str, now: datetime | None) -> Iterator[Item]:
    values = _values(text, now)
    place = 0
    broken = True
    for value in [*values, Literal("", "", len(text), len(text))]:
        for match in _WORD.finditer(text, place, value.start):
            broken = broken or bool(_BREAK.search(text, place, match.start() + 1))
            yield Item(match.group(), stem(match.group().lower()[:60]), match.start(), match.end(), broken)
            place, broken = match.end(), False
        if value.start == value.end:
            return
        broken = broken or bool(_BREAK.search(text, place, value.start + 1))
        if isinstance(value, Moment):
            yield Item(text[value.start : value.end], "", value.start, value.end, broken, moment=value)
        else:
            yield Item(value.text, "", value.start, value.end, broken, literal=value)
        place, broken = value.end, False


def _values(text: str, now: datetime | None) -> list[Literal | Moment]:
    """Literals and moments in order; a moment wins over bare numbers and the like, and loses to quotations."""
    marked = literals(text)
    days = [
        moment
        for moment in (moments(text, now) if now else ())
        if not _within(moment, [one for one in marked if _is_closed(one)])
    ]
    others = [one for one in marked if _is_closed(one) or not _within(one, days)]
    return sorted([*days, *others], key=lambda one: one.start)


def _is_closed(literal: Literal) -> bool:
    """Whether what is in it is its own, and no part of a date."""
    return literal.kind not in ("number", "date", "time", "version", "phone", "path", "id") or literal.is_marked


def _within(one: Literal | Moment, others: Sequence[Literal | Moment]) -> bool:
    return any(one.start < other.end and other.start < one.end for other in others)


def _spans(request: str, items: tuple[Item, ...]) -> Iterator[Span]:
    """Values that are joined by commas and `and` alone are one span."""
    place = 0
    while place < len(items):
        if items[place].is_word:
            place += 1
            continue
        last = place
        while (after := _next_of_group(request, items, last)) is not None:
            last = after
        group = tuple(item for item in items[place : last + 1] if not item.is_word)
        yield Span(group, place, tuple(_left(request, items, place)), tuple(_right(request, items, last)))
        place = last + 1


def _next_of_group(request: str, items: tuple[Item, ...], place: int) -> int | None:
    """The place of the next value, if nothing but a comma or `and` stands before it."""
    moment = items[place].moment
    if moment is not None and moment.side:
        return None
    for after in (place + 1, place + 2):
        if after >= len(items) or items[after].starts:
            return None
        if items[after].is_word:
            continue
        gap = request[items[place].end : items[after].start]
        joined = _TOGETHER.fullmatch(gap) or (not gap.strip() and _are_numbers(items[place], items[after]))
        same = (items[place].moment is None) == (items[after].moment is None)
        return after if joined and same else None
    return None


def _are_numbers(*both: Item) -> bool:
    return all(item.literal is not None and item.literal.kind == "number" for item in both)


def _left(request: str, items: tuple[Item, ...], place: int) -> Iterator[Item]:
    """Words before a value, the nearest first, up to another value or the start of a sentence."""
    if items[place].starts and request[items[place - 1].end if place else 0 : items[place].start].strip() not in _LINKS:
        return
    for item in reversed(items[max(0, place - _REACH) : place]):
        if not item.is_word:
            return
        yield item
        if item.starts:
            return


def _right(request: str, items: tuple[Item, ...], place: int) -> Iterator[Item]:
    """Words after a value, up to another value or any punctuation."""
    end = items[place].end
    for item in items[place + 1 : place + 7]:
        if not item.is_word or item.starts or request[end : item.start].strip(" \t-'\""):
            return
        yield item
        end = item.end
