"""Properties that are one of a few values, or yes and no: what a request says of them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from magictunnel.discovery.arguments.fields import Field, name_stems
from magictunnel.discovery.arguments.phrases import Item, Phrases
from magictunnel.discovery.words import stem


class Found(NamedTuple):
    """A value, the span that says it, and by what it was found."""

    value: Any
    start: int
    end: int
    how: str


def _stems(*words: str) -> frozenset[str]:
    return frozenset(map(stem, words))


_BESIDE = _stems(
    *(
        "is",
        "has",
        "include",
        "show",
        "enable",
        "enabled",
        "with",
        "should",
        "want",
        "only",
        "allow",
        "use",
        "do",
        "be",
    ),
    *("get", "return", "set", "if", "whether", "results", "items"),
)
"""Words in names of flags that say nothing of what is switched."""
_INCLUDING = _stems(
    "include", "including", "with", "also", "even", "show", "enable", "and", "plus", "as", "make", "mark"
)
_NOT = frozenset({"not", "no", "without", "never", "neither", "nor", "cannot", "except"})
_NOT_STEMS = _stems(
    "disallow",
    "disallowing",
    "prevent",
    "block",
    "exclude",
    "excluding",
    "skip",
    "disable",
    "hide",
    "omit",
    "avoid",
    "turn off",
)
_LEAVING_OUT = _stems("exclude", "excluding", "skip", "hide", "omit", "ignore", "without")
_OPPOSITES = {
    stem(one): stem(other)
    for one, other in (("private", "public"), ("public", "private"), ("enabled", "disable"), ("visible", "hide"))
}
_MAX_APART = 5
_MAX_WORDS = 300


def flag(phrases: Phrases, field: Field, known: frozenset[str]) -> Found | None:
    """Yes or no, if the request names what the flag is about; `known`: the stems of the tool's own name."""
    core = [name for name in dict.fromkeys(field.names) if name not in _BESIDE]
    against = bool(set(core) & _LEAVING_OUT)
    core = [name for name in core if name not in _LEAVING_OUT]
    words = [item for item in phrases.items if item.is_word]
    if not core or core == [stem("all")]:
        return None
    for place, item in enumerate(words[:_MAX_WORDS]):
        opposite = _opposite(item, core) if len(core) == 1 else False
        if item.stem not in core and not opposite:
            continue
        last = _last_named(words, place, core)
        if not opposite and not _is_named(words, place, last, core):
            continue
        is_order = place == 0 and len(core) == 1  # `star the repository`
        if (
            set(core) <= known
            and not against
            and not (opposite or is_order or field.is_required or _is_included(words, place))
        ):
            continue
        no = opposite or _is_negated(words, place)
        if against and (leaving := _leaving_out(words, place)):
            return Found(leaving == "yes", item.start, words[last].end, "flag")
        if against and not no and not _is_included(words, place):
            continue
        return Found(no == against, item.start, words[last].end, "flag")
    return None


def _opposite(item: Item, core: Sequence[str]) -> bool:
    return item.stem in (_OPPOSITES.get(core[0]), *(prefix + core[0] for prefix in ("un", "non", "dis")))


def _last_named(words: Sequence[Item], place: int, core: Sequence[str]) -> int:
    """The place of the last of the words about the flag that stand near each other."""
    last = place
    for after in range(place + 1, min(len(words), place + 1 + _MAX_APART)):
        if words[after].starts:
            break
        if words[after].stem in core:
            last = after
    return last


def _is_named(words: Sequence[Item], place: int, last: int, core: Sequence[str]) -> bool:
    """Whether all of what is switched is named; of two things one is enough where it is to be there too."""
    named = {item.stem for item in words[place : last + 1]} & set(core)
    too = any(
        item.text.lower() in ("include", "including", "also", "even") for item in words[max(0, place - 7) : place]
    )
    return len(named) == len(core) or (len(core) == 2 and len(named) == 1 and too)


def _is_included(words: Sequence[Item], place: int) -> bool:
    before = words[max(0, place - 3) : place]
    return any(item.stem in _INCLUDING or item.stem in _NOT_STEMS for item in before)


def _leaving_out(words: Sequence[Item], place: int) -> str:
    """Whether it is said to leave it out: `ignore the x` is `yes`, `don't ignore the x` is `no`; else empty."""
    for at in range(max(0, place - 3), place):
        if words[at].stem in _LEAVING_OUT:
            return "no" if _is_negated(words, at) and words[at].text.lower() not in _NOT else "yes"
    return ""


def _is_negated(words: Sequence[Item], place: int) -> bool:
    """Whether a `not` or a `without` stands before, in the same sentence."""
    for before in reversed(words[max(0, place - 4) : place + 1]):
        text = before.text.lower().replace("\u2019", "'")
        if before is not words[place] and (text in _NOT or text.endswith(("n't", "dont")) or before.stem in _NOT_STEMS):
            return True
        if before.starts:
            return False
    return False


_NUMBERS = {
    word: worth for worth, word in enumerate(("one", "two", "three", "four", "five", "six", "seven", "eight"), 1)
}
_NUMBERS |= {"nine": 9, "ten": 10, "twelve": 12, "twenty": 20, "fifty": 50}
_COUNTED = frozenset(
    {
        "get",
        "list",
        "show",
        "find",
        "me",
        "give",
        "first",
        "top",
        "last",
        "latest",
        "return",
        "fetch",
        "to",
        "only",
        "just",
    }
)


