"""Which entries a caller sees, and which one a name means: two questions to the same rights."""

from __future__ import annotations

from collections.abc import Iterator

from magictunnel.catalog.model import EMPTY, Allows, Catalog, Entry, Kind, View, Visibility, everything
from magictunnel.catalog.templates import matches

MAX_NAME = 8_192
"""Characters of a name or URI that somebody asks for."""


def visible(catalog: Catalog, kind: Kind, allows: Allows) -> list[Entry]:
    """The entries of one kind that this caller may use, in the order in which they are listed."""
    return [entry for entry in catalog.of(kind).values() if allows(entry)]


def listed(catalog: Catalog, kind: Kind, allows: Allows, view: View = View.EVERYTHING) -> list[Entry]:
    """What a list of one kind holds for a caller with this view. It may use more than it is shown."""
    return list(each_listed(catalog, kind, allows, view))


def each_listed(catalog: Catalog, kind: Kind, allows: Allows, view: View = View.EVERYTHING) -> Iterator[Entry]:
    """The same, one by one."""
    searches = kind is Kind.TOOL and view is View.SEARCH
    for guide in catalog.guides.values() if kind is Kind.TOOL else ():
        if (searches or guide.visibility is Visibility.LISTED) and allows(guide):
            yield guide
    wanted = (Visibility.LISTED,) if searches else (Visibility.LISTED, Visibility.AUTO)
    for entry in catalog.of(kind).values():
        if entry.visibility in wanted and allows(entry):
            yield entry


def everything_of(catalog: Catalog) -> list[Entry]:
    """All entries of servers, tools first."""
    return [entry for kind in Kind for entry in catalog.of(kind).values()]


def find(catalog: Catalog, kind: Kind, name: str, allows: Allows) -> Entry | None:
    """The entry that `name` means to this caller: its public name, or another one that is accepted."""
    entry = catalog.of(kind).get(name)
    if entry is None and kind is Kind.TOOL:
        entry = catalog.guides.get(name)
    if entry is None:
        entry = catalog.accepted.get(kind, EMPTY).get(name)
    return entry if entry is not None and allows(entry) else None


def reaches(catalog: Catalog, backend: str, allows: Allows) -> bool:
    """Whether what a backend does not list is for this caller: that has no rights of its own, but its owner has."""
    if allows is everything:
        return True
    return any(entry.backend == backend and allows(entry) for kind in Kind for entry in catalog.of(kind).values())


def expansions(catalog: Catalog, uri: str, allows: Allows) -> Iterator[tuple[Entry, str]]:
    """The templates that can produce `uri`, each with the URI its owner knows it by."""
    for entry in catalog.of(Kind.TEMPLATE).values():
        if allows(entry) and matches(entry.name, uri):
            yield entry, uri.removeprefix(entry.name.removesuffix(entry.original))
