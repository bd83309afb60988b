"""Values that nothing marks as such: `the Arcade project`, `search for cats`, `saying good morning`. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from magictunnel.discovery.arguments.cues import GENERIC
from magictunnel.discovery.arguments.fields import Field, Role
from magictunnel.discovery.arguments.flags import Found
from magictunnel.discovery.arguments.phrases import FILLERS, Item, Phrases
from magictunnel.discovery.words import STOP, stem

_MAX_RUN = 5
_MAX_TITLE = 6
"""Words of a name that is written without quotes."""
_ADJECTIVES = frozenset(
    {
        "new",
        "old",
        "open",
        "closed",
        "public",
        "private",
        "active",
        "recent",
        "latest",
        "last",
        "first",
        "current",
        "other",
    }
    | {"same", "main", "whole", "entire", "full", "specific", "existing", "available", "following", "next", "previous"}
    | {"my", "our", "your", "their", "this", "that", "each", "every", "any", "some", "all", "own", "default", "given"}
    | {"certain", "particular", "different", "single", "whose", "these", "those", "no", "which", "what"}
    | {"one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "both", "several", "many"}
)
_PLACED = frozenset({"the", "my", "our", "in", "of", "for", "from", "to", "on", "into", "at", "by"})
_AFTER = frozenset(
    {"in", "on", "of", "for", "from", "to", "with", "and", "at", "by", "into", "under", "within", "as", "using", "that"}
    | {"which", "where", "who", "or", "via", "is", "are", "has", "have", "please", "then", "between", "since", "before"}
)
_NAMED = frozenset({"named", "called", "titled", "is", "name", "id", "the"})


def named(phrases: Phrases, wanted: Sequence[Field], known: frozenset[str]) -> tuple[Field, Found] | None:
    """`a branch called dark-mode`: the name of what the tool is about."""
    places = [at for at, item in enumerate(phrases.items) if item.text.lower() in ("named", "called", "titled")]
    fitting = [one for one in wanted if one.role is Role.TITLE or (one.role is Role.PLAIN and one.head in known)]
    fitting = [one for one in fitting if one.is_text and not one.is_list and one.is_required] or fitting
    if len(places) != 1 or len(fitting) != 1 or fitting[0].is_list:
        return None
    run = _title(phrases, places[0] + 1)
    return (fitting[0], found_run(phrases, run, "named")) if run else None


def _title(phrases: Phrases, place: int) -> list[Item]:
    """The words of a title from a place on: all up to the end of the clause, if none of them leads on."""
    items = phrases.items[place : place + _MAX_TITLE + 1]
    run: list[Item] = []
    for item in items:
        if run and (item.starts or item.text.lower() in _AFTER or item.moment or not _touches(phrases, run[-1], item)):
            break
        run.append(item)
    first = run[0] if run else None
    if first is None or not first.is_word or len(run) > _MAX_TITLE or any(_is_marked(item) for item in run):
        return []
    return run if first.is_proper or is_free(first, frozenset()) else []


def _is_marked(item: Item) -> bool:
    return item.literal is not None and (item.literal.is_marked or item.literal.kind != "number")


def _touches(phrases: Phrases, one: Item, other: Item) -> bool:
    """Whether nothing but a blank stands between two items."""
    return not phrases.request[one.end : other.start].strip()


def beside_name(phrases: Phrases, field: Field, known: frozenset[str]) -> Found | None:
    """A name beside the word for what it names: `the project Arcade`, `the Arcade project`.

    `known`: stems of the tool's own words, which are no names. None where two names would do.
    """
    items = phrases.items
    hits: dict[str, Found] = {}
    for place, item in enumerate(items):
        valued = place + 1 < len(items) and not items[place + 1].is_word and not items[place + 1].starts
        if item.is_word and _names(item, field) and not valued:
            for run in (_run_after(phrases, place, field, known), _run_before(items, place, field, known)):
                if run and _is_unbroken(phrases, items[place], run):
                    hit = found_run(phrases, run, "beside its name")
                    hits[hit.value] = hit
                    break
    found = next(iter(hits.values())) if len(hits) == 1 else None
    return found if found and looks_like(found.value, field) else None


def _is_unbroken(phrases: Phrases, name: Item, run: Sequence[Item]) -> bool:
    """Whether no comma stands between a name and what it names."""
    between = phrases.request[min(name.end, run[-1].end) : max(name.start, run[0].start)]
    return "," not in between and ";" not in between


_CODES = frozenset(map(stem, ("symbol", "ticker", "code", "iata", "iso")))


_ONLY_ID = re.compile(r"\bids? of\b(?!.*\b(?:name|title|key|email|username)\b)")


def looks_like(text: str, field: Field) -> bool:
    """Whether a name may be what the property wants: a code is in capitals, an id has digits."""
    if set(field.names) & _CODES:
        return text.isupper() and len(text) < 8
    if _ONLY_ID.search(field.about) and not any(char.isdecimal() or char in "_-" for char in text):
        return False
    return (
        field.role is not Role.ID or text.isupper() or any(char.isdecimal() for char in text) or "name" in field.about
    )


def _names(item: Item, field: Field) -> bool:
    if field.role is Role.QUERY:
        return item.stem in field.about_stems and item.text.lower() not in STOP
    if item.stem in GENERIC and len(field.names) > 1:
        return False
    if item.text.lower().endswith("ing"):
        return False
    return item.stem in field.alias or item.stem == field.head or (field.head in GENERIC and item.stem in field.names)


def found_run(phrases: Phrases, run: Sequence[Item], how: str) -> Found:
    """The text of some items in a row, without the `'s` behind it."""
    start, end = run[0].start, run[-1].end
    if phrases.request[end - 2 : end] in ("'s", "\u2019s"):
        end -= 2
    return Found(phrases.request[start:end], start, end, how)


def _run_after(phrases: Phrases, place: int, field: Field, known: frozenset[str]) -> list[Item]:
    """`project Arcade`, `the table named users`."""
    items = phrases.items
    after = place + 1
    named = False
    if [item.text.lower() for item in items[after : after + 2]] in (["with", "name"], ["with", "id"], ["with", "the"]):
        after += 1
    changed = any(item.text.lower() in _CHANGING for item in items[max(0, place - 12) : place])
    if changed and after < len(items) and items[after].text.lower() == "to" and field.role is not Role.QUERY:
        after += 1
        place += 1
        named = True
    while after < len(items) and after < place + 4 and items[after].is_word and items[after].text.lower() in _NAMED:
        named = named or items[after].text.lower() in ("named", "called", "titled")
        after += 1
    run = proper_run(items, after, known)
    if field.role is Role.QUERY:
        return run if named else []
    if run or after >= len(items) or items[after].starts or not items[after].is_word:
        return run
    one = items[after]
    closed = after + 1 >= len(items) or items[after + 1].starts or items[after + 1].text.lower() in _AFTER
    closed = closed or phrases.request[one.end : one.end + 1] == ","
    ahead = [item.text.lower() for item in items[max(0, place - 2) : place]]
    framed = (ahead[-1:] != [] and ahead[-1] in _INTO) or (len(ahead) == 2 and ahead[0] in _INTO and ahead[1] == "the")
    sure = named or ((field.is_required or framed) and closed and after == place + 1)
    return [one] if sure and closed and is_free(one, known) else []


_CHANGING = frozenset({"set", "change", "update", "switch"})
_INTO = ("in", "on", "from", "to", "under")


def _run_before(items: Sequence[Item], place: int, field: Field, known: frozenset[str]) -> list[Item]:
    """`the Arcade project`, `the test repository`."""
    run: list[Item] = []
    for item in reversed(items[max(0, place - _MAX_RUN) : place]):
        if not _is_name(item, known):
            break
        run.insert(0, item)
    if field.role is Role.QUERY or run or place < 2 or items[place].starts or items[place - 1].starts:
        return run
    one, before = items[place - 1], items[place - 2]
    placed = before.is_word and before.text.lower() in _PLACED
    outside = items[place - 3].text.lower() if place > 2 else ""
    framed = before.text.lower() == "the" and outside in ("in", "on", "of", "from", "to", "into")
    framed = framed or (before.text.lower() in ("in", "from") and not items[place].text.lower().endswith("s"))
    framed = framed or (before.text.lower() == "in" and items[place].stem in _MANNERS)
    own = known | set(field.names)
    free = is_free(one, own) or (framed and one.text.endswith("ing") and is_free(one, own, is_doing=True))
    return [one] if placed and (framed or field.is_required) and free else []


_MANNERS = frozenset(map(stem, ("format", "language", "mode", "style", "units")))


def proper_run(items: Sequence[Item], place: int, known: frozenset[str]) -> list[Item]:
    """The words from a place on that are written like one name: `West Europe`, `Room A`."""
    run: list[Item] = []
    for item in items[place : place + _MAX_RUN]:
        letter = bool(run) and item.is_word and item.text != "I" and item.text.isupper() and len(item.text) == 1
        if not (letter or _is_name(item, known)) or item.starts or (run and item.start - run[-1].end > 1):
            break
        run.append(item)
    after = items[place + len(run) : place + len(run) + 2]
    if run and _is_counter(after) and after[0].start - run[-1].end == 1:
        run.append(after[0])
    return run


def _is_counter(items: Sequence[Item]) -> bool:
    """Whether the first of two items is a number of the name before it: `Room 12`, not `Reddit 5 posts`."""
    one = items[0].literal if items and not items[0].starts else None
    if one is None or one.kind != "number" or one.is_marked or not one.text.isdecimal():
        return False
    return len(items) == 1 or items[1].starts or items[1].text.lower() in _AFTER


def _is_name(item: Item, known: frozenset[str]) -> bool:
    """Whether it is written like a name, and is none of the tool's own words."""
    stopped = item.text.lower() in STOP and not (item.text.isupper() and item.text not in ("A", "I"))
    plain = item.stem in known or item.stem in GENERIC or stopped
    if not item.is_word or not item.is_proper or plain:
        return False
    return not item.starts or not item.text[1:].islower()


_DOING = frozenset({"say", "says", "own", "owns", "mean", "means", "contain", "contains", "cost", "costs", "look"})


def is_free(item: Item, known: frozenset[str], *, is_doing: bool = False) -> bool:
    """Whether a word in small letters may be a name; `is_doing`: even one like `marketing`."""
    text = item.text.lower()
    if not item.is_word or text in STOP or text in _DOING or text in _ADJECTIVES or text in FILLERS or len(text) < 3:
        return False
    return item.stem not in known and (is_doing or not text.endswith(("ing", "ed")))


def own_stems(*texts: str) -> frozenset[str]:
    """The stems of the words in some texts."""
    return frozenset(stem(word) for text in texts for word in re.findall(r"[a-z]+", text.lower()))
