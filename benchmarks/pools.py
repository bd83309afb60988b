"""Labelled requests among tools: those of a profile, a few of these, or these among many others."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fitting import Array
from magictunnel.catalog.model import Entry, Kind
from magictunnel.discovery.documents import views
from magictunnel.discovery.embedding.find import model_folder
from magictunnel.discovery.evaluation import Labelled
from magictunnel.discovery.index import Index
from magictunnel.discovery.literals import literals, masked
from magictunnel.discovery.search import Dense, Prepared, Scope, prepared

LEAST, MOST, SERVERS = 5, 40, 4
"""Tools and servers of a small catalog."""

EVERYWHERE = Scope()

Row = Mapping[str, float]
Parts = dict[str, list[Entry]]
"""Server -> its tools."""


@dataclass(frozen=True, slots=True)
class Case:
    """One request in one condition: its candidates' features and names, and which of them are right."""

    query: Labelled
    condition: str
    rows: list[Row]
    names: list[str]
    right: Array

    @property
    def group(self) -> str:
        """What may not be on both sides of a split: all requests for one tool."""
        return f"{self.query.suite}|{min(self.query.gold)}"


class Vectors:
    """Vectors of texts, made once and kept in a file."""

    def __init__(self, cache: Path | None) -> None:
        from magictunnel.discovery.embedding.model import Model

        self._model = Model(model_folder(None, Path()))
        self._cache = cache
        self._known: dict[str, Array] = {}
        if cache is not None and cache.exists():
            with np.load(cache) as kept:
                self._known = dict(zip(kept["texts"].tolist(), kept["rows"], strict=True))

    def of(self, texts: Sequence[str], *, is_query: bool = False) -> Array:
        """A row for each text."""
        for text in dict.fromkeys(texts):
            if (key := f"{is_query}{text}") not in self._known:
                pieces = self._model.encode(text, is_query=is_query, limit=128)
                self._known[key] = np.asarray(self._model.embed([pieces])[0])
        return np.array([self._known[f"{is_query}{text}"] for text in texts])

    def save(self) -> None:
        """Keep what was made."""
        if self._cache is not None:
            np.savez(self._cache, texts=np.array([*self._known]), rows=np.array([*self._known.values()]))


@dataclass(frozen=True, slots=True)
class Held:
    """Cosines of one request with all entries of an index."""

    names: Sequence[str]
    """The nearest first."""
    cosines: Mapping[str, float]

    def nearest(self, count: int) -> list[tuple[Kind, str]]:
        """The `count` nearest."""
        return [(Kind.TOOL, name) for name in self.names[:count]]

    def cosine(self, _kind: Kind, name: str) -> float | None:
        """How near one is."""
        return self.cosines.get(name)


@dataclass(slots=True)
class Pool:
    """An index, with the vectors of what is in it if there are any."""

    index: Index
    vectors: Vectors | None
    names: list[str] = field(default_factory=list)
    rows: Array = None

    def __post_init__(self) -> None:
        if self.vectors is not None:
            self.names = [entry.name for entry in self.index]
            both = [views(entry) for entry in self.index]
            first, second = (self.vectors.of([view[at] for view in both]) for at in (0, 1))
            self.rows = (first + second) / 2

    def dense(self, request: str) -> Dense | None:
        """`request` held against the vectors, as the gateway does it: its values left out."""
        if self.vectors is None:
            return None
        plain = " ".join(masked(request, literals(request)).split()) or request
        cosines = self.rows @ self.vectors.of([plain], is_query=True)[0]
        order = np.argsort(-cosines, kind="stable")
        return Held([self.names[at] for at in order], dict(zip(self.names, cosines.tolist(), strict=True)))

    def prepared(self, request: str, scope: Scope = EVERYWHERE) -> Prepared:
        """The candidates for `request`."""
        return prepared(self.index, request, scope=scope, dense=self.dense(request))

    def case(self, query: Labelled, condition: str, scope: Scope = EVERYWHERE) -> Case:
        """`query`, asked here."""
        ready = self.prepared(query.query, scope)
        names = [one.document.entry.name for one in ready.candidates]
        return Case(query, condition, list(ready.rows), names, np.array([float(name in query.gold) for name in names]))


def entries(offered: Mapping[str, Any]) -> Parts:
    """Server -> its tools, each with `server/tool` as its public name."""
    return {
        server: [Entry(Kind.TOOL, f"{server}/{tool['name']}", server, tool["name"], tool) for tool in tools]
        for server, listing in offered.items()
        for tools in [listing.entries[Kind.TOOL]]
    }


def others(folder: Path) -> Parts:
    """Tools that nobody asks for, to be found among."""
    file = folder / "noise_tools.jsonl"
    found: Parts = {}
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        tool = json.loads(line)
        definition = {"name": tool["name"], "description": tool["description"], "inputSchema": tool["input_schema"]}
        name = f"{tool['server']}/{tool['name']}"
        found.setdefault(tool["server"], []).append(Entry(Kind.TOOL, name, tool["server"], tool["name"], definition))
    return found


def cases(queries: Sequence[Labelled], pools: Mapping[str, Pool], condition: str) -> Iterator[Case]:
    """Every request among the tools of its profile."""
    for query in queries:
        known = frozenset(gold.split("/")[0] for gold in query.gold)
        scope = Scope(servers=known) if condition == "server known" else Scope()
        yield pools[query.profile].case(query, condition, scope)


# --- small catalogs


def few(query: Labelled, parts: Mapping[str, Parts]) -> Parts:
    """A small catalog that has what `query` asks for: some servers of its profile, and some tools of each."""
    chance = random.Random(query.id)
    size, count = chance.randint(LEAST, MOST), chance.randrange(SERVERS)
    servers = parts[query.profile]
    right = sorted({gold.split("/")[0] for gold in query.gold} & servers.keys())
    strange = sorted(servers.keys() - right)
    chosen = [chance.choice(right), *chance.sample(strange, min(count, len(strange)))]
    return _some({name: servers[name] for name in chosen}, size, query.gold, chance)


def gone(query: Labelled, parts: Mapping[str, Parts]) -> Parts:
    """A small catalog without the servers that do what `query` asks for; of other profiles where it has but one."""
    chance = random.Random(f"{query.id} gone")
    size, count = chance.randint(LEAST, MOST), chance.randrange(1, SERVERS + 1)
    right = {gold.split("/")[0] for gold in query.gold}
    servers = parts[query.profile]
    if servers.keys() <= right:
        servers = {name: tools for part in parts.values() for name, tools in part.items()}
    strange = sorted(servers.keys() - right)
    return _some({name: servers[name] for name in chance.sample(strange, count)}, size, frozenset(), chance)


def _some(servers: Parts, size: int, gold: frozenset[str], chance: random.Random) -> Parts:
    """About `size` tools of `servers`, one of `gold` among them."""
    share = max(2, size // len(servers))
    found: Parts = {}
    for server, tools in servers.items():
        kept = [tool for tool in tools if tool.name in gold]
        rest = [tool for tool in tools if tool.name not in gold]
        kept = [chance.choice(kept)] if kept else []
        rest = chance.sample(rest, min(len(rest), share - len(kept)))
        found[server] = sorted(kept + rest, key=lambda entry: entry.name)
    return found


def pool_of(parts: Parts, vectors: Vectors | None) -> Pool:
    """A pool of its own."""
    return Pool(Index.of(parts), vectors)