def count_in_words(phrases: Phrases) -> Found | None:
    """`get me one issue`, `the first ten`."""
    items = phrases.items
    for before, item in pairwise(items):
        if item.text.lower() in _NUMBERS and before.text.lower() in _COUNTED and item.is_word and not item.starts:
            return Found(_NUMBERS[item.text.lower()], item.start, item.end, "number")
    return None


# --- one of a few values

_LONGER = {"asc": "ascending", "desc": "descending"}
_VAGUE = frozenset(
    {
        "all",
        "none",
        "default",
        "any",
        "other",
        "true",
        "false",
        "auto",
        "name",
        "id",
        "new",
        "user",
        "of",
        "first",
        "last",
    }
)
_PASSED = ("last", "past", "previous")
_SORTING = _stems("sort", "order", "direction", "ordering", "sorted")


def choice(phrases: Phrases, field: Field, known: frozenset[str]) -> Found | None:
    """The listed value, or of a list all, that the request names."""
    hits = [hit for value in field.choices for hit in _named(phrases, value, field, known)]
    hits = [hit for hit in hits if not any(_covers(other, hit) for other in hits)]
    values = list(dict.fromkeys(hit.value for hit in hits if not isinstance(hit.value, bool)))
    if not values and (way := _direction(phrases, field)):
        return way
    if field.is_list and values:
        return Found(values, hits[0].start, hits[-1].end, "choice")
    if len(values) != 1:
        near = [hit for hit in hits if hit.how == "near"]
        values = list(dict.fromkeys(hit.value for hit in near))
        hits = near
    return Found(values[0], hits[0].start, hits[0].end, "choice") if len(values) == 1 else None


_WAYS = {
    "desc": re.compile(
        r"\b(?:newest|latest|highest|largest|biggest|longest|most \w{2,20}) (?:ones |results |items )?first\b"
        r"|\b(?:reversed?|reverse-chronological) (?:order|alphabetical)\b",
        re.IGNORECASE,
    ),
    "asc": re.compile(
        r"\b(?:oldest|earliest|lowest|smallest|shortest|cheapest|least \w{2,20}) (?:ones |results |items )?first\b"
        r"|(?<!reverse )\balphabetical(?:ly| order)",
        re.IGNORECASE,
    ),
}


def _direction(phrases: Phrases, field: Field) -> Found | None:
    """Ascending or descending, where `oldest first` or `alphabetically` says so."""
    text = phrases.request[:2000]
    ways = [(name, match) for name, pattern in _WAYS.items() if (match := pattern.search(text))]
    if len(ways) != 1:
        return None
    fitting = [
        value for value in field.choices if _DIRECTED.match(str(value)) and str(value).lower()[0] == ways[0][0][0]
    ]
    return Found(fitting[0], *ways[0][1].span(), "choice") if len(fitting) == 1 else None


_DIRECTED = re.compile(r"(?:asc|desc)(?:ending)?\Z", re.IGNORECASE)


def _covers(one: Found, other: Found) -> bool:
    return one.start <= other.start and other.end <= one.end and (one.end - one.start) > (other.end - other.start)


def _named(phrases: Phrases, value: Any, field: Field, known: frozenset[str]) -> Iterator[Found]:
    """Where a value is named; `near` if a word of the property's own name stands beside it."""
    text = str(value)
    wanted = name_stems(_LONGER.get(text.lower(), text))
    items = phrases.items
    for place in range(len(items) if wanted and len(text) > 1 else 0):
        item = items[place]
        if item.literal is not None and (item.text.casefold() == text.casefold()):
            near = _is_near(items, place, 1, field)
            if item.literal.is_marked or near:
                yield Found(value, item.start, item.end, "near" if near else "choice")
            continue
        if len(wanted) == 2 and wanted[0] == "one" and place and items[place - 1].text.lower() in _PASSED:
            if item.is_word and item.stem == wanted[1]:  # `the past year` is ONE_YEAR
                yield Found(value, item.start, item.end, "choice")
            continue
        part = items[place : place + len(wanted)]
        if not item.is_word or len(part) < len(wanted) or not _reads(part, wanted, text):
            continue
        near = _is_near(items, place, len(wanted), field)
        if near or _is_telling(phrases, text, wanted, field, known):
            yield Found(value, item.start, part[-1].end, "near" if near else "choice")


def _reads(part: Sequence[Item], wanted: Sequence[str], text: str) -> bool:
    if not all(item.is_word for item in part):
        return False
    if len(wanted) == 1 and len(text) < 4:
        return part[0].text.lower() in (text.lower(), _LONGER.get(text.lower()))
    return tuple(item.stem for item in part) == tuple(wanted)


def _is_near(items: Sequence[Item], place: int, length: int, field: Field) -> bool:
    """Whether the property is named within three words before the value, or directly behind it."""
    beside = [*items[max(0, place - 3) : place], *items[place + length : place + length + 1]]
    names = set(field.names) | (_SORTING if set(field.names) & _SORTING else frozenset())
    return any(item.stem in names for item in beside if item.is_word)


def _is_telling(phrases: Phrases, text: str, wanted: Sequence[str], field: Field, known: frozenset[str]) -> bool:
    """Whether the value alone is enough: no everyday word, nor one of the tool's, no order that nobody asked for."""
    if text.lower() in _VAGUE or set(wanted) <= known:
        return False
    if len(wanted) > 1 or text.lower().endswith("est"):
        return True
    said = {item.stem for item in phrases.items}
    return not set(field.names) & _SORTING or bool(said & _SORTING)
