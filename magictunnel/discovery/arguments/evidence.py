"""How much speaks for a value of a request belonging in a property: its kind, and the words around it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from magictunnel.discovery.arguments.cues import GENERIC, TOWARDS
from magictunnel.discovery.arguments.fields import Field, Role, name_stems
from magictunnel.discovery.arguments.kinds import NEVER, by_kind
from magictunnel.discovery.arguments.phrases import FILLERS, Item, Span
from magictunnel.discovery.words import STOP, stem

ENOUGH = 2.0
"""What has to speak for a value."""

_NUMBERS = frozenset({Role.COUNT, Role.OFFSET, Role.PAGE, Role.NUMBER})
_NAMING = frozenset({"named", "called", "titled", "entitled", "labelled", "labeled"})
_SAYING = frozenset({"saying", "says", "say", "reads", "reading", "stating", "replying", "telling", "writing"})
_LIMITING = frozenset(
    {"first", "top", "last", "up", "limit", "most", "maximum", "max", "only", "just", "latest", "next"}
)
_CONTAIN = stem("contains")
_CONTAINING = frozenset(
    map(stem, ("contain", "contains", "containing", "include", "mention", "mentioning", "have", "with"))
)
_ABOUT = frozenset({"about", "regarding", "mentioning", "mention", "containing", "contain", "contains"})
_GETTING = frozenset({"get", "list", "show", "fetch", "find", "retrieve", "return", "give", "me", "read"})
_SKIPPING = frozenset(map(stem, ("skip", "skipping", "offset", "after")))
_UNITS = re.compile(
    r"(?:second|sec|minute|min|hour|hr|day|week|month|year|percent|degree|dollar|euro|mile|meter|km|kg|gb|mb|byte|person|"
    r"people|guest|adult|time|pixel|point|star)s?\Z",
    re.IGNORECASE,
)


def evidence(span: Span, field: Field) -> float:
    """What speaks for all of `span` (one value, or several of a list) in `field`; NEVER or less: it cannot be."""
    base = by_kind(span, field)
    if span.kind == "number" and field.is_text and span.right and _is_cut(span.right[0], field):
        return NEVER
    if base <= NEVER:
        return NEVER
    if _is_of_another(span, field):
        return NEVER
    said = max(_by_left(span.left, field), _by_right(span, field), _by_cue(span, field), _by_about(span, field))
    if stem("per") in field.names and stem("per") not in {item.stem for item in span.left[:2]}:
        said = 0.0
    if field.role in _NUMBERS and field.role is not Role.NUMBER:
        return max(said, _by_counting(span, field))
    if said <= 0 and (base < ENOUGH or _is_unsaid_date(span, field)):
        return base if base < ENOUGH else 1.0
    return (
        base
        + said
        + _by_negation(span, field)
        + _by_bounds(span, field)
        + (0.5 if field.is_required and base >= ENOUGH else 0.0)
    )


def _is_cut(after: Item, field: Field) -> bool:
    """Whether a number without the word after it would be a part of a text: `2` of `2 litres`."""
    said = after.text.lower()
    is_plain = said not in FILLERS and said not in TOWARDS and said not in STOP and not after.is_proper
    return bool(_UNITS.match(said)) or (field.role in _SENTENCES and not field.is_numeric and is_plain)


_SENTENCES = (Role.TEXT, Role.TITLE, Role.QUERY)
_ANY_DAY = frozenset(map(stem, ("date", "time", "day", "datetime", "when")))


def _is_unsaid_date(span: Span, field: Field) -> bool:
    """Whether a property that may be left out is one of several sorts of dates, and nothing says which is meant."""
    moment = span.items[0].moment
    if span.kind != "date" or field.is_required or (moment and moment.side):
        return False
    return not set(field.names) <= _ANY_DAY


_BOUNDS = frozenset(map(stem, ("after", "before", "min", "max", "since", "until", "oldest", "latest")))


def _by_bounds(span: Span, field: Field) -> float:
    """A day is not what comes after or before it: `due_on` rather than `due_on_or_before`, unless that is said."""
    moment = span.items[0].moment
    if span.kind != "date" or (moment and moment.side) or not set(field.names) & _BOUNDS:
        return 0.0
    bounds = set(field.names) & _BOUNDS
    said = any(TOWARDS.get(item.text.lower(), frozenset()) & bounds for item in span.left[:3])
    return 0.0 if said else -0.6


_RELATED = frozenset(map(stem, ("parent", "reply", "related", "linked", "previous", "original", "sub", "child")))


def _is_of_another(span: Span, field: Field) -> bool:
    """Whether the property is about something beside the thing itself, its `parent`, and nothing says so."""
    apart = set(field.names) & _RELATED
    if not apart or field.is_required or set(field.names) <= _RELATED:
        return False
    return not apart & {item.stem for item in (*span.left, *span.right)}


_NOT = frozenset({"not", "don't", "doesn't", "dont", "without", "exclude", "excluding", "except"})
_AGAINST = frozenset(map(stem, ("not", "exclude", "without", "ignore", "except", "omit", "forbidden")))


def _by_negation(span: Span, field: Field) -> float:
    """What is not wanted belongs where a property says `not` itself, and nothing else does."""
    said = any(item.text.lower() in _NOT for item in span.left[:5])
    return -3.0 if said != bool(set(field.names) & _AGAINST) else 0.0


def stands_for(span: Span, field: Field) -> bool:
    """Whether a placeholder (`<cluster-name>`) stands where the value of this property would."""
    parts = name_stems(span.items[0].text)
    own = [name for name in field.names if name not in GENERIC]
    return max(_by_left(span.left, field), _by_right(span, field)) >= ENOUGH or (own != [] and set(own) <= set(parts))


def _by_left(left: Iterable[Item], field: Field) -> float:
    """The words before a value, as the name of the property: `the user with id 7`, `ticket #7`, `labels 'x'`."""
    words = [item for item in left if item.text.lower() not in FILLERS]
    if field.role is Role.TEXT and words and words[0].starts and words[0].text.lower() in _ADDRESSING:
        return 0.0
    named = 2.4 if words and words[0].stem in field.alias else 0.0
    return max(named, _matching(words[:4], field))


_ADDRESSING = frozenset({"message", "text", "email", "mail", "dm"})
"""Verbs, at the start of a request, whose object is a person."""


def _by_right(span: Span, field: Field) -> float:
    """The words behind a value: `the 'users' table`, `the x/y repository`."""
    names = []
    for item in span.right[:3]:
        if item.text.lower() in FILLERS or item.text.lower() in TOWARDS or item.text.lower() in ("and", "or"):
            break
        names.append(item)
    left = [item for item in span.left[:4] if item.text.lower() not in FILLERS]
    return _matching(names[:1], field, left) - 0.5 if names else 0.0


def _by_about(span: Span, field: Field) -> float:
    """The word before a value stands in the description of what is looked for: `the page with the title 'x'`."""
    if span.kind == "number" and span.left and span.right and field.types & {"integer", "number"}:
        if f" in {span.right[0].text.lower()}" in f" {field.about}":
            return 2.6
        said = {span.left[0].stem, span.right[0].stem}
        return 2.4 if said <= field.about_stems and span.left[0].text.lower() in _LIMITING else 0.0
    near = next((item.stem for item in span.left if item.text.lower() not in FILLERS), "")
    if field.role is not Role.QUERY or not near:
        return 0.0
    return 1.6 if near in field.about_stems else 0.0


def _matching(words: list[Item], field: Field, beside: Sequence[Item] = ()) -> float:
    """How well words, the nearest first, name the property; others that do may stand on the other side."""
    expanded = [part for word in words for part in reversed(word.parts)]
    names = set(field.names)
    generic = next((part for part in expanded[:1] if part in GENERIC), "")
    for distance, part in enumerate(expanded):
        if part not in names:
            if part in _ABOUT_NOTHING or part == generic or (distance < 2 and part in field.about_stems):
                continue
            break
        others = {other for other in expanded[distance + 1 : distance + 3] if other in names and other != part}
        unsaid = len(names - set(expanded) - GENERIC - {part for item in beside for part in item.parts} - _SMALL)
        if part in GENERIC and part != stem("text") and unsaid and not others - GENERIC:
            return 0.5
        is_head = part == field.head or field.head in GENERIC
        score = (3.0 if part == field.head else 2.6 if is_head else 1.5) + 0.75 * len(others) - 0.3 * distance
        return score - 0.5 * unsaid - (1.5 if generic and generic not in names and field.head in GENERIC else 0.0)
    return 0.0


_SMALL = frozenset(map(stem, ("in", "of", "for", "to", "by", "on", "the")))
_ABOUT_NOTHING = frozenset(map(stem, ("new", "existing", "specific", "following", "certain", "exact", "word", "given")))
_ABOUT_NOTHING |= {"my", "our", "your", "their", "his", "her"}


def _by_cue(span: Span, field: Field) -> float:
    """Words that announce a part rather than name a property: `titled 'x'`, `saying 'x'`, `to x`, `since x`."""
    words = [item.text.lower() for item in span.left[:4]]
    near = words[:2]
    best = 0.0
    if set(near[:1]) & _NAMING and field.role is Role.TITLE:
        best = 2.6 if set(field.names) <= GENERIC else 2.0
    if set(near) & _SAYING and field.role is Role.TEXT:
        best = 2.6
    best = max(best, _by_verb(span, field))
    if (
        set(words) & {"title", "name"}
        and set(near) & {"it", "is", "them", "title", "name"}
        and field.role is Role.TITLE
    ):
        best = max(best, 2.0)
    if {item.stem for item in span.left[:3]} & _CONTAINING and _CONTAIN in field.names:
        best = max(best, 2.4)
    if words[1:2] and words[0] == "it" and words[1] in ("call", "name", "title") and field.role is Role.TITLE:
        best = max(best, 2.6)
    if near[:1] and near[0] in _ABOUT and (_CONTAIN in field.names or field.role is Role.QUERY):
        best = max(best, 2.2)
    if near[:1] and near[0] in _NOT and _CONTAIN in field.names and set(field.names) & _AGAINST:
        best = max(best, 2.4)
    for place, word in enumerate(words[:3]):
        if TOWARDS.get(word, frozenset()) & set(field.names):
            best = max(best, 1.8 - 0.4 * place)
            break
    return best


_WRITING = frozenset({"append", "write", "insert", "post", "comment", "reply", "tweet", "type", "enter", "put", "send"})
_WRITTEN = frozenset(map(stem, ("comment", "note", "text", "content", "contents", "reply", "sentence", "words")))
_TOLD = frozenset(map(stem, ("value", "tweet")))
_NOTICING = frozenset(map(stem, ("mention", "invite", "notify", "tag")))


def _by_verb(span: Span, field: Field) -> float:
    """Words whose object is a text, or a person: `append 'x'`, `reply with 'x'`, `mention 'Jo'`, `assigned to 'Jo'`."""
    near = [item for item in span.left[:4] if item.text.lower() not in FILLERS or item.text.lower() == "with"]
    if not near or span.kind == "number":
        return 0.0
    first = near[0]
    if field.role is Role.TEXT or (len(field.names) == 1 and field.names[0] in _TOLD):
        return 2.2 if field.is_required and span.kind == "quoted" and _writes(first) else 0.0
    if field.role is Role.USER and first.starts and first.text.lower() in _ADDRESSING:
        return 2.4
    if first.stem in _NOTICING and field.names[:1] == (first.stem,):
        return 2.4
    told = {item.stem for item in span.left[:3]}
    return 2.6 if stem("assign") in told and stem("assignee") in field.names else 0.0


def _writes(word: Item) -> bool:
    """Whether a text follows on a word: `append`, `the comment`, `containing`."""
    said = word.text.lower()
    return (word.starts and said in _WRITING) or word.stem in _WRITTEN or said in ("containing", "with")


def _by_counting(span: Span, field: Field) -> float:
    """`list 10 issues`, `the first 5`, `at most 20`, `skip 30`, `page 2`."""
    words = [item.text.lower() for item in span.left[:3]]
    stems = {item.stem for item in span.left[:3]}
    if [item.text.lower() for item in span.right[:2]] == ["per", "page"]:
        return 3.2 if stem("per") in field.names or "per page" in field.about else 0.0
    if field.role is Role.PAGE:
        return 3.0 if words[:1] == ["page"] else 0.0
    if stems & _SKIPPING:
        return 3.0 if field.role is Role.OFFSET else 0.0
    if field.role is Role.OFFSET or span.items[0].text.startswith("-") or "." in span.items[0].text:
        return 0.0
    noun = next((item.text for item in span.right), "")
    if _UNITS.match(noun):
        return 0.0
    if _is_things(noun):
        return 2.6
    for item in span.right[1:]:
        if item.text.lower() in TOWARDS or item.text.lower() in ("and", "or", "for", "with", "of", "from"):
            break
        if _is_things(item.text):
            return 2.2
    closed = not span.right or span.right[0].text.lower() in ("from", "of", "in")
    return 2.4 if set(words[:2]) & _LIMITING or (closed and set(words[:1]) & _GETTING) else 0.0


def _is_things(word: str) -> bool:
    """Whether a word looks like several things."""
    return len(word) > 2 and word.endswith("s") and not word.endswith("ss")
