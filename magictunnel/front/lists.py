"""Answers to list requests: written once for each catalog and sort of clients, and then given out as they are."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NamedTuple

from magictunnel.catalog.live import LiveCatalog
from magictunnel.catalog.model import Allows, Catalog, Json, View
from magictunnel.catalog.promises import offers
from magictunnel.discovery.views import Views
from magictunnel.errors import MethodNotOffered
from magictunnel.front.decode import LISTS
from magictunnel.front.encode import encoded
from magictunnel.front.pages import page
from magictunnel.wire.caller import Caller, Rights, no_limits
from magictunnel.wire.codec import Raw, dumps

MAX_KEPT = 32 * 1024 * 1024
"""Bytes of answers that are kept; the one that was longest not asked for is forgotten first."""
_BESIDE = 2_000
"""Bytes that keeping one takes besides its text."""
_MAX_CURSOR = 500
"""Characters of a cursor whose page is kept: anybody can make others up, of any length."""


class _Wanted(NamedTuple):
    """All that an answer depends on besides the catalog."""

    method: str
    stateless: bool
    allows: Allows
    view: View
    are_alike: bool
    """Whether all clients with the same rights are shown the same."""
    cursor: Any


class Lists:
    """The pages of all lists, as each sort of clients is told them."""

    def __init__(self, live: LiveCatalog, views: Views, rights: Rights, server_info: Json, page_size: int) -> None:
        self._live = live
        self._views = views
        self._rights = rights
        self._server_info = server_info
        self._page_size = page_size
        self._catalog: Catalog | None = None
        self._kept: OrderedDict[_Wanted, Raw] = OrderedDict()
        self._size = 0

    def answer(self, method: str, params: Json, caller: Caller) -> Json:
        """The result of a list request, in its caller's era.

        Raises:
            MethodNotOffered: no server has such things.
            BadParams: a cursor that we never gave out.
        """
        catalog = self._live.current
        if not offers(catalog.capabilities, LISTS[method]):
            raise MethodNotOffered(method)
        cursor = params.get("cursor")
        view, are_alike = self._views.of(caller), self._views.are_alike
        wanted = _Wanted(method, caller.stateless, caller.allows, view, are_alike, cursor)
        if catalog is not self._catalog:
            self._catalog, self._size = catalog, 0
            self._kept.clear()
        known = self._kept.get(wanted) if isinstance(cursor, str | None) else None
        if known is not None:
            self._kept.move_to_end(wanted)
            return known
        told = self._made(catalog, wanted, caller)
        try:
            raw = Raw(told, dumps(told)[:-1])
        except ValueError:  # whoever sends it says what is wrong
            return told
        return self._keep(wanted, raw) if cursor is None or len(cursor) <= _MAX_CURSOR else raw

    def _keep(self, wanted: _Wanted, told: Raw) -> Raw:
        self._kept[wanted] = told
        self._size += _BESIDE + len(told.text)
        while self._size > MAX_KEPT:
            self._size -= _BESIDE + len(self._kept.popitem(last=False)[1].text)
        return told

    def _made(self, catalog: Catalog, wanted: _Wanted, caller: Caller) -> Json:
        kind = LISTS[wanted.method]
        given, cursor = page(self._views.listed(caller, kind), wanted.cursor, self._page_size)
        result: Json = {kind.value: [entry.definition for entry in given], **catalog.hints.get(kind, {})}
        if self._rights is not no_limits or not wanted.are_alike:
            result["cacheScope"] = "private"  # others get another list
        result |= {"nextCursor": cursor} if cursor else {}
        return encoded(result, wanted.method, stateless=wanted.stateless, server_info=self._server_info)
