"""JSON exactly as the standard has it -> data, by the standard library: what hosts write is read at once."""

from __future__ import annotations

import json
import re
from typing import Any

MAX_DEPTH = 64
MAX_NODES = 100_000
_MAX_DIGITS = 4_000

_HALF = re.compile(r"\\u[dD][89a-fA-F]")


class NotPlain(Exception):
    """The text needs a closer look: it is something else, broken, or beyond a bound."""


def plain_json(text: str, nodes: int = MAX_NODES) -> Any:
    """The data that `text` is, of at most `nodes` keys and values.

    Raises:
        NotPlain: it has comments, a key twice, halves of UTF-16 pairs, a syntax error, or more than may be.
    """
    if _HALF.search(text):
        raise NotPlain
    try:
        data = json.loads(text, object_pairs_hook=_mapping, parse_int=_number, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise NotPlain from error
    _count(data, nodes)
    return data


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        raise NotPlain
    return mapping


def _number(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise NotPlain
    return int(text)


def _refused(_text: str) -> Any:
    raise NotPlain


def _count(data: Any, most: int) -> None:
    """Bounds as they hold for YAML: each key and each value counts."""
    nodes, level = 0, [data]
    for _depth in range(MAX_DEPTH + 1):
        nodes += sum(1 + (len(value) if isinstance(value, dict) else 0) for value in level)
        if nodes > most:
            raise NotPlain
        level = [child for value in level for child in _children(value)]
        if not level:
            return
    raise NotPlain


def _children(value: Any) -> Any:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
