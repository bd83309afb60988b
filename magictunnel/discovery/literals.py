"""The spans of a request that are values rather than words: addresses, quoted text, numbers, dates. Pure.

Every span is found in one pass from left to right. No pattern can take more than its own bounded length at a place,
so time is linear in the length of a request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from magictunnel.discovery.quotes import quotes

MAX_REQUEST = 20_000
"""Characters of a request that are looked at."""


class Literal(NamedTuple):
    """A value in a request: `text` without quotes or brackets; `start` and `end` with them."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def is_marked(self) -> bool:
        """Whether quotes or brackets stand around it."""
        return self.kind != "number" and self.end - self.start > len(self.text)


_EXTENSIONS = (
    "txt|md|mdx|rst|pdf|docx?|xlsx?|pptx?|odt|ods|csv|tsv|json|jsonl|ya?ml|toml|ini|cfg|conf|env|xml|html?|css|scss"
    "|js|jsx|ts|tsx|mjs|py|ipynb|rb|go|rs|java|kt|swift|c|h|cc|cpp|hpp|cs|php|pl|lua|sh|bash|zsh|bat|ps1|sql|db|sqlite"
    "|png|jpe?g|gif|svg|webp|bmp|tiff?|ico|mp[34]|wav|ogg|flac|m4a|mov|avi|mkv|webm|zip|tar|gz|tgz|bz2|xz|7z|rar"
    "|log|bak|tmp|lock|exe|dll|so|bin|iso|dmg|apk|deb|rpm|jar|war|parquet|avro|proto|tf|bicep|key|pem|crt|cer|pfx|eml"
)
_DOMAINS = (
    "com|org|net|io|dev|ai|app|edu|gov|mil|info|biz|co|me|us|uk|de|fr|es|it|nl|eu|ch|at|be|se|no|jp|cn|in|br|ca|au"
)
_MONTHS = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
)
_MONTHS += r"|nov(?:ember)?|dec(?:ember)?)\.?"
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?: ?[ap]\.?m\b\.?)?"
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
_UNITS = (
    "%|st|nd|rd|th|ms|s|sec|secs|m|min|mins|h|hr|hrs|d|w|k|kb|mb|gb|tb|kib|mib|gib|mi|gi|ki|b|g|kg|mg|lb|lbs|oz|km|cm|mm"
    "|px|pt|em|ft|mph|kmh|kw|kwh|hz|khz|mhz|ghz|x|usd|eur|gbp|°[cf]?|€|\\$|£"
)

