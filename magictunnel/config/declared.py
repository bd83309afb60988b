"""Which capability files a config names."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

MAX_FILES = 1_000
_GLOB = re.compile(r"[*?\[]")


def capability_files(patterns: Iterable[str], folder: Path) -> tuple[str, ...]:
    """The paths that `patterns` (globs, with `**` for any folders) name now, seen from `folder`; each once, in order.

    A path that is no glob is among them whether it is there or not, so that somebody hears of it.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        whole = str(folder / os.path.expanduser(pattern))
        if not _is_glob(pattern):
            found[whole] = None
            continue
        matches = glob.iglob(whole, recursive=True)
        files = (path for path in islice(matches, 10 * MAX_FILES) if os.path.isfile(path))
        found |= dict.fromkeys(sorted(islice(files, MAX_FILES)))
    return tuple(islice(found, MAX_FILES))


def unmatched(patterns: Iterable[str], folder: Path) -> list[str]:
    """The globs among `patterns` that name no file now, seen from `folder`."""
    return [pattern for pattern in patterns if _is_glob(pattern) and not capability_files([pattern], folder)]


def capability_folders(patterns: Iterable[str], folder: Path) -> list[Path]:
    """The folders in which `patterns` begin to look, seen from `folder`."""
    return [folder / _fixed(pattern) for pattern in patterns]


def _fixed(pattern: str) -> Path:
    """The folder of a pattern, up to where anything may stand."""
    parts = Path(os.path.expanduser(pattern)).parts
    fixed = next((position for position, part in enumerate(parts) if _is_glob(part)), len(parts) - 1)
    return Path(*parts[:fixed])


def _is_glob(text: str) -> bool:
    return _GLOB.search(text) is not None
