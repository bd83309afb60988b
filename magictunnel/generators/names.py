"""Names of tools and arguments, made of names that others chose: legal, unique, readable. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container

MAX_TOOL = 50
"""Characters; leaves room for what a gateway puts before it."""
MAX_ARGUMENT = 64
_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]+")
_WORD = re.compile(r"[^A-Za-z0-9]+")
_NO_PATHS = frozenset({"true", "false", "null", "steps"})
"""What means something else in a placeholder."""
_DIGEST = 8


def tool_name(wanted: str, taken: Container[str], origin: str) -> str:
    """A legal name like `wanted` that is not `taken`; `origin` tells it from others that would be called so."""
    name = legal(wanted) or "tool"
    if len(name) <= MAX_TOOL and name not in taken:
        return name
    return f"{name[: MAX_TOOL - _DIGEST - 1].rstrip('_-')}_{hashlib.sha256(origin.encode()).hexdigest()[:_DIGEST]}"


def argument_name(wanted: str, taken: Container[str], place: str) -> str:
    """A name like `wanted` that can stand in a placeholder; `place` (`query`, `header`) tells it from others."""
    name = legal(wanted)[:MAX_ARGUMENT].rstrip("_-") if wanted.strip("_") else ""
    if wanted[:1] == "_" and name and legal_argument(wanted):
        name = wanted
    if not name or not (name[0].isalpha() or name[0] == "_") or name in _NO_PATHS:
        name = f"{place}_{name}".rstrip("_")
    return _unique(name, taken, place)


def legal_argument(name: str) -> bool:
    """Whether `name` can stand in a placeholder as it is."""
    return bool(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", name)) and len(name) <= MAX_ARGUMENT and name not in _NO_PATHS


def _unique(name: str, taken: Container[str], place: str) -> str:
    if name not in taken:
        return name
    name = f"{name[: MAX_ARGUMENT - 16]}_{place}"
    number = 2
    unique = name
    while unique in taken:
        unique, number = f"{name}_{number}", number + 1
    return unique


def legal(name: str) -> str:
    """`name` with what no tool's name may hold made `_`; empty if nothing is left."""
    return _ILLEGAL.sub("_", name).strip("_-")


def variable_name(*parts: str) -> str:
    """The name of an environment variable: `Pet Store`, `api key` -> `PET_STORE_API_KEY`."""
    name = "_".join(word for part in parts if (word := _WORD.sub("_", part).strip("_").upper()))
    return name if name[:1].isalpha() else f"API_{name}".rstrip("_")
