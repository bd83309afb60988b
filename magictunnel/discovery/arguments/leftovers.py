"""Names that are left in a request when all else has found its place. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from magictunnel.discovery.arguments.bare import found_run, is_free, proper_run
from magictunnel.discovery.arguments.cues import TOWARDS
from magictunnel.discovery.arguments.fields import Field, Role
from magictunnel.discovery.arguments.flags import Found
from magictunnel.discovery.arguments.phrases import Item, Phrases
from magictunnel.discovery.words import STOP, stem


def names(phrases: Phrases, known: frozenset[str]) -> list[Found]:
    """The names in a request, written as such, that are no words of the tool's own."""
    items, found, place = phrases.items, [], 0
    while place < len(items):
        run = proper_run(items, place, known) if not items[place].starts else []
        after = items[place + len(run)] if place + len(run) < len(items) else None
        labels = after is not None and not after.is_word and after.start == items[place + max(0, len(run) - 1)].end + 1
        if run and not labels:
            found.append(found_run(phrases, run, "name"))
        place += max(1, len(run))
    return found


def towards(phrases: Phrases, found: Found, wanted: Sequence[Field]) -> Field | None:
    """The one property that takes what the word before a name announces: `performed by Bob` is the `actor`."""
    word = _word_before(phrases, found)
    if word not in _CLEAR:
        return None
    announced = TOWARDS[word] - _WHEN
    fitting = [one for one in wanted if set(one.names) & announced and one.is_text and not one.is_list]
    return fitting[0] if len(fitting) == 1 and fitting[0].role in _NAMEABLE else None


def is_away(phrases: Phrases, found: Found, wanted: Field, others: Sequence[Field]) -> bool:
    """Whether the word before a name announces something that the property is not, but might be another."""
    word = _word_before(phrases, found)
    if word not in _CLEAR or word == "in" or set(wanted.names) & TOWARDS[word]:
        return False
    return word == "by" or any(set(one.names) & TOWARDS[word] for one in others)


_WHEN = frozenset(map(stem, ("before", "until", "due", "since", "start", "end", "after", "begin", "min", "max")))
_CLEAR = ("by", "from", "to", "under", "in", "at")
_NAMEABLE = (Role.TITLE, Role.PLAIN, Role.USER, Role.OWNER)


def is_joined(phrases: Phrases, found: Found) -> bool:
    """Whether a name is one of several that are joined by commas or `and`."""
    around = phrases.request[max(0, found.start - 5) : found.start] + "|" + phrases.request[found.end : found.end + 5]
    return bool(re.search(r",\s?\||\b(?:and|or) \||\|,|\| (?:and|or)\b", around))


def _word_before(phrases: Phrases, found: Found) -> str:
    before = [item for item in phrases.items if item.end <= found.start][-1:]
    return before[0].text.lower() if before and before[0].is_word else ""


_WHEN_WORDS = frozenset({"today", "tomorrow", "yesterday", "tonight", "now", "soon", "please"})


def at_place(phrases: Phrases, known: frozenset[str], wanted: Field) -> Found | None:
    """`in berlin` at the end of a request, for a property that is a place."""
    items = phrases.items[-2:]
    if len(items) < 2 or not set(wanted.names) & TOWARDS["in"] or not all(item.is_word for item in items):
        return None
    before, last = items
    fits = before.text.lower() in ("in", "at", "near", "for") and is_free(last, known)
    return found_run(phrases, [last], "place") if fits and last.text.lower() not in _WHEN_WORDS else None


_PREPOSITIONS = frozenset({"from", "at", "with", "for", "in", "on", "of", "by", "to", "under", "via"})


def objects(phrases: Phrases, found: Sequence[Found]) -> list[Found]:
    """Names that follow on a verb; all, if none or all do."""
    direct = [one for one in found if _word_before(phrases, one) not in _PREPOSITIONS]
    return direct or list(found)


def is_whole(phrases: Phrases, found: Found, known: frozenset[str]) -> bool:
    """Whether a name is that of what another one is a part of: `acme` in `the issue 12 in web of acme`."""
    before = [item for item in phrases.items if item.end <= found.start][-4:]
    words = [item.text.lower() for item in before]
    if len(words) < 3 or words[-1] not in _HOLDING or before[-1].starts or before[-2].starts:
        return False
    part = before[-2]
    outside = words[-4] if words[-3] in ("the", "my", "our") and len(words) == 4 else words[-3]
    named = part.is_word and (part.is_proper or is_free(part, known)) and part.stem not in known
    return named and outside in _PREPOSITIONS


_HOLDING = frozenset({"of", "from", "at", "by", "under"})
_ELSEWHERE = frozenset({"on", "in", "at", "to", "from", "into", "via", "with", "by", "and", "or"})


def ticker(phrases: Phrases, known: frozenset[str]) -> Found | None:
    """The only short word in capitals that is no place: `the price of AAPL on NASDAQ`."""
    found = [one for one in names(phrases, known) if re.fullmatch(r"[A-Z]{1,6}(?:[.-][A-Z]{1,4})?", str(one.value))]
    found = [one for one in found if _word_before(phrases, one) not in _ELSEWHERE]
    return found[0] if len({one.value for one in found}) == 1 else None


def asked_of(phrases: Phrases, known: frozenset[str]) -> Found | None:
    """The word behind the only `for` or `of`, if nothing else belongs to it: `the status of kraken`."""
    items = phrases.items
    places = [at for at, item in enumerate(items[:-1]) if item.is_word and item.text.lower() in ("for", "of")]
    if len(places) != 1 or not is_free(items[places[0] + 1], known) or items[places[0] + 1].starts:
        return None
    one = items[places[0] + 1]
    if is_whole(phrases, found_run(phrases, [one], "asked of"), known):
        return None
    after = items[places[0] + 2 : places[0] + 3]
    ends = (
        not after
        or after[0].starts
        or after[0].text.lower() in _ELSEWHERE
        or phrases.request[one.end : one.end + 1] == ","
    )
    is_name = one.text.islower() and one.text not in _WHEN_WORDS and not one.text.endswith("s")
    return found_run(phrases, [one], "asked of") if ends and is_name else None


def _is_own(item: Item, known: frozenset[str]) -> bool:
    return item.stem in known and item.text.lower() not in STOP


def remainder(phrases: Phrases, known: frozenset[str]) -> Found | None:
    """The words behind the verb of a short request, if none of them is the tool's own: `play pearl jam`."""
    items = phrases.items
    if not 2 <= len(items) <= 6 or not all(item.is_word for item in items) or any(item.starts for item in items[1:]):
        return None
    rest = list(items[1:])
    while rest and (rest[0].text.lower() in ("me", "us") or _is_own(rest[0], known)):
        rest.pop(0)
    free = rest and not any(item.stem in known or item.text.lower() in STOP | _WHEN_WORDS for item in rest)
    return found_run(phrases, rest, "remainder") if free and items[0].stem in known else None
