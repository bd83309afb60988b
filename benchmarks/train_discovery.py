"""Learn how requests are ranked, from labelled ones: `python -m benchmarks.train_discovery DIR [--write]`.

DIR has `queries.jsonl` and `tools.jsonl` as for `magictunnel eval`, and perhaps `noise_tools.jsonl`. Prints what the
weights reach on what they were learned from, and on tools that were held out (ten folds by tool, and suite by suite);
in whole profiles, in small catalogs, and among many other tools. With `--write` they are written to
`magictunnel/discovery/weights.py`. Needs numpy; without a sentence model the weights for embeddings are left as they
are.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.certainty import COUNTS, fitting, sure, top, unserved
from benchmarks.fitting import Array, folds, listwise, matrix, places
from benchmarks.pools import Case, Parts, Pool, Row, Vectors, cases, entries, few, gone, others, pool_of
from magictunnel.discovery import weights
from magictunnel.discovery.dataset import read_queries, read_tools
from magictunnel.discovery.evaluation import Labelled
from magictunnel.discovery.index import Index
from magictunnel.errors import DiscoveryError

L2 = 0.002
NEAR_L2 = 0.02
"""How hard the weights for embeddings are held at those without: they must not forget what words tell."""
CONDITIONS = {"as it is": 1.0, "among others": 0.2, "server known": 0.25, "few": 0.3}
AGAINST = frozenset(
    ("deprecated", "verb_against", "missed", "extras", "wordless", "thing_outside", "named_other", "demand")
)
"""Features that can only speak against a candidate; all but these and EITHER can only speak for it."""
EITHER = frozenset(("single", "name_quoted"))
UNUSED = frozenset(("crowd", "name_own", "cover", "thing_head", "answered", "answered_head", "answered_thing"))
"""Features that tell how sure an answer is, rather than which is best."""
TARGET = Path(__file__).parent.parent / "magictunnel/discovery/weights.py"


@dataclass(frozen=True, slots=True)
class Material:
    """Labelled requests, and where they are asked."""

    queries: Sequence[Labelled]
    parts: Mapping[str, Parts]
    """Profile -> its servers."""
    noise: Parts
    vectors: Vectors | None = None

    def pools(self, more: Parts | None = None) -> dict[str, Pool]:
        """A pool for each profile, with `more` tools."""
        return {name: Pool(Index.of({**servers, **(more or {})}), self.vectors) for name, servers in self.parts.items()}


def ranked_cases(given: Material, pools: Mapping[str, Pool]) -> list[Case]:
    """What ranking is learned from: every request in every condition."""
    found = [*cases(given.queries, pools, "as it is"), *cases(given.queries, pools, "server known")]
    if given.noise:
        found += cases(given.queries, given.pools(given.noise), "among others")
    found += [pool_of(few(query, given.parts), given.vectors).case(query, "few") for query in given.queries]
    return [case for case in found if case.rows]


def absent_cases(given: Material, pools: Mapping[str, Pool]) -> list[Case]:
    """Requests where nothing serves them: in strange profiles, and in small catalogs without the servers that do."""
    found = [pools[other].case(query, "away") for query in given.queries for other in _foreign(query, pools)]
    found += [pool_of(gone(query, given.parts), given.vectors).case(query, "gone") for query in given.queries]
    return [case for case in found if case.rows and not case.right.any()]


def _foreign(query: Labelled, pools: Mapping[str, Pool]) -> list[str]:
    """Profiles that share no server or application with that of `query`: of those here, the one of a single server."""
    small = [name for name, pool in pools.items() if len(pool.index.shards) == 1]
    if query.profile in small:
        return [name for name in pools if name not in small]
    return [] if query.suite == "mongodb" else small


# --- ranking


def learned(many: Sequence[Case], names: Sequence[str], words: Sequence[str] = ()) -> Array:
    """The weights of the features `names`; of those that are `words`, held at what they would be by themselves."""
    low = np.array([0.0 if name not in AGAINST | EITHER else -np.inf for name in names])
    high = np.array([0.0 if name in AGAINST else np.inf for name in names])
    shares = np.array([CONDITIONS[case.condition] for case in many])
    tables, right = [matrix(case.rows, names) for case in many], [case.right for case in many]
    if not words:
        return listwise(tables, right, shares, (low, high), L2)
    alone = dict(zip(words, learned(many, words).tolist(), strict=True))
    toward = np.array([alone.get(name, 0.0) for name in names])
    return listwise(tables, right, shares, (low, high), NEAR_L2, toward)


def held_out(many: Sequence[Case], names: Sequence[str], words: Sequence[str], parts: Array) -> list[Array]:
    """The weights for every case, learned from the other parts."""
    tables: list[Array] = [np.zeros(0)] * len(many)
    for part in sorted(set(parts.tolist())):
        table = learned([case for case, own in zip(many, parts, strict=True) if own != part], names, words)
        for at in np.nonzero(parts == part)[0].tolist():
            tables[at] = table
    return tables


def told(title: str, many: Sequence[Case], names: Sequence[str], tables: Sequence[Array]) -> None:
    """A line of recall per condition, each case ranked by its own weights."""
    scores = [matrix(case.rows, names) @ table for case, table in zip(many, tables, strict=True)]
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
        print(f"{title:22s} {condition:13s} {whole} | {'  '.join(parts)}", flush=True)


def _share(found: Array, cut: int) -> str:
    return f"{100 * float(np.mean(found < cut)):.1f}"


# --- all of it


def trained(given: Material) -> dict[str, dict[str, float]]:
    """Every table of weights."""
    fused, pools = given.vectors is not None, given.pools()
    many, absent = ranked_cases(given, pools), absent_cases(given, pools)
    names = sorted({name for row in many[0].rows for name in row} - UNUSED)
    words = [name for name in names if not name.startswith("near")] if fused else []
    found = learned(many, names, words)
    told("learned from these", many, names, [found] * len(many))
    tables = held_out(many, names, words, folds([case.group for case in many]))
    told("tools held out", many, names, tables)
    suites = np.array([case.query.suite for case in many])
    told("suites held out", many, names, held_out(many, names, words, suites))
    table = {name: round(value, 3) for name, value in zip(names, found.tolist(), strict=True) if abs(value) >= 0.005}
    pairs = [*zip(many, tables, strict=True), *((case, found) for case in absent)]
    tops = [top(case, names, own) for case, own in pairs if case.condition in COUNTS]
    small = partial(pool_of, vectors=given.vectors)
    fits = fitting(tops, unserved(given.queries, given.parts, pools, small, table), fused=fused)
    return {"": table, "SURE": sure(tops, fits, fused=fused), "FITS": fits}


def written(tables: Mapping[str, Row]) -> str:
    """The module of weights."""
    source = TARGET.read_text(encoding="utf-8")
    start = source.index("# --- learned")
    parts = [source[:start] + "# --- learned\n"]
    for name, table in tables.items():
        rows = [
            f'    "{key}": {round(value, 3)},' for key, value in sorted(table.items(), key=lambda pair: -abs(pair[1]))
        ]
        parts.append("\n".join([f"{name}: Mapping[str, float] = {{", *rows, "}\n"]))
    return "\n".join(parts)


def material(folder: Path) -> Material:
    """What is in `folder`."""
    offered = read_tools(folder) or {}
    queries = [query for query in read_queries(folder) if query.is_single]
    return Material(queries, {name: entries(servers) for name, servers in offered.items()}, others(folder))


def _vectors(cache: Path | None) -> Vectors | None:
    try:
        return Vectors(cache)
    except DiscoveryError as error:
        print(f"no embeddings: {error}")
        return None


def main() -> None:
    """Learn, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cache", type=Path, help="a file (.npz) in which vectors are kept")
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    given = material(asked.folder)
    print("without embeddings")
    words = trained(given)
    near: dict[str, Row] = {"": weights.FUSED, "SURE": weights.SURE_FUSED, "FITS": weights.FITS_FUSED}
    if vectors := _vectors(asked.cache):
        print("with embeddings")
        near = dict(trained(Material(given.queries, given.parts, given.noise, vectors)))
        vectors.save()
    tables = {
        "LEXICAL": words[""], "FUSED": near[""], "SURE": words["SURE"], "SURE_FUSED": near["SURE"],
        "FITS": words["FITS"], "FITS_FUSED": near["FITS"],
    }  # fmt: skip
    text = written(tables)
    if asked.write:
        TARGET.write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
