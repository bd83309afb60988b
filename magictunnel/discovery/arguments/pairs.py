"""What a request says as `name=value` or `name: value`: the properties that are named so, and their values. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from magictunnel.discovery.arguments.dates import moments
from magictunnel.discovery.arguments.fields import Field, Role
from magictunnel.discovery.arguments.flags import Found
from magictunnel.discovery.arguments.phrases import FILLERS, Item, Phrases
from magictunnel.discovery.arguments.sayings import goes_on
from magictunnel.discovery.arguments.values import value_of
from magictunnel.discovery.literals import MAX_REQUEST
from magictunnel.discovery.words import STOP, stem

_KEY = re.compile(r"(?<![^\s,;(\[{])-{0,2}([A-Za-z_][\w.-]{0,60})(?:(\s{0,2})=(?![=>~])(\s{0,2})|\s?:(\s{1,2}))(?=\S)")
_TOKEN = re.compile(r"(?:[^\s,;\"'`]|,(?=[^\s,;\"'`])){1,500}")
_LISTED = re.compile(r"[^\s;\"'`]{1,500}")
_ENDS = re.compile(r"[,;\n]|[.!?](?:\s|\Z)")
_SENTENCE = re.compile(r"\n")
_JOINED = re.compile(r"\s*,\s*(?:and\s+)?|\s+(?:and|&)\s+")
_LEADS_ON = FILLERS | STOP | frozenset({"please", "then", "now", "via", "using", "under", "within", "into"})
_HELD = re.compile(r"<|\$?\{|\[[A-Za-z]")
_MAX_PAIRS = 60
_MAX_WORDS = 6
_YES = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_WORDED = (Role.TEXT, Role.TITLE, Role.QUERY)


@dataclass(frozen=True, slots=True)
class Pair:
    """`name=value` and its span; `field` is the property of the name, `found` its value, each if there is one."""

    start: int
    end: int
    field: Field | None = None
    found: Found | None = None
    is_held: bool = False
    """Whether a placeholder stands where the value would."""


@dataclass(frozen=True, slots=True)
class _Key:
    start: int
    end: int
    """Where the value starts."""
    field: Field | None
    is_equal: bool


def pairs(phrases: Phrases, wanted: Sequence[Field], now: datetime) -> list[Pair]:
    """The pairs of a request, left to right.

    `name=value` is one even if no property has the name; `name: value` only where its value is one of the property.
    """
    keys = list(_keys(phrases, _by_name(wanted)))
    found: list[Pair] = []
    for place, key in enumerate(keys):
        if found and key.start < found[-1].end:
            continue
        until = keys[place + 1].start if place + 1 < len(keys) else len(phrases.request[:MAX_REQUEST])
        if not key.is_equal and _is_torn(phrases, key, keys[place + 1 : place + 2]):
            continue
        pair = _pair(phrases, key, until, now)
        if pair and not _is_split(pair, wanted):
            found.append(pair)
    return found


def _is_torn(phrases: Phrases, key: _Key, after: Sequence[_Key]) -> bool:
    """Whether words have something of the form `name=value` in them that no property has: `query: ... where id=5`."""
    is_worded = key.field is not None and key.field.role in _WORDED
    return is_worded and any(one.field is None for one in after) and _marked_at(phrases, key.end) is None


def _is_split(pair: Pair, wanted: Sequence[Field]) -> bool:
    """Whether a value is an owner and a repository, and the tool asks for both."""
    is_repository = pair.field is not None and pair.field.role is Role.REPOSITORY and not pair.field.is_list
    is_both = is_repository and pair.found is not None and "/" in str(pair.found.value)
    return is_both and any(one.role is Role.OWNER for one in wanted)


def masked(request: str, found: Sequence[Pair]) -> str:
    """`request` with the ends of clauses in place of pairs, so that nothing else is read into these."""
    for pair in found:
        if not pair.is_held:
            request = request[: pair.start] + ";".ljust(pair.end - pair.start) + request[pair.end :]
    return request


def _squashed(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).lower()


def _by_name(wanted: Sequence[Field]) -> Mapping[str, Field | None]:
    """Properties by their name, and by the whole path; None for a name that several have."""
    names: dict[str, Field | None] = {}
    for one in sorted(wanted, key=lambda field: len(field.path)):
        name = _squashed(one.path[-1])
        same = names.get(name)
        names[name] = one if name not in names else same if same and len(same.path) < len(one.path) else None
        names[_squashed(".".join(one.path))] = one if len(one.path) > 1 else names[name]
    return names


def _keys(phrases: Phrases, names: Mapping[str, Field | None]) -> Iterator[_Key]:
    """Names that a value follows, outside of quotations and the like."""
    text = phrases.request[:MAX_REQUEST]
    closed = [one for one in phrases.items if one.literal and (one.literal.is_marked or one.literal.kind == "json")]
    closed += [one for one in phrases.items if one.literal and one.literal.kind in ("url", "placeholder")]
    taken = 0
    for match in _KEY.finditer(text):
        start, field = _named(text, match, names)
        is_equal = match[4] is None
        if field is None and not (is_equal and not match[2] and not match[3]):
            continue
        if any(one.start <= match.start(1) < one.end for one in closed):
            continue
        yield _Key(start, match.end(), field, is_equal)
        taken += 1
        if taken >= _MAX_PAIRS:
            return


def _named(text: str, match: re.Match[str], names: Mapping[str, Field | None]) -> tuple[int, Field | None]:
    """The property of a name, which may have more words (`due date: x`), and where that starts."""
    before = re.search(r"([A-Za-z]\w{0,40}) \Z", text[max(0, match.start() - 50) : match.start()])
    if before and (longer := names.get(_squashed(before[1] + match[1]))):
        return match.start() - len(before[0]), longer
    return match.start(), names.get(_squashed(match[1]))


def _pair(phrases: Phrases, key: _Key, until: int, now: datetime) -> Pair | None:
    field, text = key.field, phrases.request
    end = _end_of_token(phrases, key)
    if _HELD.match(text, key.end) and not _marked_at(phrases, key.end):
        return Pair(key.start, end, field, is_held=True) if key.is_equal else None
    if field is None:
        return Pair(key.start, end)
    found = _value(phrases, key, field, max(until, key.end), now)
    if found is not None:
        return Pair(key.start, found.end, field, found)
    return Pair(key.start, end, field) if key.is_equal else None


def _marked_at(phrases: Phrases, start: int) -> Item | None:
    """The quotation or the JSON that starts at a place."""
    for item in phrases.items:
        if item.start == start and item.literal and (item.literal.is_marked or item.literal.kind == "json"):
            return None if item.literal.kind == "placeholder" else item
    return None


def _end_of_token(phrases: Phrases, key: _Key) -> int:
    if item := _marked_at(phrases, key.end):
        return item.end
    token = re.compile(r"\S{1,500}").match(phrases.request, key.end)
    return key.end + len(token[0].rstrip(".,;:!?)]}") or token[0]) if token else key.end


def _value(phrases: Phrases, key: _Key, field: Field, until: int, now: datetime) -> Found | None:
    """What stands behind a name as a value of the property; None if it can be none, or where it ends is not clear."""
    if item := _marked_at(phrases, key.end):
        return _quoted(phrases, item, field, now)
    if field.role is Role.DATE and not field.is_list:
        moment = next((one for one in phrases.items if one.start == key.end and one.moment), None)
        value = value_of(moment, field, now) if moment else None
        return Found(value, moment.start, moment.end, "named") if moment and value is not None else None
    text = phrases.request
    if field.is_list:
        return _list(text, key, field, until, now)
    several = any(one.start == key.end and len(one.items) > 1 for one in phrases.spans)
    if several and not key.is_equal and field.role is not Role.TEXT:
        return None
    end = _end_of_word(text, key, field, until) if key.is_equal else _end_of_words(text, key, field, until)
    value = typed(text[key.end : end], field, now) if end else None
    return Found(value, key.end, end, "named") if value is not None else None


def _quoted(phrases: Phrases, item: Item, field: Field, now: datetime) -> Found | None:
    """A value in quotes, and those that are joined to it in a list."""
    span = next((one for one in phrases.spans if one.items[0] is item), None)
    items = span.items if span and field.is_list else (item,)
    values = [typed(one.text, field, now, item=one) for one in items]
    if any(value is None for value in values):
        return None
    is_list = field.is_list and not (len(values) == 1 and isinstance(values[0], list))
    return Found(values if is_list else values[0], item.start, items[-1].end, "named")


def _end_of_word(text: str, key: _Key, field: Field, until: int) -> int:
    """Where one word ends; 0 if it seems to be the first of several: `city=New York`, `text=2 litres`."""
    if (token := _TOKEN.match(text, key.end)) is None:
        return 0
    word = token[0][: until - key.end].rstrip(".,;:!?)]}")
    end = key.end + len(word)
    after = re.compile(r" ([^\W_][\w'-]{0,60})").match(text, end, until)
    if not word or text[end : end + 1] in ("'", '"', "`"):
        return 0
    if not field.is_text or field.role is Role.CHOICE or after is None or after[1].lower() in _LEADS_ON:
        return end
    is_worded = field.role in _WORDED and field.head != stem("name")
    goes_on = word[0].isupper() and after[1][0].isupper()
    return 0 if is_worded or goes_on or word[0].isdecimal() else end


def _end_of_words(text: str, key: _Key, field: Field, until: int) -> int:
    """Where the words behind a colon end: a text with the request or the next name, all else with its clause."""
    stop = (_SENTENCE if field.role is Role.TEXT else _ENDS).search(text, key.end, until)
    end = stop.start() if stop else until
    words = list(re.finditer(r"\S+", text[key.end : min(end, key.end + 4000)]))
    while words and words[-1][0].lower() in ("and", ",", "&", "with", "the"):
        words.pop()
    if not words:
        return 0
    end = key.end + words[-1].end()
    end -= len(text[key.end : end]) - len(text[key.end : end].rstrip(" ,;" if field.role is Role.TEXT else " ,;.!?"))
    if field.role is Role.TEXT:
        unclear = re.search(r"[\"`]|(?<!\w)'", text[key.end : end]) or goes_on(text, key.end, end)
        return 0 if unclear else end - text[key.end : end].endswith(".")
    return end if _is_one(words, field) else _cut(words, key.end)


def _is_one(words: Sequence[re.Match[str]], field: Field) -> bool:
    """Whether words are one value: a title, or a name with capitals throughout."""
    if len(words) == 1:
        return True
    titled = field.role in _WORDED and field.is_text and not any(one[0].lower() == "please" for one in words)
    proper = field.is_text and all(one[0][0].isupper() or one[0][0].isdecimal() for one in words)
    return len(words) <= _MAX_WORDS and (titled or proper)


def _cut(words: Sequence[re.Match[str]], start: int) -> int:
    """The end of the first word, if the next one leads on to something else; else 0."""
    return start + words[0].end() if words[1][0].lower() in _LEADS_ON else 0


def _list(text: str, key: _Key, field: Field, until: int, now: datetime) -> Found | None:
    """`labels=bug,urgent`, `labels: bug, urgent and old`: each value is one word."""
    if key.is_equal:
        token = _LISTED.match(text, key.end)
        end = key.end + len(token[0][: until - key.end].rstrip(".,;:!?)]}")) if token else key.end
    else:
        stop = re.compile(r"[;\n]|[.!?](?:\s|\Z)").search(text, key.end, until)
        said = text[key.end : stop.start() if stop else until][:2000]
        end = key.end + len(re.sub(r"[\s,]+(?:and)?[\s,]*\Z", "", said))
    words = _JOINED.split(text[key.end : end])
    values = [typed(word, field, now) for word in words]
    if any(value is None or not re.fullmatch(r"[^\s\"'`]+", word) for value, word in zip(values, words, strict=True)):
        return None
    return Found(values, key.end, end, "named")


def typed(text: str, field: Field, now: datetime, item: Item | None = None) -> Any:
    """A text as one value of a property, by its schema; None if it is none."""
    if field.role is Role.FLAG:
        return _YES.get(text.lower())
    if field.role is Role.DATE:
        days = [one for one in moments(text[:100], now) if (one.start, one.end) == (0, len(text))]
        return value_of(Item(text, "", 0, len(text), False, moment=days[0]), field, now) if days else None
    if field.role is Role.CHOICE:
        same = [one for one in field.choices if str(one).lower() == text.lower()]
        if same or "enum" in field.schema or field.is_list:
            return same[0] if same else None
    if field.role is Role.OBJECT and not (item and item.literal and item.literal.kind == "json"):
        return None
    if item is None:
        text = text.lstrip("#@") if field.role in (Role.CHANNEL, Role.USER) and len(text) > 1 else text
        text = text.lstrip("#") if not field.is_text else text
        item = Item(text, "", 0, len(text), False)
    return value_of(replace(item, moment=None), field, now)
