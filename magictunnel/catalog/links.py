"""URIs inside results: each is told to clients in a form that leads back to the server it came from."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from magictunnel.catalog.find import expansions
from magictunnel.catalog.model import EMPTY, Catalog, Json, Kind, everything
from magictunnel.catalog.names import digested_uri, public_uri

MAX_REMEMBERED = 10_000
"""Links to unlisted resources that are remembered; the oldest is forgotten first."""

Publish = Callable[[str], str]


class Links:
    """Remembers which backend handed out which unlisted URI, so that reading it reaches the same one."""

    def __init__(self, alias_of: Callable[[str], str]) -> None:
        self._alias_of = alias_of
        self._owners: OrderedDict[str, tuple[str, str]] = OrderedDict()

    def owner(self, uri: str) -> tuple[str, str] | None:
        """The backend that handed out `uri`, and what it calls it there."""
        return self._owners.get(uri)

    def publish(self, catalog: Catalog, backend: str, uri: str) -> str:
        """The URI by which clients reach what `backend` calls `uri`: the same, unless that leads elsewhere."""
        claims = catalog.claims.get(uri, EMPTY)
        if backend in claims:
            return str(claims[backend].name)
        makers = {entry.backend for entry, _ in expansions(catalog, uri, everything)}
        if makers == {backend} and not claims:
            return uri
        if not claims and not makers and self._owners.get(uri, (backend, uri))[0] == backend:
            return self._remember(uri, backend, uri)
        alias = self._alias_of(backend)
        public = public_uri(alias, uri)
        if public in catalog.of(Kind.RESOURCE):
            public = digested_uri(alias, uri, "1")
        return self._remember(public, backend, uri)

    def _remember(self, public: str, backend: str, uri: str) -> str:
        self._owners[public] = (backend, uri)
        self._owners.move_to_end(public)
        if len(self._owners) > MAX_REMEMBERED:
            self._owners.popitem(last=False)
        return public


def republish(result: Json, publish: Publish) -> Json:
    """`result` with every resource URI in it told as `publish` says; the very same object if none differs."""
    for field in ("content", "contents", "messages"):
        items = result.get(field)
        if isinstance(items, list) and (told := [_republished(item, publish) for item in items]) != items:
            result = result | {field: told}
    return result


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
