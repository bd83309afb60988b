"""Which entries a caller sees, and which one a name means: two questions to the same rights."""

from __future__ import annotations

from collections.abc import Iterator

from magictunnel.catalog.model import EMPTY, Allows, Catalog, Entry, Kind
from magictunnel.catalog.templates import matches


def visible(catalog: Catalog, kind: Kind, allows: Allows) -> list[Entry]:
    """The entries of one kind that this caller may use, in the order in which they are listed."""
    return [entry for entry in catalog.of(kind).values() if allows(entry)]


def find(catalog: Catalog, kind: Kind, name: str, allows: Allows) -> Entry | None:
    """The entry that `name` means to this caller: its public name, or another one that is accepted."""
    entry = catalog.of(kind).get(name) or catalog.accepted.get(kind, EMPTY).get(name)
    return entry if entry and allows(entry) else None


def expansions(catalog: Catalog, uri: str, allows: Allows) -> Iterator[tuple[Entry, str]]:
    """The templates that can produce `uri`, each with the URI its owner knows it by."""
    for entry in catalog.of(Kind.TEMPLATE).values():
        if allows(entry) and matches(entry.name, uri):
            yield entry, uri.removeprefix(entry.name.removesuffix(entry.original))
