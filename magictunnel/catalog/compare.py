"""What changed between two Listings of one server: added, removed, renamed, changed, and what of it breaks. Pure.

An entry is renamed if one is gone and one has come whose definitions say the same but for `name`, `title` and address;
or whose descriptions are the same, or whose arguments are, and whose names resemble each other (`ALIKE`). Where several
are gone or have come that fit, none is called renamed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from magictunnel.catalog.changes import Changes, EntryChange, How, Part
from magictunnel.catalog.differences import ABSENT, differences, same
from magictunnel.catalog.digest import canonical
from magictunnel.catalog.model import Json, Kind, Listing
from magictunnel.catalog.refs import without
from magictunnel.catalog.schemas import verdict

ALIKE = 0.6
"""How much two names have in common (0 to 1) that may be one thing renamed."""

_PROMISES = {"readOnlyHint": (True, False), "idempotentHint": (True, False), "destructiveHint": (False, True)}
"""Hints by which a call is taken for harmless: the value that promises it, and the one meant by none."""


def compare(old: Listing, new: Listing) -> Changes:
    """What `new` offers that `old` did not, and so on. No change if and only if their digests are the same.

    Raises:
        ValueError, RecursionError: one of them cannot be written as JSON.
    """
    entries = tuple(change for kind in Kind for change in _of_kind(kind, old, new))
    hints = [(f"hints of {kind}", old.hints.get(kind) or {}, new.hints.get(kind) or {}) for kind in Kind]
    said = [
        ("capabilities", old.capabilities, new.capabilities),
        ("instructions", old.instructions, new.instructions),
        *hints,
    ]
    return Changes(entries, tuple(_part(name, was, now) for name, was, now in said if not same(was, now)))


# --- which entry became which

_Key = tuple[str, int]
"""A name as JSON, and which of the definitions it is that are listed under it."""


def _of_kind(kind: Kind, old: Listing, new: Listing) -> Iterator[EntryChange]:
    before, after = _by_name(kind, old), _by_name(kind, new)
    gone = {key: one for key, one in before.items() if key not in after}
    come = {key: one for key, one in after.items() if key not in before}
    renamed = _renamed(kind, gone, come)
    was_renamed = set(renamed.values())
    yield from (EntryChange(How.REMOVED, kind, _name(kind, gone[key])) for key in gone if key not in was_renamed)
    for key, definition in after.items():
        name = _name(kind, definition)
        if key in renamed:
            was = gone[renamed[key]]
            yield EntryChange(How.RENAMED, kind, name, _name(kind, was), _parts(kind, was, definition))
        elif key in come:
            yield EntryChange(How.ADDED, kind, name)
        elif parts := _parts(kind, before[key], definition):
            yield EntryChange(How.CHANGED, kind, name, parts=parts)


def _by_name(kind: Kind, listing: Listing) -> dict[_Key, Json]:
    """The definitions in their order; those of one name in an order that is always the same."""
    found: dict[str, list[Json]] = {}
    for definition in listing.entries.get(kind, ()):
        found.setdefault(canonical(definition.get(kind.key)), []).append(definition)
    return {(name, at): one for name, those in found.items() for at, one in enumerate(sorted(those, key=canonical))}


def _name(kind: Kind, definition: Json) -> str:
    name = definition.get(kind.key)
    return name if isinstance(name, str) else "(without a name)"


def _renamed(kind: Kind, gone: Mapping[_Key, Json], come: Mapping[_Key, Json]) -> dict[_Key, _Key]:
    """Key of an entry that has come -> key of the one that it was."""
    renamed: dict[_Key, _Key] = {}
    taken: set[_Key] = set()
    for sign, suffices in ((_essence, True), (_description, False), (_arguments, False)):
        before = _unique(sign, {key: one for key, one in gone.items() if key not in taken})
        after = _unique(sign, {key: one for key, one in come.items() if key not in renamed})
        for mark, key in after.items():
            was = before.get(mark)
            if was and (suffices or _are_alike(_name(kind, gone[was]), _name(kind, come[key]))):
                renamed[key] = was
                taken.add(was)
    return renamed


def _unique(sign: Callable[[Json], str], definitions: Mapping[_Key, Json]) -> dict[str, _Key]:
    """Sign -> the one definition that has it."""
    signs = {key: mark for key, one in definitions.items() if (mark := sign(one))}
    counts = Counter(signs.values())
    return {mark: key for key, mark in signs.items() if counts[mark] == 1}


def _essence(definition: Json) -> str:
    """All but what it is called; nothing if that would not tell it from others."""
    tells = _description(definition) or _arguments(definition)
    return canonical(without(definition, "name", "title", "uri", "uriTemplate")) if tells else ""


def _description(definition: Json) -> str:
    return canonical(definition["description"]) if definition.get("description") else ""


def _arguments(definition: Json) -> str:
    """What a tool or prompt takes, if it takes anything."""
    schema = definition.get("inputSchema")
    takes = schema.get("properties") if isinstance(schema, dict) else definition.get("arguments")
    return canonical([schema, takes]) if takes else ""


def _are_alike(one: str, other: str) -> bool:
    return SequenceMatcher(None, one[:128].lower(), other[:128].lower()).ratio() >= ALIKE


# --- which parts differ, and how


def _parts(kind: Kind, old: Json, new: Json) -> tuple[Part, ...]:
    keys = [key for key in (*old, *(key for key in new if key not in old)) if key != kind.key]
    pairs = [(key, old.get(key, ABSENT), new.get(key, ABSENT)) for key in keys]
    return tuple(_part(key, was, now, kind) for key, was, now in pairs if not same(was, now))


def _part(name: str, was: Any, now: Any, kind: Kind | None = None) -> Part:
    if name == "annotations":  # none say as much as empty ones
        was, now = ({} if one is ABSENT else one for one in (was, now))
    values = {key: value for key, value in (("was", was), ("now", now)) if value is not ABSENT}
    reasons, breaks = _judged(kind, name, was, now)
    return Part(name, tuple(reasons) or differences(was, now), values, breaks)


def _judged(kind: Kind | None, name: str, was: Any, now: Any) -> tuple[Sequence[str], bool | None]:
    """Why it breaks something, and whether it does; None where that is not the question."""
    match kind, name:
        case Kind.TOOL, "inputSchema" | "outputSchema":
            # Without a schema anything is taken, and nothing is known of results.
            schemas = [{} if schema is ABSENT else schema for schema in (was, now)]
            found = verdict(*schemas, of_results=name == "outputSchema")
            return found.reasons, found.is_breaking
        case Kind.PROMPT, "arguments":
            found = verdict(_schema_of(was), _schema_of(now))
            return [reason.replace("property", "argument", 1) for reason in found.reasons], found.is_breaking
        case Kind.TOOL, "annotations":
            return (), _takes_back(was, now)
        case _:
            return (), None


def _schema_of(arguments: Any) -> Json:
    """The arguments of a prompt as the schema of an object."""
    found = [one for one in arguments if isinstance(one, dict)] if isinstance(arguments, list) else []
    named = {str(one.get("name")): one for one in found}
    required = [name for name, one in named.items() if one.get("required") is True]
    return {"type": "object", "properties": {name: {} for name in named}, "required": required}


def _takes_back(was: Any, now: Any) -> bool | None:
    """Whether a hint takes back that calls are harmless; None if no such hint changed."""
    hints = [(hint, _hint(was, hint), _hint(now, hint)) for hint in _PROMISES]
    changed = [(old, _PROMISES[hint][0]) for hint, old, new in hints if old != new]
    return any(old == promise for old, promise in changed) if changed else None


def _hint(annotations: Any, hint: str) -> bool:
    value = annotations.get(hint) if isinstance(annotations, dict) else None
    return value if isinstance(value, bool) else _PROMISES[hint][1]
