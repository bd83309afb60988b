"""Whether a URI is one that a resource template can produce (RFC 6570, all operators), in bounded time.

A template comes from a server and a URI from a client, so neither may make the other's matching slow:
expressions become "any run of these characters" and matching walks the set of reachable positions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

MAX_LENGTH = 4_096
MAX_EXPRESSIONS = 32
"""A longer URI or template (characters), or a template of more expressions, matches nothing: the work of a match
is the product of both, and neither side may make it large."""

_EXPRESSION = re.compile(r"\{([+#./;?&]?)[^{}]*\}")
_STOPS = {"": "/?#", "+": "", "#": "", ".": "/?#", "/": "?#", ";": "/?#", "?": "#", "&": "#"}
"""Operator -> characters at which the text it stands for must end."""


def matches(template: str, uri: str) -> bool:
    """Whether `template` can expand to `uri`."""
    if len(uri) > MAX_LENGTH or len(template) > MAX_LENGTH:
        return False
    parts = _parts(template)
    if len(parts) > MAX_EXPRESSIONS + 1:
        return False
    reachable = {0}
    for literal, stops in parts:
        reachable = _after_literal(uri, reachable, literal)
        if stops is not None:
            reachable = _after_run(uri, reachable, stops)
        if not reachable:
            return False
    return len(uri) in reachable


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


def _after_literal(uri: str, starts: set[int], literal: str) -> set[int]:
    return {start + len(literal) for start in starts if uri.startswith(literal, start)}


def _after_run(uri: str, starts: set[int], stops: str) -> set[int]:
    """Every position that a run of non-stop characters (an empty one too) can end at."""
    ends: set[int] = set()
    inside = False
    for position in range(len(uri) + 1):
        inside = inside or position in starts
        if inside:
            ends.add(position)
        if position < len(uri) and uri[position] in stops:
            inside = False
    return ends
