"""What a request wants searched for or said, in words that nothing marks: `about cats`, `saying hi`. Pure."""

from __future__ import annotations

import re

from magictunnel.discovery.arguments.bare import is_free
from magictunnel.discovery.arguments.fields import Field
from magictunnel.discovery.arguments.flags import Found
from magictunnel.discovery.arguments.phrases import Item, Phrases
from magictunnel.discovery.words import STOP

_ASKED = re.compile(r"\b(?:about|regarding|concerning|mentioning|containing|related to)\s+", re.IGNORECASE)
_LOOKED_UP = re.compile(r"\A\W*(?:please |can you |could you )?(?:look up|google|find out)\s+", re.IGNORECASE)
_OF = re.compile(
    r"\b(?:images?|pictures?|photos?|videos?|news|articles?|info|information|documentation|docs|posts|results)"
    r" (?:of|on|for)\s+",
    re.IGNORECASE,
)
_SOUGHT = re.compile(
    r"\b(?:search(?:ing)?|look(?:ing)?|find|google|query|hunt)\b[^.?!\n]{0,30}?\bfor\s+", re.IGNORECASE
)
_STOPS = re.compile(
    r"[.?!,;\n]|\s(?:in|on|from|since|with|posted|published|written|created|made|owned|sent|updated|between|within|after|before|limit|limited|sorted|using|via"
    r"|through|by|and then|that|which|who|at|during|for|please)\b",
    re.IGNORECASE,
)
_IN_A_PLACE = re.compile(r"\s(?:in|at|near)\s(?-i:[A-Z])", re.IGNORECASE)
_ARTICLE = re.compile(r"(?:(?:the|a|an|any|my|some|all|our)\s+)+", re.IGNORECASE)


def sought(phrases: Phrases, known: frozenset[str], is_open: bool) -> Found | None:
    """What a request wants searched: behind `about`, or behind `search for`.

    `is_open`: a place (`in Tokyo`) is part of it, as no other property takes one.
    """
    for pattern in (_ASKED, _SOUGHT, _OF):
        places = [match.end() for match in pattern.finditer(phrases.request[:2000])]
        if places and (found := _phrase(phrases, places[-1], known, is_open)):
            return found
    return None


def looked_up(phrases: Phrases) -> Found | None:
    """All that follows `look up`, where no part of it is marked or says how much is wanted."""
    match = _LOOKED_UP.match(phrases.request[:2000])
    tail = [item for item in phrases.items if match and item.start >= match.end()]
    if match is None or not 1 < len(tail) <= 16 or any(item.starts or not _is_plain(item) for item in tail[1:]):
        return None
    start = match.end() + (len(article[0]) if (article := _ARTICLE.match(phrases.request[match.end() :][:60])) else 0)
    if tail[0].text.lower() in ("my", "all", "every") or not any(is_free(item, frozenset()) for item in tail):
        return None
    return Found(phrases.request[start : tail[-1].end], start, tail[-1].end, "sought")


def _is_plain(item: Item) -> bool:
    return item.is_word or (item.literal is not None and item.literal.kind == "number" and not item.literal.is_marked)


_ARITHMETIC = re.compile(
    r"(?<![\w.])[(-]{0,4}\d[\d.]{0,20}(?:[ ()]{0,6}[-+*/^%][ (-]{0,4}\d[\d.]{0,20}){1,40}[)]{0,4}(?!\w)"
)


def calculation(phrases: Phrases) -> Found | None:
    """The only sum or the like that is written in digits: `12 * (7 + 3)`."""
    found = [match for match in _ARITHMETIC.finditer(phrases.request[:2000]) if not re.fullmatch(r"[\d/-]+", match[0])]
    return Found(found[0][0].strip(), *found[0].span(), "calculation") if len(found) == 1 else None


def _phrase(phrases: Phrases, start: int, known: frozenset[str], is_open: bool) -> Found | None:
    """Words up to a preposition, without an article; None if values are among them, or all are the tool's own."""
    text = phrases.request
    if article := _ARTICLE.match(text, start):
        start = article.end()
    end = min(len(text), start + 120)
    for stop in _STOPS.finditer(text, start, end):
        if not is_open or not _IN_A_PLACE.match(text, stop.start()):
            end = stop.start()
            break
    items = [item for item in phrases.items if start <= item.start < end]
    plain = items and all(item.is_word for item in items) and len(items) <= 8
    if not plain or all(item.stem in known or item.text.lower() in STOP for item in items):
        return None
    if items[0].stem in known and not items[0].is_proper:
        return None
    if any(item.is_proper for item in items):
        while items[-1].stem in known and not items[-1].is_proper:
            end = items.pop().start
    return Found(text[start:end].strip(), start, start + len(text[start:end].rstrip()), "sought")


_SAID = re.compile(
    r"\b(?:saying|that says|which says|that reads|with the (?:message|text|body|content|comment))\s*[:,]?\s+(?=\S)"
    r"|\b(?:message|text|body|content|comment|note|description)\s*:\s+(?=\S)",
    re.IGNORECASE,
)


_COLON = re.compile(r"(?<=[\w)\]]):\s+(?=\S+\s+\S)")


def said(phrases: Phrases) -> Found | None:
    """What a request wants said: all that follows `saying` or `message:`, if nothing marks a part of it."""
    text = phrases.request[:4000]
    places = [match.end() for match in _SAID.finditer(text)] or [match.end() for match in _COLON.finditer(text)]
    if len(places) != 1 or len(phrases.request) > len(text):
        return None
    start = places[0]
    tail = [item for item in phrases.items if item.start >= start]
    if not tail or any(item.literal is not None and item.literal.is_marked for item in tail):
        return None
    if goes_on(text, start, len(text)):
        return None
    words = text[start:].strip().removesuffix(".")
    return Found(words, start, start + len(words), "said")


