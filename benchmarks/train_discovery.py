"""Learn how requests are ranked, from labelled ones: `python -m benchmarks.train_discovery DIR [--write]`.

DIR has `queries.jsonl` and `tools.jsonl` as for `magictunnel eval`, and perhaps `noise_tools.jsonl`. Prints what the
weights reach on what they were learned from, and on tools that were held out (ten folds by tool, and suite by suite).
With `--write` they are written to `magictunnel/discovery/weights.py`. Needs numpy; without a sentence model the
weights for embeddings are left as they are.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.fitting import Array, folds, listwise, logistic, matrix, places
from magictunnel.catalog.model import Entry, Kind
from magictunnel.discovery import confidence, weights
from magictunnel.discovery.dataset import read_queries, read_tools
from magictunnel.discovery.documents import views
from magictunnel.discovery.embedding.find import model_folder
from magictunnel.discovery.evaluation import Labelled, calibration_error, widest
from magictunnel.discovery.index import Index
from magictunnel.discovery.literals import literals, masked
from magictunnel.discovery.search import Dense, Scope, prepared
from magictunnel.errors import DiscoveryError

L2 = 0.001
CONDITIONS = {"as it is": 1.0, "among others": 0.2, "server known": 0.25}
AGAINST = frozenset(
    ("deprecated", "verb_against", "missed", "extras", "wordless", "thing_outside", "named_other", "verb_unknown")
)
"""Features that can only speak against a candidate; all but these and EITHER can only speak for it."""
EITHER = frozenset(("single", "name_quoted", "argumentless"))
UNUSED = frozenset(("cover", "thing_head", "answered", "answered_head", "answered_thing"))
"""Features that tell how sure an answer is, rather than which is best."""
LOST = 0.025
"""Of right answers, how many may be taken for wrong ones when nothing is said to fit."""
ABSENT = 0.01
"""What a request that nothing serves counts when confidence is learned, beside one that is served."""
NOTHING = Path(__file__).parent / "nothing_fits.txt"
TARGET = Path(__file__).parent.parent / "magictunnel/discovery/weights.py"

Row = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Case:
    """One request in one condition: its candidates' features, and which of them are right."""

    query: Labelled
    condition: str
    rows: list[Row]
    right: Array

    @property
    def group(self) -> str:
        """What may not be on both sides of a split: all requests for one tool."""
        return f"{self.query.suite}|{min(self.query.gold)}"


class Top(NamedTuple):
    """What ranks first: its features with its score as `best`, its name; the scores of all, best first."""

    row: Row
    name: str
    scores: list[float]


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
        return Held([self.names[at] for at in order[:100]], dict(zip(self.names, cosines.tolist(), strict=True)))


def entries(offered: Mapping[str, Any]) -> dict[str, list[Entry]]:
    """Server -> its tools, each with `server/tool` as its public name."""
    return {
        server: [Entry(Kind.TOOL, f"{server}/{tool['name']}", server, tool["name"], tool) for tool in tools]
        for server, listing in offered.items()
        for tools in [listing.entries[Kind.TOOL]]
    }


def others(folder: Path) -> dict[str, list[Entry]]:
    """Tools that nobody asks for, to be found among."""
    file = folder / "noise_tools.jsonl"
    found: dict[str, list[Entry]] = {}
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        tool = json.loads(line)
        definition = {"name": tool["name"], "description": tool["description"], "inputSchema": tool["input_schema"]}
        name = f"{tool['server']}/{tool['name']}"
        found.setdefault(tool["server"], []).append(Entry(Kind.TOOL, name, tool["server"], tool["name"], definition))
    return found


def cases(queries: Sequence[Labelled], pools: Mapping[str, Pool], condition: str) -> Iterator[Case]:
    """Every request among the tools of its profile."""
    for query in queries:
        pool = pools[query.profile]
        known = frozenset(gold.split("/")[0] for gold in query.gold)
        scope = Scope(servers=known) if condition == "server known" else Scope()
        ready = prepared(pool.index, query.query, scope=scope, dense=pool.dense(query.query))
        right = np.array([one.document.entry.name in query.gold for one in ready.candidates], dtype=float)
        yield Case(query, condition, list(ready.rows), right)


# --- ranking


def learned(many: Sequence[Case], names: Sequence[str]) -> Array:
    """The weights of the features `names`."""
    low = np.array([0.0 if name not in AGAINST | EITHER else -np.inf for name in names])
    high = np.array([0.0 if name in AGAINST else np.inf for name in names])
    shares = np.array([CONDITIONS[case.condition] for case in many])
    return listwise([matrix(case.rows, names) for case in many], [case.right for case in many], shares, (low, high), L2)


