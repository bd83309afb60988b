"""Labelled requests put to the search, one by one, as clients put theirs: what comes of it, and how long it takes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import anyio
from anyio.lowlevel import checkpoint

from magictunnel.catalog.find import listed
from magictunnel.catalog.model import Catalog, Json, Kind, View, Visibility, everything
from magictunnel.discovery.arguments.extract import extract
from magictunnel.discovery.arguments.score import Score, score, total
from magictunnel.discovery.budget import tokens, weight
from magictunnel.discovery.evaluation import Labelled, Sure
from magictunnel.discovery.finder import findings
from magictunnel.discovery.guide import instructions
from magictunnel.discovery.index import Index
from magictunnel.discovery.search import Scope
from magictunnel.discovery.vectors import Opening, Vectors
from magictunnel.errors import MagicTunnelError

PLACES = 20
"""How much of an answer is kept."""
_PATIENCE = 60.0
"""Seconds that a request may wait for its vector: what is measured is how well it is found with one."""
_GLANCE = 0.02


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found for one request."""

    query: Labelled
    ranked: tuple[str, ...]
    """`server/tool`, best first."""
    confidence: float
    """That the first is right; 0 if nothing was found."""
    fits: bool
    mode: str
    seconds: float

    @property
    def sure(self) -> Sure:
        """How sure it is of its first, and whether that is right."""
        return self.confidence, bool(self.ranked) and self.ranked[0] in self.query.gold


@dataclass(frozen=True, slots=True)
class Costs:
    """Tokens that a client reads at its start, about: with every tool listed, and with the way to search instead."""

    tools: int
    everything: int
    search: int

    @property
    def share(self) -> float | None:
        """Of the one, what the other comes to; None: there is nothing to list."""
        return self.search / self.everything if self.everything else None


def costs(catalog: Catalog, guides: Iterable[Json]) -> Costs:
    """What it costs a client to be shown `catalog`; `guides` are the definitions of the tools by which it searches."""
    tools = [entry for entry in listed(catalog, Kind.TOOL, everything) if entry.name not in catalog.guides]
    pinned = weight(entry for entry in tools if entry.visibility is Visibility.LISTED)
    return Costs(
        tools=len(tools),
        everything=weight(tools).tokens + tokens(instructions(catalog, View.EVERYTHING, everything)),
        search=sum(map(tokens, guides)) + pinned.tokens + tokens(instructions(catalog, View.SEARCH, everything)),
    )


@dataclass(frozen=True, slots=True)
class Arguments:
    """What was found in one request for the tools that it expects."""

    query: Labelled
    found: Mapping[str, Json]
    """`server/tool` -> arguments; empty: none of its tools is there."""
    score: Score


async def argued(queries: Iterable[Labelled], catalog: Catalog, now: datetime) -> list[Arguments]:
    """The arguments in those of `queries` that expect some, each with the tools that are right; `now`: its today."""
    tools = {f"{entry.backend}/{entry.original}": entry.definition for entry in catalog.of(Kind.TOOL).values()}
    read: list[Arguments] = []
    for query in queries:
        if query.calls:
            read.append(_arguments(query, tools, now))
            await checkpoint()
    return read


def _arguments(query: Labelled, tools: Mapping[str, Json], now: datetime) -> Arguments:
    wanted = [name for name in dict.fromkeys(call.tool for call in query.calls) if name in tools]
    found = {name: extract(query.query, tools[name], now=now).arguments for name in wanted}
    expected = {name: [call.arguments for call in query.calls if call.tool == name] for name in wanted}
    return Arguments(query, found, total(score(found[name], expected[name]) for name in wanted))


async def tried(queries: Sequence[Labelled], index: Index, vectors: Vectors | None = None) -> list[Outcome]:
    """What is found for each of `queries`, in their order."""
    outcomes: list[Outcome] = []
    for query in queries:
        outcomes.append(await _outcome(query, index, vectors))
        await checkpoint()
    return outcomes


async def _outcome(query: Labelled, index: Index, vectors: Vectors | None) -> Outcome:
    start = time.perf_counter()
    answer = (await findings(index, query.query, vectors, scope=Scope(), limit=PLACES)).whole
    took = time.perf_counter() - start
    ranked = tuple(f"{found.entry.backend}/{found.entry.original}" for found in answer.ranked)
    confidence = answer.ranked[0].confidence if answer.ranked else 0.0
    return Outcome(query, ranked, confidence, answer.fits, answer.mode, took)


@asynccontextmanager
async def vectors_of(index: Index, opening: Opening, store: Path | None) -> AsyncIterator[Vectors]:
    """The vectors of all that is in `index`, which are made while the block lasts; see `made`."""
    vectors = Vectors(opening, store, _PATIENCE)
    vectors.wanted(index)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(vectors.run, name="vectors")
        yield vectors
        tasks.cancel_scope.cancel()


async def made(vectors: Vectors) -> None:
    """Wait until each of `vectors` is made.

    Raises:
        MagicTunnelError: they cannot be made.
    """
    while not (vectors.is_ready and vectors.progress[0] == vectors.progress[1]):
        if vectors.failed:
            raise MagicTunnelError(vectors.failed)
        await anyio.sleep(_GLANCE)
