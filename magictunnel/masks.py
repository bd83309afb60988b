"""Where secrets stand in text: as they are, escaped (JSON, URLs, HTML), and in part where text was cut off. Pure."""

from __future__ import annotations

import html.entities
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

MASK = "***"
_SIGNS = ("\\", "%", "&", "+")
"""Without one of them, nothing in a text is escaped."""
_BEGINS_ESCAPE = "\\%&"
_LONGEST_WHOLE = 2_000
"""Characters of a secret of several lines up to which it is looked for as a whole, too, and not only line by line."""
_LONGEST_ESCAPE = 12
"""Characters that stand for one, at most; more are looked for in whole secrets only."""
_SHORT = {"\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", '"': '"', "'": "'", "/": "/"}
"""How JSON may write characters, behind a backslash."""
_SLASHES = r"\\{1,8}"
"""JSON within JSON has more than one."""
_NAMED = {chr(code): name for name, code in html.entities.name2codepoint.items() if code < 128} | {"'": "apos"}


def masked(text: str, secrets: frozenset[str]) -> str:
    """`text` with each of them replaced by `***`."""
    if not secrets:
        return text
    text = _as_they_are(secrets).sub(MASK, text)
    return _escaped(secrets).sub(MASK, text) if any(sign in text for sign in _SIGNS) else text


def masked_start(text: str, secrets: frozenset[str]) -> str:
    """The same of the beginning of a longer text: without the part of a secret at its end, too."""
    at = min((_cut_at(text, secret) for secret in secrets), default=len(text))
    for start, end in _places(text, secrets):
        if start < at < end:
            at = start
    return masked(text[:at], secrets)


def masked_end(text: str, secrets: frozenset[str]) -> str:
    """The same of the end of a longer text: without the part of a secret at its beginning, too."""
    at = max((_cut_to(text, secret) for secret in secrets), default=0)
    for start, end in _places(text, secrets):
        if start < at < end:
            at = end
    return masked(text[at:], secrets)


def _places(text: str, secrets: frozenset[str]) -> list[tuple[int, int]]:
    return [found.span() for found in _escaped(secrets).finditer(text)] if secrets else []


@lru_cache(256)
def _as_they_are(secrets: frozenset[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, _longest_first(secrets))))


@lru_cache(256)
def _escaped(secrets: frozenset[str]) -> re.Pattern[str]:
    sought = {one for one in secrets if len(one) <= _LONGEST_WHOLE or len(one.splitlines()) == 1} or secrets
    starts = re.escape("".join(sorted({one[0] for one in sought})))
    any_of_them = "|".join("".join(map(_written, one)) for one in _longest_first(sought))
    return re.compile(rf"(?=[{starts}\\%&+])(?:{any_of_them})")  # what is looked at first makes it fast


def _longest_first(secrets: Iterable[str]) -> list[str]:
    return sorted(secrets, key=len, reverse=True)


@lru_cache(1_024)
def _written(char: str) -> str:
    """A pattern for all ways in which one character may be written."""
    return f"(?:{'|'.join(_ways(char))})"


def _ways(char: str) -> Iterator[str]:
    """A pattern for each of them."""
    units = char.encode("utf-16-be", "surrogatepass").hex()
    yield _SLASHES if char == "\\" else re.escape(char)
    yield "".join(f"{_SLASHES}u{_either_case(units[at : at + 4])}" for at in range(0, len(units), 4))
    yield "".join(f"%(?:25){{0,2}}{_either_case(f'{byte:02x}')}" for byte in char.encode("utf-8", "surrogatepass"))
    if char == " ":
        yield "[+]"
    if char in _SHORT:
        yield _SLASHES + re.escape(_SHORT[char])
    if char in _NAMED:
        yield f"&{_NAMED[char]};"
    if not char.isalnum():
        yield f"&#(?:0{{0,3}}{ord(char)}|[xX]0{{0,3}}{_either_case(f'{ord(char):x}')});"


def _either_case(digits: str) -> str:
    return "".join(f"[{one}{one.upper()}]" if one.isalpha() else one for one in digits)


@lru_cache(1_024)
def _each_way(char: str) -> tuple[re.Pattern[str], ...]:
    return tuple(map(re.compile, _ways(char)))


def _cut_at(text: str, secret: str) -> int:
    """Where the longest part of `secret` begins that goes on to the end of `text`; its length: there is none."""
    first = max(0, len(text) - _LONGEST_ESCAPE * len(secret))
    return next((at for at in range(first, len(text)) if _begins(secret, text, at)), len(text))


def _begins(secret: str, text: str, at: int) -> bool:
    """Whether `text` ends within a secret that begins at `at`."""
    places = {at}
    for char in secret:
        if any(_is_cut(text, place) for place in places):
            return True
        places = _behind(char, text, places)
    return False


def _is_cut(text: str, at: int) -> bool:
    """Whether `text` ends at `at`, or within what may be an escape there."""
    return at == len(text) or (text[at] in _BEGINS_ESCAPE and len(text) - at < _LONGEST_ESCAPE)


def _behind(char: str, text: str, places: set[int]) -> set[int]:
    """Where a character ends that is written in any way at any of `places`."""
    return {found.end() for at in places for way in _each_way(char) if (found := way.match(text, at))}


def _cut_to(text: str, secret: str) -> int:
    """Where the longest part of `secret` ends that `text` begins within; 0: there is none."""
    return max((_ends(secret[start:], text) for start in range(1, len(secret))), default=0)


def _ends(rest: str, text: str) -> int:
    """Where `rest` of a secret ends that `text` begins with; 0: it does not."""
    places = {0}
    for char in rest:
        places = _behind(char, text, places)
    return max(places, default=0)
