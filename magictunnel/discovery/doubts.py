"""Reasons not to act on a request in words: what it forbids, and what of it nobody has read. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from magictunnel.catalog.model import Json
from magictunnel.discovery.arguments.extract import Source
from magictunnel.discovery.literals import literals, masked
from magictunnel.discovery.words import STOP, stems

MAX_LOOKED_AT = 10_000
"""Characters of a request, and of each text of a tool, that are looked at."""
MAX_TOLD = 10
"""Pieces that are told of."""

_FORBIDS = re.compile(
    r"\b(?:do\s+not|don['\u2019]?t|did\s+not\s+mean|never(?!\s+(?:expire|ending))|no\s+longer|instead\s+of|rather\s+than)\b"
    r"(?!\s+(?:forget|hesitate|worry))",
    re.IGNORECASE,
)
_PIECE = re.compile(r"[^\s,;!?()\[\]{}\"'\u201c\u201d\u2018\u2019`]+")
_POINTS_TEXT = """
    in on at for from to with of as into onto under within inside by via using named called titled until till before
    after since per over than
"""
_POINTS = frozenset(_POINTS_TEXT.split())
"""What stands before a value that somebody means."""
_HARMLESS_TEXT = "please now today again also just all any every it them this that there here me us"
_HARMLESS = frozenset(_HARMLESS_TEXT.split())


def forbids(request: str) -> bool:
    """Whether a request says what is not to be done; what is in quotes is not said."""
    text = request[:MAX_LOOKED_AT]
    quoted = tuple(one for one in literals(text) if one.kind == "quoted")
    return _FORBIDS.search(masked(text, quoted)) is not None


def unread(request: str, tool: Json, sources: Mapping[str, Source], values: Iterable[Any]) -> tuple[str, ...]:
    """What of `request` looks like a value and has become none: nobody knows what was meant by it.

    `sources`: where the values come from that were found. `values`: those that somebody gave.
    """
    text = request[:MAX_LOOKED_AT]
    taken = [(one.start, one.end) for one in sources.values() if one.end > one.start]
    marked = [(one.start, one.end) for one in literals(text)]
    known = _words_of(tool) | {word for value in values for word in stems(str(value)[:MAX_LOOKED_AT])}
    left: list[str] = []
    before = ""
    for match in _PIECE.finditer(text):
        piece = match[0].rstrip(".:")
        pointed, before = before in _POINTS, piece.lower()
        if not piece or _within(match.start(), match.start() + len(piece), taken):
            continue
        is_value = _within(match.start(), match.start() + len(piece), marked) or "=" in piece
        if (is_value or pointed) and not _is_known(piece, known, is_value=is_value):
            left.append(piece)
    return tuple(dict.fromkeys(left))[:MAX_TOLD]


def _is_known(piece: str, known: frozenset[str], *, is_value: bool) -> bool:
    """Whether it is no value of its own, but a word of the tool's, or none that tells anything."""
    word = piece.lower()
    if not is_value and (word in STOP or word in _HARMLESS or word in _POINTS):
        return True
    parts = stems(piece)
    return bool(parts) and known.issuperset(parts)


def _within(start: int, end: int, spans: Iterable[tuple[int, int]]) -> bool:
    return any(start < until and end > since for since, until in spans)


def _words_of(tool: Json) -> frozenset[str]:
    return frozenset(stem for text in _texts(tool) for stem in stems(text[:MAX_LOOKED_AT]))


def _texts(tool: Json) -> Iterator[str]:
    """What a tool says of itself and of its arguments."""
    schema = tool.get("inputSchema")
    properties = schema.get("properties") if isinstance(schema, dict) else None
    named = list(properties.items())[:200] if isinstance(properties, dict) else []
    about = [tool, *(one for _, one in named if isinstance(one, dict))]
    yield from (str(one[key]) for one in about for key in ("name", "title", "description") if key in one)
    yield from (str(name) for name, _ in named)
