"""Whether a URI is one that a resource template can produce (RFC 6570, all operators), in bounded time.

A template comes from a server and a URI from a client, so neither may make the other's matching slow: expressions
become "any run of these characters", and matching walks the set of positions that can be reached. That set is one
integer, bit `i` for position `i`, so that each step is a few operations on it, however long the URI is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache

MAX_LENGTH = 8_192
"""Characters of a URI or template that are looked at; longer ones match nothing."""

_EXPRESSION = re.compile(r"\{([+#./;?&]?)[^{}]*\}")
_STOPS = {"": "/?#", "+": "", "#": "", ".": "/?#", "/": "?#", ";": "/?#", "?": "#", "&": "#"}
"""Operator -> characters at which the text it stands for must end."""


def matches(template: str, uri: str) -> bool:
    """Whether `template` can expand to `uri`."""
    if len(uri) > MAX_LENGTH or len(template) > MAX_LENGTH:
        return False
    parts = _parts(template)
    if not uri.startswith(parts[0][0]):
        return False

    @cache
    def starts_of(literal: str) -> int:
        return _bits(at for at in range(len(uri) + 1) if uri.startswith(literal, at))

    @cache
    def free_of(stops: str) -> int:
        return _bits(at for at, char in enumerate(uri) if char not in stops)

    reachable = 1
    for literal, stops in parts:
        reachable = (reachable & starts_of(literal)) << len(literal)
        if stops is not None:
            reachable |= _flooded(reachable, free_of(stops))
        if not reachable:
            return False
    return bool(reachable >> len(uri) & 1)


def _flooded(reachable: int, free: int) -> int:
    """Every position that a run of `free` characters, from a reachable one on, can end at.

    Adding a run's start to the run carries to its end: what differs then is what the carry went through.
    """
    starts = reachable & free
    return ((free + starts) ^ free) | starts


def _bits(positions: Iterator[int]) -> int:
    bits = 0
    for position in positions:
        bits |= 1 << position
    return bits


@lru_cache(maxsize=1_024)
def _parts(template: str) -> tuple[tuple[str, str | None], ...]:
    """The template as (literal, stop characters of the expression behind it or None at the end)."""
    return tuple(_split(template))


def _split(template: str) -> Iterator[tuple[str, str | None]]:
    position = 0
    for expression in _EXPRESSION.finditer(template):
        yield template[position : expression.start()], _STOPS[expression[1]]
        position = expression.end()
    yield template[position:], None
