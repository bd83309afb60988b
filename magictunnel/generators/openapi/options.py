"""What a person may choose: which operations become tools, and how these are called and described."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

Naming = Literal["operation-id", "method-path"]


@dataclass(frozen=True, slots=True)
class Options:
    """Globs are matched whole; an empty tuple lets all through."""

    base_url: str | None = None
    """In place of the description's own servers."""
    tags: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    """In capitals or not."""
    operations: tuple[str, ...] = ()
    """Operation ids, or names of tools."""
    deprecated: bool = False
    prefix: str = ""
    naming: Naming = "operation-id"
    max_description: int = 1_000
    """Characters."""
    env_prefix: str | None = None
    """What the names of variables begin with; None: the description's title."""


def matches(globs: tuple[str, ...], names: Iterable[str]) -> bool:
    """Whether one of `names` fits one of `globs`, if there are any."""
    return not globs or any(fnmatchcase(name, glob) for name in names for glob in globs)
