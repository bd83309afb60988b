"""Which rules of visibility to write, so that something is seen as a person wants. Pure."""

from __future__ import annotations

from collections.abc import Collection

from magictunnel.catalog.merge import MergeRules
from magictunnel.catalog.model import Entry, Visibility
from magictunnel.catalog.visibility import Rules


def seen(rules: Rules, entry: Entry) -> Visibility:
    """Where `entry` is seen by these rules."""
    return MergeRules(visibility=rules).seen(entry.kind, entry.backend, entry.original, entry.name)


def fits(pattern: str, entry: Entry) -> bool:
    """Whether a rule for `pattern` is one for `entry`."""
    return seen({pattern: Visibility.DISABLED}, entry) is Visibility.DISABLED


def ruled(rules: Rules, pattern: str, visibility: Visibility, entries: Collection[Entry]) -> Rules:
    """`rules` with one for `pattern` that no other comes before: at the end, unless it is there and wins already.

    `entries`: all that is known to be offered.
    """
    behind = list(rules)[list(rules).index(pattern) + 1 :] if pattern in rules else []
    if pattern in rules and not any(_meet(pattern, other, entries) for other in behind):
        return {**rules, pattern: visibility}
    return {**{other: value for other, value in rules.items() if other != pattern}, pattern: visibility}


def enabled(rules: Rules, pattern: str, entries: Collection[Entry]) -> Rules:
    """`rules` by which nothing that fits `pattern` is disabled: without those that do it, or with one against them.

    `entries`: all that is known to be offered.
    """
    meant = [entry for entry in entries if fits(pattern, entry)]
    names = {pattern, *(entry.name for entry in meant)}
    left = {key: value for key, value in rules.items() if not (key in names and value is Visibility.DISABLED)}
    if any(seen(left, entry) is Visibility.DISABLED for entry in meant):
        return ruled(left, pattern, Visibility.AUTO, entries)
    return left


def _meet(one: str, other: str, entries: Collection[Entry]) -> bool:
    """Whether two patterns may fit the same entry, also one that is not offered yet."""
    names = {entry.name for entry in entries}
    are_wide = one not in names and other not in names
    return are_wide or any(fits(one, entry) and fits(other, entry) for entry in entries)
