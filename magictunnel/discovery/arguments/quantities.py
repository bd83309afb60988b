"""Lengths of time as a property counts them: `two weeks` as 14 days, `2 days ago` as `02:00:00`. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from magictunnel.discovery.arguments.fields import Field, Role
from magictunnel.discovery.arguments.flags import Found
from magictunnel.discovery.arguments.phrases import Phrases
from magictunnel.discovery.words import stem

_COUNTS = {
    word: worth
    for worth, word in enumerate(("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"), 1)
}
_COUNTS |= {"a": 1, "an": 1, "twelve": 12}
_SECONDS = {
    "millisecond": 0.001, "ms": 0.001, "second": 1, "sec": 1, "minute": 60, "min": 60, "hour": 3600, "hr": 3600,
    "day": 86_400, "week": 604_800,
}  # fmt: skip
_LENGTH = re.compile(
    r"(?<![\w.-])(?P<count>\d{1,6}|an?|one|two|three|four|five|six|seven|eight|nine|ten|twelve|)[ -]?"
    r"(?P<unit>milliseconds?|ms|seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?)(?![\w-])(?P<ago> ago\b)?",
    re.IGNORECASE,
)
_PAST = re.compile(r"\b(?:last|past|previous|next|coming)\s\Z", re.IGNORECASE)
_COUNTED_IN = re.compile(r"\b(?:in|number of|how many) (milliseconds|seconds|minutes|hours|days|weeks)\b")
_OFFSET = re.compile(r"\bdd:hh:mm\b")
_LONGEST = 3660 * 86_400.0


def length(phrases: Phrases, field: Field, others: Sequence[Field]) -> Found | None:
    """The only length of time in a request, as the property counts it, if it is the only one that takes such.

    `others`: all properties that are open, this one too.
    """
    counted = [one for one in others if _unit(one)]
    if not _is_offset(field) and counted != [field]:
        return None
    lengths = [one for one in map(_Read, _LENGTH.finditer(phrases.request[:4000])) if one.seconds]
    lengths = [one for one in lengths if one.is_counted or _PAST.search(phrases.request[: one.start][-12:])]
    if len(lengths) != 1 or lengths[0].seconds > _LONGEST:
        return None
    one = lengths[0]
    if _is_offset(field):
        return _as_offset(one, field) if one.is_ago else None
    count = one.seconds / _SECONDS[_unit(field)]
    if one.is_ago or not count.is_integer():
        return None
    return Found(int(count), one.start, one.end, "length")


class _Read:
    """A length of time as it was read."""

    def __init__(self, match: re.Match[str]) -> None:
        count = match["count"].lower()
        self.is_counted, self.is_ago = bool(count), bool(match["ago"])
        worth = int(count) if count.isdecimal() else _COUNTS.get(count, 1)
        self.seconds = worth * _SECONDS[_singular(match["unit"])]
        self.start, self.end = match.span()


def _singular(unit: str) -> str:
    unit = unit.lower()
    return unit if unit in _SECONDS else unit.removesuffix("s")


_UNITS = {stem(unit + "s"): unit for unit in ("millisecond", "second", "minute", "hour", "day", "week")}


def _unit(field: Field) -> str:
    """What a property counts time in; empty: it counts none."""
    if not field.types & {"integer", "number"} or field.is_list or field.role not in (Role.NUMBER, Role.COUNT):
        return ""
    named = [_UNITS[name] for name in field.names if name in _UNITS]
    told = _COUNTED_IN.search(field.about)
    return named[0] if len(named) == 1 and not set(field.names) & _PER else told[1].removesuffix("s") if told else ""


_PER = frozenset(map(stem, ("per", "of", "start", "end", "first")))


def _is_offset(field: Field) -> bool:
    return field.is_text and not field.is_list and bool(_OFFSET.search(field.about))


_OLDEST = frozenset(map(stem, ("oldest", "since", "start", "after", "min", "from")))


def _as_offset(one: _Read, field: Field) -> Found | None:
    """So long before now, as days, hours and minutes, for the property that says since when."""
    if not set(field.names) & _OLDEST or one.seconds % 60:
        return None
    minutes = int(one.seconds) // 60
    value = f"{minutes // 1440:02}:{minutes // 60 % 24:02}:{minutes % 60:02}"
    return Found(value, one.start, one.end, "length") if minutes < 144_000 else None