def held_out(many: Sequence[Case], names: Sequence[str], parts: Array) -> list[Array]:
    """The scores of every case's candidates, by weights learned from the other parts."""
    scores: list[Array] = [np.zeros(0)] * len(many)
    for part in sorted(set(parts.tolist())):
        table = learned([case for case, own in zip(many, parts, strict=True) if own != part], names)
        for at in np.nonzero(parts == part)[0]:
            scores[at] = matrix(many[at].rows, names) @ table
    return scores


def told(title: str, many: Sequence[Case], scores: Sequence[Array]) -> None:
    """A line of recall per condition."""
    for condition in CONDITIONS:
        chosen = [at for at, case in enumerate(many) if case.condition == condition]
        if not chosen:
            continue
        found = places([scores[at] for at in chosen], [many[at].right for at in chosen])
        suites = np.array([many[at].query.suite for at in chosen])
        parts = [
            f"{suite} {_share(found[suites == suite], 1)}/{_share(found[suites == suite], 5)}"
            for suite in sorted(set(suites))
        ]
        whole = " ".join(f"R@{cut} {_share(found, cut)}" for cut in (1, 3, 5, 10))
        print(f"{title:22s} {condition:13s} {whole} | {'  '.join(parts)}")


def _share(found: Array, cut: int) -> str:
    return f"{100 * float(np.mean(found < cut)):.1f}"


# --- how sure


def sure(
    many: Sequence[Case],
    scores: Sequence[Array],
    away: Sequence[list[float]],
    rows: Sequence[Row],
    marks: Row,
    fused: bool,
) -> dict[str, float]:
    """The weights of confidence, learned from scores of held-out weights; prints what they reach, held out again.

    `away`: scores for requests that nothing serves, with `rows`, the features of the first; they count little.
    """
    signs, truth = [], []
    for case, score in zip(many, scores, strict=True):
        order = np.argsort(-score, kind="stable")
        first = {**case.rows[order[0]], "best": float(score[order[0]])}
        signs.append(confidence.signs([float(score[at]) for at in order], first, _fit(first, marks), fused=fused))
        truth.append(float(case.right[order[0]]))
    names, count = [*signs[0]], len(many)
    signs += [confidence.signs(own, row, _fit(row, marks), fused=fused) for own, row in zip(away, rows, strict=True)]
    table, right = matrix(signs, names), np.array(truth + [0.0] * len(away))
    shares = np.array([1.0] * count + [ABSENT] * len(away))
    parts = np.concatenate([folds([case.group for case in many]), np.arange(len(away)) % 10])
    guess = np.zeros(len(signs))
    chosen: list[bool] = []
    for part in range(10):
        own = parts == part
        found = logistic(table[~own], right[~own], shares[~own])
        guess[own] = _probable(table[own] @ found)
        kept = np.nonzero(~own[:count])[0]
        rest = list(zip(_probable(table[kept] @ found).tolist(), right[kept].astype(bool).tolist(), strict=True))
        threshold = widest(rest, 0.95)[0] or 1.0
        chosen += [bool(right[at]) for at in np.nonzero(own[:count])[0] if guess[at] >= threshold]
    both = list(zip(guess[:count].tolist(), right[:count].astype(bool).tolist(), strict=True))
    at, picks = widest(both, 0.95)
    print(f"confidence, held out: calibration error {calibration_error(both):.3f};", end=" ")
    print(f"95 % right from {at:.2f} on, for {picks.coverage:.1%};", end=" ")
    print(f"threshold from other folds: {np.mean(chosen):.1%} right, for {len(chosen) / len(both):.1%};", end=" ")
    print(f"so sure of {np.mean(guess[count:] >= (at or 1.0)):.1%} of requests for other profiles")
    return dict(zip(names, logistic(table, right, shares).tolist(), strict=True))


def _probable(value: Array) -> Array:
    return 1 / (1 + np.exp(-value))


# --- whether anything fits


def fitting(
    queries: Sequence[Labelled], pools: Mapping[str, Pool], away: Sequence[Top], table: Row, *, fused: bool
) -> dict[str, float]:
    """The weights of `fits`, learned from requests among tools of other profiles; prints what they reach."""
    real = [(query, _first(pools[query.profile], query.query, table)) for query in queries]
    nothing = NOTHING.read_text(encoding="utf-8").splitlines()
    absent = [_first(pool, request, table) for request in nothing for pool in pools.values()]
    names = confidence.FITTING + (("near",) if fused else ())
    rows = [top.row for top in [*(top for _, top in real), *away] if top.row]
    truth = np.array([1.0] * sum(bool(top.row) for _, top in real) + [0.0] * sum(bool(top.row) for top in away))
    found = logistic(np.hstack([np.ones((len(rows), 1)), matrix(rows, names)]), truth, np.ones(len(rows)))
    marks = {"bias": float(found[0]), **dict(zip(names, found[1:].tolist(), strict=True))}
    values = [_fit(top.row, marks) for _, top in real if top.row]
    right = [top.name in query.gold for query, top in real if top.row]
    edge = float(np.quantile([value for value, is_right in zip(values, right, strict=True) if is_right], LOST))
    marks["bias"] -= edge
    missing, foreign = (np.mean([not top.row or _fit(top.row, marks) <= 0 for top in tops]) for tops in (absent, away))
    print(
        f"nothing fits: said of {missing:.1%} of {len(nothing)} requests that nothing serves, in each profile; of"
        f" {np.mean(np.array(values) <= edge):.1%} of real ones ({LOST:.1%} of those whose first is right), of"
        f" {foreign:.1%} of those for other profiles"
    )
    return marks