_PATTERNS = {
    "url": r"(?<![\w@])(?:[a-z][a-z0-9+.-]{1,20}://[^\s<>\"'`]{1,2000}|www\.[\w.-]{3,200}(?:/[^\s<>\"'`]{0,2000})?)",
    "email": r"(?<![\w.+-])[\w.+-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,5}",
    "uuid": r"(?<![\w-])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![\w-])",
    "placeholder": r"<[^<>\n]{1,80}>|\$?\{{1,2}[a-z][\w .-]{0,80}\}{1,2}|(?<!\w)\[[a-z][\w .-]{0,80}\](?!\()",
    "date": (
        rf"(?<![\w.-])(?:\d{{4}}-\d{{2}}-\d{{2}}(?:[T ]{_CLOCK}(?:Z\b|[+-]\d{{2}}:?\d{{2}})?)?"
        r"|\d{4}/\d{1,2}/\d{1,2}|\d{1,2}/\d{1,2}/\d{4}|\d{1,2}\.\d{1,2}\.\d{4}|\d{4}-\d{2}"
        rf"|{_MONTHS} (?:\d{{4}}|{_DAY}(?:,? \d{{4}})?)|{_DAY} (?:of )?{_MONTHS}(?:,? \d{{4}})?)(?![\w-])"
    ),
    "ip": r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?:/\d{1,2}|:\d{1,5})?(?![\w.]*\w)",
    "time": rf"(?<![\w:.])(?:{_CLOCK}|\d{{1,2}} ?[ap]\.?m\b)(?![\w:])",
    "phone": r"(?<![\w+.])(?:"
    r"\+\d{1,3}[ .-]?(?:\(?\d{2,4}\)?[ .-]?){2,4}\d{0,4}|\(?\d{3}\)?[ .-]\d{3}[.-]\d{4})(?![\w-])",
    "channel": r"(?<![\w#&/])(?:#|/?r/)[a-z][\w-]{0,80}(?![\w/])",
    "username": r"(?<![\w@/.])(?:@|/?u/)[\w][\w.-]{0,80}(?![\w/])",
    "path": (
        r"(?<![\w/.~:\\-])(?:[a-z]:\\[^\s\"'<>|*?]{1,500}|(?:~|\.{1,2})?"
        r"/[\w.@%+~*-]{1,100}(?:/[\w.@%+~*-]{0,100}){0,30}|[\w.@%+-]{1,100}(?:/[\w.@%+*-]{1,100}){1,30}/?)"
    ),
    "file": rf"(?<![\w./-])[\w-]{{1,100}}(?:\.[\w-]{{1,50}}){{0,4}}\.(?:{_EXTENSIONS})(?![\w-]|\.\w)",
    "domain": rf"(?<![\w.-])(?:[a-z0-9-]{{1,63}}\.){{1,4}}(?:{_DOMAINS})(?![\w.-]*\w)",
    "version": r"(?<![\w.:-])(?:v\d{1,4}(?:\.\d{1,6}){0,3}|\d{1,4}(?:\.\d{1,6}){2,3})(?:-[a-z]+\.?\d*)?(?![\w-])",
    "key": r"(?<![\w-])[a-z][a-z0-9]{1,9}-\d{1,9}(?![\w-])",
    "number": (
        rf"(?<![\w.])[#$€£]?-?(?:\d{{1,3}}(?:,\d{{3}}){{1,5}}(?![\d,])|\d{{1,30}})(?:\.\d{{1,20}})?(?:{_UNITS})?(?![\w.]*\w)"
    ),
    "chain": r"(?<![\w.:/-])[a-z][\w.-]{0,80}:[\w./-]{0,80}:[\w./:*-]{1,300}",
    "id": r"(?<![\w.-])(?:id:)?[a-z0-9](?:[a-z0-9_-]{0,126}[a-z0-9])?(?![\w-])",
}
_ANY = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _PATTERNS.items()), re.IGNORECASE)
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_TRAILING = ".,;:!?)]}'\"* -"
_OBJECT = re.compile(r"\{\s*(?:\"|\})|\[\s*[\[{\"\d-]")
_JSON = json.JSONDecoder()
_MAX_OBJECTS = 20
_NO_FILES = frozenset({"node.js", "next.js", "vue.js", "nuxt.js", "express.js", "d3.js", "three.js", "asp.net"})
_NO_KEYS = frozenset(
    {
        "gpt",
        "utf",
        "sha",
        "iso",
        "rfc",
        "aes",
        "covid",
        "md",
        "base",
        "top",
        "mp",
        "rs",
        "hs",
        "gpl",
        "lgpl",
        "agpl",
        "bsd",
    }
)
NO_OWNERS = frozenset(
    {"and", "he", "she", "him", "his", "read", "input", "yes", "true", "client", "on", "import", "either"}
)
_HAS_EXTENSION = re.compile(rf"\.(?:{_EXTENSIONS})\Z", re.IGNORECASE)
_NEAR_REPOSITORY = re.compile(
    r"\b(?:repos?|repository|repositories|github|gitlab|fork|pull|pr|issues?|commits?)\b", re.IGNORECASE
)


def literals(request: str) -> tuple[Literal, ...]:
    """The values in `request`, left to right, none within another. Beyond MAX_REQUEST nothing is looked at."""
    text = request[:MAX_REQUEST]
    objects = list(_objects(text))
    marked = [_marked(start, end, inner) for start, end, inner in quotes(text)]
    marked = [one for one in marked if not any(one.start < other.end and other.start < one.end for other in objects)]
    marked = sorted([*objects, *marked], key=lambda one: one.start)
    found: list[Literal] = []
    edges = [Literal("", "", 0, 0), *marked, Literal("", "", len(text), len(text))]
    for before, after in pairwise(edges):
        found.extend(_bare(text, before.end, after.start))
        found.append(after)
    return tuple(found[:-1])


def masked(request: str, found: tuple[Literal, ...]) -> str:
    """`request` with a blank for every character of the `found` spans."""
    parts, done = [], 0
    for literal in found:
        parts += [request[done : literal.start], " " * (literal.end - literal.start)]
        done = literal.end
    return "".join([*parts, request[done:]])


