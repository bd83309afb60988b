"""Which server a resource URI means, and how URIs inside results are told so that they mean theirs."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable
from typing import NamedTuple

from magictunnel.catalog.find import expansions, find, reaches
from magictunnel.catalog.merge import MergeRules, is_offered
from magictunnel.catalog.model import EMPTY, Allows, Catalog, Entry, Json, Kind, everything
from magictunnel.catalog.names import digested_uri, original_uri, public_uri
from magictunnel.catalog.templates import matches

MAX_REMEMBERED = 10_000
"""Links to unlisted resources of one backend that are remembered; the oldest is forgotten first."""

_LEADING = frozenset({"uri", "resource", "content"})
"""The fields in which an item of a result names a resource, or has one in it."""

Publish = Callable[[str], str]


class Place(NamedTuple):
    """A resource as its owner knows it."""

    backend: str
    uri: str


class Links:
    """Remembers which backend handed out which unlisted URI, so that reading it reaches the same one."""

    def __init__(self, rules: Callable[[], MergeRules]) -> None:
        self._rules = rules
        self._remembered: dict[str, Place] = {}
        self._told: defaultdict[str, OrderedDict[str, None]] = defaultdict(OrderedDict)
        """Per backend, so that no server can make us forget what another one told."""

    def owner(self, catalog: Catalog, uri: str, allows: Allows = everything) -> Place | None:
        """What `uri` means to a caller with these rights; None if nothing, or if several could be meant."""
        place = self._meaning(catalog, uri)
        if place is None or not is_offered(Kind.RESOURCE, place.uri, self._rules().of(place.backend)):
            return None
        listed: Entry | None = catalog.claims.get(place.uri, EMPTY).get(place.backend)
        entries = (
            [listed] if listed else [entry for entry in makers(catalog, place.uri) if entry.backend == place.backend]
        )
        is_allowed = any(map(allows, entries)) if entries else reaches(catalog, place.backend, allows)
        return place if is_allowed else None

    def is_known(self, catalog: Catalog, uri: str) -> bool:
        """Whether `uri` means something, to whoever may use it."""
        return self._meaning(catalog, uri) is not None

    def publish(self, catalog: Catalog, backend: str, uri: str) -> str:
        """The URI by which clients reach what `backend` calls `uri`: the same, unless that leads elsewhere."""
        place = Place(backend, uri)
        claims = catalog.claims.get(uri, EMPTY)
        if backend in claims:
            return str(claims[backend].name)
        means = self._meaning(catalog, uri)
        if means == place:
            return self._remember(uri, place) if uri in self._remembered else uri
        if means is None and not claimants(catalog, uri) - {backend}:
            return self._remember(uri, place)
        alias = self._rules().of(backend).alias
        public = public_uri(alias, uri)
        if self._meaning(catalog, public) not in (None, place):
            public = digested_uri(alias, uri, "1")
        return self._remember(public, place)

    def choices(self, catalog: Catalog, uri: str, allows: Allows = everything) -> list[str]:
        """What a caller with these rights can write instead of a URI that several servers could mean."""
        qualified = (public_uri(self._rules().of(name).alias, uri) for name in sorted(claimants(catalog, uri)))
        named = catalog.ambiguous.get(uri) or qualified
        return [name for name in named if self.owner(catalog, name, allows)]

    def _meaning(self, catalog: Catalog, uri: str) -> Place | None:
        if entry := find(catalog, Kind.RESOURCE, uri, everything):
            return Place(entry.backend, entry.original)
        if uri in catalog.ambiguous:
            return None
        if uri in self._remembered:
            return self._remembered[uri]
        made = {entry.backend: original for entry, original in expansions(catalog, uri, everything)}
        if made:
            return Place(*made.popitem()) if len(made) == 1 else None
        return self._told_apart(catalog, uri)

    def _told_apart(self, catalog: Catalog, uri: str) -> Place | None:
        """A URI that we qualified before we were restarted, or that a person did."""
        for backend in catalog.backends:
            original = original_uri(self._rules().of(backend).alias, uri)
            if original is not None:
                return Place(backend, original)
        return None

    def _remember(self, public: str, place: Place) -> str:
        told = self._told[place.backend]
        self._remembered[public] = place
        told[public] = None
        told.move_to_end(public)
        if len(told) > MAX_REMEMBERED:
            del self._remembered[told.popitem(last=False)[0]]
        return public


def claimants(catalog: Catalog, uri: str) -> set[str]:
    """The backends that could mean something by `uri`: those that list it, and those whose templates make it."""
    return {entry.backend for entry in makers(catalog, uri)} | set(catalog.claims.get(uri, EMPTY))


def makers(catalog: Catalog, uri: str) -> list[Entry]:
    """The templates that make what their owner calls `uri`."""
    return [entry for entry in catalog.of(Kind.TEMPLATE).values() if matches(entry.original, uri)]


def republish(result: Json, publish: Publish) -> Json:
    """`result` with every resource URI in it told as `publish` says; the very same object if none differs."""
    for field in ("content", "contents", "messages"):
        items = result.get(field)
        if not isinstance(items, list) or not any(map(_may_lead, items)):
            continue
        if (told := [_republished(item, publish) for item in items]) != items:
            result = result | {field: told}
    return result


def _may_lead(item: object) -> bool:
    """Whether there may be a URI in it, which most have not."""
    return isinstance(item, dict) and not _LEADING.isdisjoint(item)


def _republished(item: object, publish: Publish) -> object:
    """One content block, prompt message or resource contents."""
    if not isinstance(item, dict):
        return item
    uri = item.get("uri")
    if isinstance(uri, str) and item.get("type") in (None, "resource_link"):
        item = item | {"uri": publish(uri)}
    for field in ("resource", "content"):
        inner = item.get(field)
        if isinstance(inner, dict):
            item = item | {field: _republished(inner, publish)}
        elif isinstance(inner, list):
            item = item | {field: [_republished(part, publish) for part in inner]}
    return item
