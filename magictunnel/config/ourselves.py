"""Recognises the server entry that is MagicTunnel itself: people paste us into the very file they point us at."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

_OURSELVES = re.compile(r"magictunnel(?:\.exe)?", re.IGNORECASE)
_OUR_PACKAGE = re.compile(r"magictunnel(?:\[[^\]]*\])?(?:(?:[=<>~!]=|[<>@]).*)?", re.IGNORECASE)
_RUNNERS = re.compile(r"(?:uvx|pipx|uv)(?:\.exe)?", re.IGNORECASE)
_RUNNER_WORDS = frozenset({"run", "tool"})
_RUNNER_VALUES = frozenset(
    {"--from", "--with", "--python", "-p", "--index", "--index-url", "--spec", "--directory", "--project", "--pip-args"}
)
"""Options of uvx, uv and pipx that are followed by a value."""


def starts_magictunnel(command: Any, args: Any) -> bool:
    """Whether this command line is MagicTunnel's own: by its name, by `-m magictunnel`, or through uvx, uv or pipx."""
    if not isinstance(command, str):
        return False
    words = [str(word) for word in args] if isinstance(args, list) else []
    name = _basename(command)
    if name.lower() in ("cmd", "cmd.exe") and len(words) > 1 and words[0].lower() == "/c":
        return starts_magictunnel(words[1], words[2:])
    if _OURSELVES.fullmatch(name) or ("-m", "magictunnel") in pairwise(words):
        return True
    return bool(_RUNNERS.fullmatch(name) and _OUR_PACKAGE.fullmatch(_basename(_package(words))))


def _basename(path: str) -> str:
    return re.split(r"[/\\]", path)[-1]


def _package(words: list[str]) -> str:
    """The first argument of a runner that is neither an option, nor an option's value, nor its own verb."""
    before = ""
    for word in words:
        if not word.startswith("-") and before not in _RUNNER_VALUES and word not in _RUNNER_WORDS:
            return word
        before = word
    return ""
