"""Functions behind capabilities/text.yaml: small things that models are bad at."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+|\*)\]")


def count(text: str) -> dict[str, int]:
    """Characters, words and lines."""
    return {"characters": len(text), "words": len(text.split()), "lines": len(text.splitlines())}


def digest(text: str, algorithm: str) -> str:
    """The hash of `text` in UTF-8."""
    return hashlib.new(algorithm, text.encode(), usedforsecurity=False).hexdigest()


def uuids(many: int) -> str:
    """Random ones, one on each line."""
    return "\n".join(str(uuid.uuid4()) for _ in range(many))


def difference(before: str, after: str) -> str:
    """A unified diff; empty: they are the same."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "before", "after", lineterm="")
    return "\n".join(lines)


def query(text: str, path: str) -> Any:
    """What stands at `path` of a JSON text; a list of all that does, where there is a `*` in it."""
    found = [json.loads(text)]
    steps = list(_steps(path))
    for step in steps:
        found = [value for one in found for value in _members(one, step)]
    if "*" in steps:
        return found
    if not found:
        raise LookupError(f"there is nothing at {path!r}")
    return found[0]


def _steps(path: str) -> Iterator[str]:
    at = 0
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            raise ValueError(f"{path!r} is no path: write names and positions, such as items[0].name")
        yield step[1] or step[2]
        at = step.end()


def _members(value: Any, step: str) -> list[Any]:
    """What `step` leads to: nothing, one thing, or everything."""
    if step == "*":
        return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    if isinstance(value, dict):
        return [value[step]] if step in value else []
    if isinstance(value, list) and step.isdigit() and int(step) < len(value):
        return [value[int(step)]]
    return []