def _foreign(query: Labelled, pools: Mapping[str, Pool]) -> list[str]:
    """Profiles that share no server or application with that of `query`: of those here, the one of a single server."""
    small = [name for name, pool in pools.items() if len(pool.index.shards) == 1]
    if query.profile in small:
        return [name for name in pools if name not in small]
    return [] if query.suite == "mongodb" else small


def _fit(row: Row, marks: Row) -> float:
    return confidence.fitness(row, row["best"], fused=False, table=marks)


def _first(pool: Pool, request: str, table: Row) -> Top:
    """What ranks first for `request`."""
    ready = prepared(pool.index, request, dense=pool.dense(request))
    if not ready.rows:
        return Top({}, "", [])
    scores = [weights.score(row, table) for row in ready.rows]
    at = max(range(len(scores)), key=scores.__getitem__)
    row = {**ready.rows[at], "best": scores[at]}
    return Top(row, ready.candidates[at].document.entry.name, sorted(scores, reverse=True))


# --- all of it


def trained(folder: Path, vectors: Vectors | None) -> dict[str, dict[str, float]]:
    """Every table of weights, learned from what is in `folder`."""
    offered = read_tools(folder) or {}
    queries = [query for query in read_queries(folder) if query.is_single]
    fused = vectors is not None
    pools = {name: Pool(Index.of(entries(servers)), vectors) for name, servers in offered.items()}
    many = [*cases(queries, pools, "as it is"), *cases(queries, pools, "server known")]
    if noise := others(folder):
        noisy = {name: Pool(Index.of(entries(servers) | noise), vectors) for name, servers in offered.items()}
        many += cases(queries, noisy, "among others")
    names = sorted({name for row in many[0].rows for name in row} - UNUSED)
    found = learned(many, names)
    told("learned from these", many, [matrix(case.rows, names) @ found for case in many])
    scores = held_out(many, names, folds([case.group for case in many]))
    told("tools held out", many, scores)
    told("suites held out", many, held_out(many, names, np.array([case.query.suite for case in many])))
    table = {name: round(value, 3) for name, value in zip(names, found.tolist(), strict=True) if abs(value) >= 0.005}
    plain = [at for at, case in enumerate(many) if case.condition == "as it is" and case.rows]
    away = [_first(pools[other], query.query, table) for query in queries for other in _foreign(query, pools)]
    fits = fitting(queries, pools, away, table, fused=fused)
    there = [top for top in away if top.row]
    cases_, own = [many[at] for at in plain], [scores[at] for at in plain]
    certain = sure(cases_, own, [top.scores for top in there], [top.row for top in there], fits, fused)
    return {"": table, "SURE": certain, "FITS": fits}


def written(tables: Mapping[str, Mapping[str, float]]) -> str:
    """The module of weights."""
    own: Callable[[str], str] = lambda name: f"{name}: Mapping[str, float] = {{"  # noqa: E731
    source = TARGET.read_text(encoding="utf-8")
    start = source.index("# --- learned")
    parts = [source[:start] + "# --- learned\n"]
    for name, table in tables.items():
        rows = [
            f'    "{key}": {round(value, 3)},' for key, value in sorted(table.items(), key=lambda pair: -abs(pair[1]))
        ]
        parts.append("\n".join([own(name), *rows, "}\n"]))
    return "\n".join(parts)


def main() -> None:
    """Learn, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cache", type=Path, help="a file (.npz) in which vectors are kept")
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    print("without embeddings")
    lexical = trained(asked.folder, None)
    fused: dict[str, dict[str, float]] = {
        "": dict(weights.FUSED),
        "SURE": dict(weights.SURE_FUSED),
        "FITS": dict(weights.FITS_FUSED),
    }
    try:
        vectors = Vectors(asked.cache)
    except DiscoveryError as error:
        print(f"no embeddings: {error}")
    else:
        print("with embeddings")
        fused = trained(asked.folder, vectors)
        vectors.save()
    tables = {
        "LEXICAL": lexical[""], "FUSED": fused[""], "SURE": lexical["SURE"], "SURE_FUSED": fused["SURE"],
        "FITS": lexical["FITS"], "FITS_FUSED": fused["FITS"],
    }  # fmt: skip
    text = written(tables)
    if asked.write:
        TARGET.write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
