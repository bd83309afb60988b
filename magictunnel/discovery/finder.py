"""The index of what is offered now, and questions to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import anyio
from anyio import to_thread

from magictunnel.catalog.find import everything_of
from magictunnel.catalog.live import LiveCatalog
from magictunnel.catalog.model import Allows, Catalog, Entry, everything
from magictunnel.discovery.clauses import split
from magictunnel.discovery.index import Index
from magictunnel.discovery.search import Answer, Scope, search_steps
from magictunnel.discovery.usage import Event, Usage
from magictunnel.discovery.vectors import Vectors
from magictunnel.wire.caller import Caller

_LARGE = 2_000
"""Entries that are searched without a thread: it takes a few milliseconds."""

_Parts = dict[str, tuple[Entry, ...]]
"""Backend -> its entries."""


class Step(NamedTuple):
    """One thing that was asked for, and what does it."""

    words: str
    answer: Answer


class Findings(NamedTuple):
    """What does a request."""

    whole: Answer
    """All of it, ranked together: this is what an evaluation measures."""
    steps: Sequence[Step]
    """Each thing that was asked for; one, if there is but one."""


async def findings(
    index: Index,
    request: str,
    vectors: Vectors | None = None,
    *,
    allows: Allows = everything,
    scope: Scope,
    limit: int,
    uses: Mapping[str, int] | None = None,
) -> Findings:
    """What of `index` does `request`, as far as this caller may use it. See `search_steps`."""
    clauses = split(request)
    dense = [await vectors.against(clause) for clause in clauses] if vectors else None
    ask = partial(search_steps, index, request, allows=allows, scope=scope, limit=limit, dense=dense, uses=uses)
    whole, answers = await to_thread.run_sync(ask) if len(index) > _LARGE else ask()
    return Findings(whole, [Step(*step) for step in zip(clauses, answers, strict=True)])


class Finder:
    """Finds entries for callers, of the catalog of the moment."""

    def __init__(self, live: LiveCatalog, usage: Usage, vectors: Vectors | None = None) -> None:
        self._live = live
        self._usage = usage
        self._vectors = vectors
        self._catalog: Catalog | None = None
        """The one that is indexed."""
        self._parts: _Parts = {}
        self._index = Index()
        self._turn = anyio.Lock()

    async def find(self, request: str, caller: Caller, scope: Scope, limit: int) -> Findings:
        """What does a request; only what `caller` may use is in it."""
        index, uses = await self.current(), self._usage.uses
        found = await findings(index, request, self._vectors, allows=caller.allows, scope=scope, limit=limit, uses=uses)
        self._usage.note(Event.FOUND, [one.entry for one in found.whole.ranked])
        return found

    async def current(self) -> Index:
        """The index of the current catalog; made anew where backends offer something else now."""
        async with self._turn:
            catalog = self._live.current
            if catalog is not self._catalog:
                parts = parts_of(catalog)
                stale = stale_parts(self._parts, parts)
                self._index = await to_thread.run_sync(_indexed, self._index, stale)
                self._parts, self._catalog = parts, catalog
            return self._index


def parts_of(catalog: Catalog) -> _Parts:
    """What each backend offers, of every kind."""
    parts: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in everything_of(catalog):
        parts[entry.backend].append(entry)
    return {backend: tuple(entries) for backend, entries in parts.items()}


def stale_parts(known: _Parts, current: _Parts) -> _Parts:
    """What is to be indexed again: backends that offer something else now, or nothing any more."""
    gone: _Parts = {backend: () for backend in known if backend not in current}
    return gone | {backend: entries for backend, entries in current.items() if known.get(backend) != entries}


def _indexed(index: Index, stale: _Parts) -> Index:
    for backend, entries in stale.items():
        index = index.replaced(backend, entries)
    return index
