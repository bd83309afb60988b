"""Where two JSON values differ, as lines for a person: bounded, and short where the values are long. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from magictunnel.catalog.digest import canonical

MAX_LINES = 12
MAX_SHOWN = 80
"""Characters of a value that are shown."""

_MAX_DEPTH = 16
_PLAIN = re.compile(r"[\w$/-]{1,80}")
_BEFORE = 20
"""Characters that are shown of what two texts have in common, before they differ."""
ABSENT = object()
"""Stands for a value that is not there."""


def differences(old: Any, new: Any) -> tuple[str, ...]:
    """A line `path: old -> new` for each place where `new` is not the same JSON as `old`; the first MAX_LINES."""
    found = list(islice(_differences(old, new, "", 0), MAX_LINES + 1))
    return tuple(found if len(found) <= MAX_LINES else [*found[:MAX_LINES], "..."])


def same(old: Any, new: Any) -> bool:
    """Whether both are the same JSON, or both absent."""
    return old is new or (ABSENT not in (old, new) and canonical(old) == canonical(new))


def _differences(old: Any, new: Any, path: str, depth: int) -> Iterator[str]:
    if same(old, new):
        return
    inside = depth < _MAX_DEPTH
    if inside and isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _differences(old.get(key, ABSENT), new.get(key, ABSENT), _inside(path, key), depth + 1)
    elif inside and isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for at, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _differences(one, other, f"{path}[{at}]", depth + 1)
    else:
        was, now = excerpts(old, new)
        yield f"{path}: {was} -> {now}" if path else f"{was} -> {now}"


def _inside(path: str, key: str) -> str:
    name = key if _PLAIN.fullmatch(key) else _cut(canonical(key), 0)
    return f"{path}.{name}" if path else name


def excerpts(old: Any, new: Any) -> tuple[str, str]:
    """Both on one line, from shortly before they differ."""
    one, other = _shown(old), _shown(new)
    if max(len(one), len(other)) > MAX_SHOWN:
        differ = (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
        start = max(0, next(differ, min(len(one), len(other))) - _BEFORE)
        one, other = _cut(one, start), _cut(other, start)
    return one, other


def _shown(value: Any) -> str:
    return "none" if value is ABSENT else canonical(value)


def _cut(text: str, start: int) -> str:
    cut = text[start : start + MAX_SHOWN]
    return ("..." if start and cut else "") + cut + ("..." if start + MAX_SHOWN < len(text) else "")
