"""Which view each client has: decided for each sort of client, anew when the catalog or the config changes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from magictunnel.catalog.find import each_listed, listed
from magictunnel.catalog.live import LiveCatalog
from magictunnel.catalog.model import Allows, Catalog, Entry, Json, Kind, View, everything, identical
from magictunnel.config.discovery import DiscoveryConfig
from magictunnel.discovery.budget import Weight, defers, view_of, weight
from magictunnel.discovery.guide import instructions
from magictunnel.wire.caller import Caller

MAX_SORTS = 1_000
"""Sorts of clients whose view is remembered; the one that was longest not asked for is forgotten first."""

Differs = Callable[[Caller], frozenset[Kind]]
"""Of which kinds a client is shown another list than before."""
Listener = Callable[[Differs], None]


class _Sort(NamedTuple):
    """Clients with equal rights, that search long lists by themselves or do not."""

    allows: Allows
    defers: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Moment:
    """What views are decided by."""

    catalog: Catalog
    config: DiscoveryConfig


class _Decision(NamedTuple):
    view: View
    at: _Moment


class Views:
    """Gives clients alike the same view, and keeps them at it until there is reason for another one."""

    def __init__(self, live: LiveCatalog, config: Callable[[], DiscoveryConfig]) -> None:
        self._live = live
        self._config = config
        self._at = _Moment(live.current, config())
        self._decided: OrderedDict[_Sort, _Decision] = OrderedDict()
        self._weighed: tuple[Catalog, Weight] | None = None
        self._listeners: list[Listener] = []
        live.subscribe(self.look)

    def subscribe(self, listener: Listener) -> None:
        """Have `listener` told, synchronously, whenever some client may be shown something else."""
        self._listeners.append(listener)

    def of(self, caller: Caller) -> View:
        """What `caller` is shown now."""
        return self._view(self._sort(caller))

    def listed(self, caller: Caller, kind: Kind) -> list[Entry]:
        """What a list of this kind holds for `caller` now."""
        return listed(self._live.current, kind, caller.allows, self.of(caller))

    @property
    def are_alike(self) -> bool:
        """Whether all clients with the same rights are shown the same."""
        return self._view(_Sort(everything, defers=False)) is self._view(_Sort(everything, defers=True))

    def instructions(self, caller: Caller) -> str:
        """What `caller` is told at its opening."""
        return instructions(self._live.current, self.of(caller), caller.allows)

    @property
    def facts(self) -> Json:
        """What clients are shown, for the person who runs this: of those that search by themselves, and of others."""
        cost = self._weight()
        return {
            "mode": self._config().mode.value,
            "shown": self._view(_Sort(everything, defers=False)).value,
            "shown_to_deferring": self._view(_Sort(everything, defers=True)).value,
            "tools": cost.tools,
            "tokens": cost.tokens,
        }

    def _weight(self) -> Weight:
        """What listing everything costs, weighed once for each catalog."""
        if self._weighed is None or self._weighed[0] is not self._live.current:
            catalog = self._live.current
            self._weighed = (catalog, weight(each_listed(catalog, Kind.TOOL, everything)))
        return self._weighed[1]

    def look(self, kinds: frozenset[Kind] = frozenset()) -> None:
        """The catalog differs in these kinds, or the config is another one."""
        before, self._at = self._at, _Moment(self._live.current, self._config())
        known: dict[_Sort, frozenset[Kind]] = {}

        def differs(caller: Caller) -> frozenset[Kind]:
            sort = self._sort(caller)
            if sort not in known:
                known[sort] = self._changed(kinds, before, sort)
            return known[sort]

        for listener in self._listeners:
            listener(differs)

    def _changed(self, kinds: frozenset[Kind], before: _Moment, sort: _Sort) -> frozenset[Kind]:
        """Which lists of a sort of clients differ from those it had, or would have had, a moment before."""
        known = self._decided.get(sort)
        was = known.view if known else _decided(sort, before)
        view = self._view(sort)
        old, new = before.catalog, self._at.catalog
        suspects = kinds if was is view else kinds | {Kind.TOOL}
        return frozenset(
            kind
            for kind in suspects
            if not _same(listed(old, kind, sort.allows, was), listed(new, kind, sort.allows, view))
        )

    def _sort(self, caller: Caller) -> _Sort:
        return _Sort(caller.allows, defers(caller.name, self._config()))

    def _view(self, sort: _Sort) -> View:
        known = self._decided.get(sort)
        if known is None or known.at is not self._at:
            known = _Decision(_decided(sort, self._at, known.view if known else None), self._at)
            self._decided[sort] = known
            if len(self._decided) > MAX_SORTS:
                self._decided.popitem(last=False)
        self._decided.move_to_end(sort)
        return known.view


def _decided(sort: _Sort, at: _Moment, former: View | None = None) -> View:
    entries = each_listed(at.catalog, Kind.TOOL, sort.allows)
    return view_of(entries, at.config, by_itself=sort.defers, former=former)


def _same(one: Sequence[Entry], other: Sequence[Entry]) -> bool:
    """Whether two lists hold the same, in whatever order."""
    if len(one) != len(other):
        return False
    definitions = {entry.name: entry.definition for entry in other}
    return all(
        entry.name in definitions
        and (entry.definition is definitions[entry.name] or identical(entry.definition, definitions[entry.name]))
        for entry in one
    )
