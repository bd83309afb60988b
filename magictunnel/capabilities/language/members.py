"""What stands at a path in JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from magictunnel.capabilities.language.expression import MISSING


def at_path(value: Any, path: str) -> Any:
    """What stands at `path`: names and positions with dots between them; empty: all of it. MISSING: nothing."""
    for step in path.split(".") if path else ():
        if isinstance(value, Mapping):
            value = value.get(step, MISSING)
        elif isinstance(value, list) and step.isdecimal() and int(step[:9]) < len(value):
            value = value[int(step[:9])]
        else:
            return MISSING
    return value
