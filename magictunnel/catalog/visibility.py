"""Where entries are to be seen, by the rules of a person. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase

from magictunnel.catalog.model import Entry, Visibility

Rules = Mapping[str, Visibility]
"""Name (URI), shell-style glob of them, or name of a server -> where it is seen; the last one that fits decides."""


def seen(rules: Rules, backend: str, names: Collection[str]) -> Visibility:
    """Where an entry of `backend` is to be seen that is known by these names."""
    for pattern, visibility in reversed(list(rules.items())):
        if pattern == backend or pattern in names or any(fnmatchcase(name, pattern) for name in names):
            return visibility
    return Visibility.AUTO


def without_disabled(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """Those that are there for somebody."""
    return {name: entry for name, entry in entries.items() if entry.visibility is not Visibility.DISABLED}
