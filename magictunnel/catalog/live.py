"""The current Catalog: one reference, swapped whole when the merge of all listings really changed."""

from __future__ import annotations

from collections.abc import Callable

from magictunnel.catalog.merge import MergeRules, diff, merge
from magictunnel.catalog.model import Catalog, Kind, Listing

Listener = Callable[[frozenset[Kind]], None]
"""Told, synchronously, which kinds differ from before."""


class LiveCatalog:
    """Keeps the last listing of each backend and the Catalog merged from them."""

    def __init__(self, rules: MergeRules) -> None:
        self._rules = rules
        self._listings: dict[str, Listing] = {}
        self._listeners: list[Listener] = []
        self.current: Catalog = merge({}, rules)
        """What is offered now. Take the reference once and keep it for as long as one answer needs it."""

    @property
    def rules(self) -> MergeRules:
        return self._rules

    def subscribe(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def replace(self, backend: str, listing: Listing | None) -> None:
        """Take what `backend` offers now (None: nothing any more). Equal listing or equal merge: nobody is told."""
        known = self._listings.get(backend)
        if known is listing or (known and listing and known.is_like(listing)):
            return
        listings = {name: known for name, known in self._listings.items() if name != backend}
        if listing is not None:
            listings[backend] = listing
        self._take(listings, self._rules)

    def rule(self, rules: MergeRules) -> None:
        """Merge by other rules from now on, what is listed already too."""
        self._take(self._listings, rules)

    def _take(self, listings: dict[str, Listing], rules: MergeRules) -> None:
        old, self.current = self.current, merge(listings, rules)
        self._listings, self._rules = listings, rules
        if changed := diff(old, self.current):
            for listener in self._listeners:
                listener(changed)