_SPOKEN = re.compile(
    r"(?:\b(?:saying|(?:that |which |it )?says|(?:that |which )reads|with (?:the |a )?(?:text|message|body|content))"
    r"|(?<!\bthe )(?<!\bmy )(?<!\bto )(?<!\ba )(?<!\bof )(?<!\bfor )"
    r"\breading(?! list)"
    r"|\band (?:text|body)(?=:?\s+\d))"
    r"\s*[:,]?\s+(?=[^\s'\"`])",
    re.IGNORECASE,
)
_TITLED = re.compile(r",?\s(?:and\s)?(?:titled|entitled|called|named|with (?:the |a )?(?:title|name))\s", re.IGNORECASE)


_GOES_ON = re.compile(
    r"(?:[,;.]?\s(?:and(?: then)?|then)|[.;])\s(?:please\s|then\s)?"
    r"(?:add|assign|attach|close|email|label|mark|move|notify|open|pin|post|send|set|share|tag)\s",
    re.IGNORECASE,
)
"""What may be another thing to do, or what is said."""


def goes_on(text: str, start: int, end: int) -> bool:
    """Whether words may be followed by another thing to do: `it crashes, and assign it to Ada`."""
    return _GOES_ON.search(text, start, end) is not None


def spoken(phrases: Phrases, *, is_titled: bool) -> Found | None:
    """What follows `saying` or `with the text`, if there are values in it that nothing marks: `saying 2 litres`.

    `is_titled`: a title that is told behind it is no part of it.
    """
    text = phrases.request[:4000]
    places = [match.end() for match in _SPOKEN.finditer(text) if not _is_inside(phrases, match.start())]
    if len(places) != 1 or len(phrases.request) > len(text):
        return None
    start = places[0]
    title = _TITLED.search(text, start) if is_titled else None
    end = title.start() if title else len(text)
    inside = [item for item in phrases.items if start <= item.start < end]
    if all(item.is_word for item in inside) or any(item.literal and item.literal.is_marked for item in inside):
        return None
    if goes_on(text, start, end):
        return None
    words = text[start:end].strip().removesuffix(".")
    return Found(words, start, start + len(words), "said")


def _is_inside(phrases: Phrases, place: int) -> bool:
    return any(item.start <= place < item.end for item in phrases.items if not item.is_word)


_ADDRESSED = re.compile(
    r"(?:(?:\A\W{0,3}|[.;!?]\s|\b(?:please|and|then|you)\s)(?:dm|message|ping|tell)"
    r"|\b(?:(?:dm|message|note|reply|send) to|with|between|did))\s+"
    r"((?:@?[a-z][\w.-]{0,38}\w(?:\s*,\s*(?:and\s)?|\s(?:and|&)\s)){0,9}@?[a-z][\w.-]{0,38}\w)"
    r"(?=\s*(?:[.:;?!)'\"]|\Z)|\s(?:to|in|on|saying|that|with|tell|send|about|from|since)\s)"
)
_APART = re.compile(r"\s*,\s*(?:and\s)?|\s(?:and|&)\s")
_NOBODY = frozenset({"me", "myself", "him", "her", "them", "us", "it", "everyone", "everybody", "someone", "people"})


def addressed(phrases: Phrases, field: Field, known: frozenset[str]) -> Found | None:
    """Whom something is said to, by their names at some service: `send a dm to lisa`, `the chat with jo and ali_b`."""
    for match in _ADDRESSED.finditer(phrases.request[:2000]):
        inside = {item.start: item for item in phrases.items if match.start(1) <= item.start < match.end(1)}
        if any(item.literal is not None and item.literal.is_marked for item in inside.values()):
            continue
        values = [one for one in _APART.split(match[1]) if one not in _NOBODY]
        plain = [item for item in inside.values() if item.is_word and item.text.lower() in values]
        if (
            values
            and all(is_free(item, known | set(field.names)) for item in plain)
            and (field.is_list or len(values) == 1)
        ):
            found = [value.lstrip("@") for value in values]
            return Found(found if field.is_list else found[0], *match.span(1), "addressed")
    return None


_LIST = re.compile(
    r"\s*:?\s*([\w-]{2,40}(?:\s*(?:,\s*(?:and\s)?|\s(?:and|&)\s)\s*[\w-]{2,40}){0,9})(?=\s*(?:[.;?!)]|\Z)|\s(?:to|in|for|on|with)\s|\s*,\s*(?:and\s)?[^\s@]{1,60}@)"
)


def _is_head(item: Item, field: Field) -> bool:
    return item.stem == field.head or (len(item.parts) > 1 and item.parts == field.names)


def enumerated(phrases: Phrases, field: Field, known: frozenset[str]) -> Found | None:
    """`labels bug and urgent`: the words behind the name of a list, up to the end of a clause."""
    heads = [item for item in phrases.items if item.is_word and item.text.endswith("s") and _is_head(item, field)]
    if len(heads) != 1 or (match := _LIST.match(phrases.request, heads[0].end, heads[0].end + 400)) is None:
        return None
    inside = [item for item in phrases.items if match.start(1) <= item.start < match.end(1)]
    values = [item for item in inside if item.text.lower() not in ("and", "&")]
    if not all(item.is_word and (item.is_proper or is_free(item, known | set(field.names))) for item in values):
        return None
    return Found([item.text for item in values], *match.span(1), "enumerated") if values else None