def kind_of(text: str) -> str | None:
    """The kind of a text that is one literal from end to end; None if it is not."""
    one = next(_bare(text, 0, len(text)), None) if len(text) <= MAX_REQUEST else None
    return one.kind if one and (one.start, one.end) == (0, len(text)) else None


def _marked(start: int, end: int, inner: str) -> Literal:
    """Quoted text, by what is in the quotes if that is a value of its own, though not of digits alone."""
    kind = kind_of(inner) if len(inner) <= 2000 else None
    return Literal("quoted" if kind in (None, "number", "time", "version") else str(kind), inner, start, end)


def _objects(text: str) -> Iterator[Literal]:
    """JSON objects and arrays, kind `json`."""
    place = 0
    for _ in range(_MAX_OBJECTS):
        if (match := _OBJECT.search(text, place)) is None:
            return
        place = match.end()
        try:
            _, end = _JSON.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        yield Literal("json", text[match.start() : end], match.start(), end)
        place = end


def _bare(text: str, start: int, end: int) -> Iterator[Literal]:
    """Literals between two places of `text`."""
    place = start
    while (match := _ANY.search(text, place, end)) is not None:
        found = _literal(match)
        place = found.end if found else _after_word(match)
        if found:
            yield found


def _after_word(match: re.Match[str]) -> int:
    """Where to look on behind a match that turned out to be plain words; the parts of `one/two` are looked at."""
    cut = match.group().find("/")
    return match.start() + cut + 1 if cut >= 0 else match.end()


def _literal(match: re.Match[str]) -> Literal | None:
    kind, text, start = match.lastgroup or "", match.group(), match.start()
    match kind:
        case "url" | "chain" | "path" | "email" | "username" | "phone":
            text = text.rstrip(_TRAILING)
            checked = _kind_of_path(match, text) if kind == "path" else "id" if kind == "chain" else kind
        case "placeholder":
            return Literal(kind, text.strip("<>[]{}$ "), start, match.end())
        case "number":
            number = _NUMBER.search(text)
            return Literal(kind, number.group().replace(",", ""), start, match.end()) if number else None
        case "file":
            checked = None if text.lower() in _NO_FILES else kind
        case "key":
            checked = None if text.split("-")[0].lower() in _NO_KEYS or text.split("-")[0].islower() else "id"
        case "id":
            checked = kind if _is_id(text) else None
        case _:
            checked = {"domain": "url"}.get(kind, kind)
    if checked in ("channel", "username"):
        return Literal(checked, text[1:] if text[0] in "#@" else text.rpartition("/")[2], start, start + len(text))
    return Literal(checked, text, start, start + len(text)) if checked else None


def _is_id(text: str) -> bool:
    """Whether letters and digits are mixed as in names that a machine made."""
    if text[:3].lower() == "id:":
        return len(text) > 3
    digits = sum(map(str.isdecimal, text))
    letters = sum(map(str.isalpha, text))
    if not digits or not letters or len(text) < 6:
        return False
    turns = sum(one.isdecimal() != other.isdecimal() for one, other in pairwise(text.replace("-", "").replace("_", "")))
    if len(text) >= 16 and text.isalnum() and text not in (text.lower(), text.upper()):
        return True
    return digits >= 4 or (turns >= 3 and digits >= 2) or (digits >= 3 and text.upper() == text)


def _kind_of_path(match: re.Match[str], text: str) -> str | None:
    """What a text with slashes is; None for words like `and/or`."""
    if text.startswith(("/", "~", ".")) or "\\" in text or text.count("/") > 1 or _HAS_EXTENSION.search(text):
        return "path" if len(text) > 1 else None
    owner, _, name = text.partition("/")
    if (
        not name
        or text.replace("/", "").isdecimal()
        or re.match(rf"(?:[a-z0-9-]+\.)+(?:{_DOMAINS})/", text, re.IGNORECASE)
    ):
        return "url" if name and "." in owner else None
    if owner.lower() in NO_OWNERS:
        return None
    around = match.string[max(0, match.start() - 25) : match.start() + len(text) + 15]
    odd = (
        any(char.isdecimal() or char in "-_." for char in text)
        or owner[1:] + name[1:] != (owner[1:] + name[1:]).lower()
    )
    return "repository" if (odd and text.upper() != text) or _NEAR_REPOSITORY.search(around) else None
