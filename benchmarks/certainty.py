"""Learning how sure an answer may be of its first, and whether anything fits at all; with what is reached, held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.fitting import Array, folds, logistic, matrix
from benchmarks.pools import Case, Parts, Pool, Row, few
from magictunnel.discovery import confidence, weights
from magictunnel.discovery.evaluation import Labelled, calibration_error, widest

LOST = 0.015
"""Of right answers, how many may be taken for wrong ones when nothing is said to fit."""
COUNTS = {"as it is": 1.0, "few": 1.0, "away": 1.0, "gone": 0.5}
"""What a request counts, by where it is asked, when it is learned what fits."""
SURE_COUNTS = {"as it is": 1.0, "few": 0.5, "away": 0.01, "gone": 0.03}
"""The same, when confidence is learned: requests that nothing serves are rarely made."""
NOTHING = Path(__file__).parent / "nothing_fits.txt"


@dataclass(frozen=True, slots=True)
class Top:
    """What ranks first in a case: its features with its score as `best`; the scores of all, best first."""

    case: Case
    row: Row
    is_right: bool
    scores: list[float]


def top(case: Case, names: Sequence[str], table: Array) -> Top:
    """What ranks first by the weights `table` of `names`."""
    scores = matrix(case.rows, names) @ table
    order = np.argsort(-scores, kind="stable")
    row = _with_best(case.rows[order[0]], dict(zip(names, table.tolist(), strict=True)))
    return Top(case, row, bool(case.right[order[0]]), [float(scores[at]) for at in order])


def _with_best(row: Row, table: Row) -> Row:
    return {**row, "best": weights.score(row, table)}


def _by(tops: Sequence[Top], condition: str) -> Array:
    return np.array([one.case.condition == condition for one in tops])


def _parts(tops: Sequence[Top]) -> Array:
    return folds([one.case.group for one in tops])


# --- whether anything fits


def fitting(tops: Sequence[Top], nothing: Mapping[str, Sequence[Row]], *, fused: bool) -> dict[str, float]:
    """The weights of `fits`, from requests that are served where they are asked, and such that are not.

    `nothing`: what ranks first for requests that nothing serves, by where they are asked; empty where nothing does.
    It is measured, not learned from.
    """
    names = confidence.FITTING + (("near",) if fused else ())
    table = np.hstack([np.ones((len(tops), 1)), matrix([one.row for one in tops], names)])
    served = _by(tops, "as it is") | _by(tops, "few")
    counts = np.array([COUNTS[one.case.condition] for one in tops])
    truth, parts, values = served.astype(float), _parts(tops), np.zeros(len(tops))
    for part in range(10):
        own = parts == part
        values[own] = table[own] @ logistic(table[~own], truth[~own], counts[~own])
    found = logistic(table, truth, counts)
    right = np.array([one.is_right for one in tops]) & served
    edge = float(np.quantile(values[right], LOST))
    marks = {"bias": float(found[0]) - edge, **dict(zip(names, found[1:].tolist(), strict=True))}
    kept = [f"{place} {np.mean(values[_by(tops, place)] > edge):.1%}" for place in ("as it is", "few")]
    denied = [f"{place} {np.mean(values[_by(tops, place)] <= edge):.1%}" for place in ("away", "gone")]
    denied += [
        f"{place} {np.mean([not row or fit(row, marks) <= 0 for row in rows]):.1%}" for place, rows in nothing.items()
    ]
    print(f"fits, held out: said of requests that are served {', '.join(kept)}")
    print(f"nothing fits: said of requests that are not served: {', '.join(denied)}")
    return marks


def fit(row: Row, marks: Row) -> float:
    """Above 0: what has the features `row` does what was asked for."""
    return confidence.fitness(row, row["best"], fused=False, table=marks)


def unserved(
    queries: Sequence[Labelled],
    parts: Mapping[str, Parts],
    pools: Mapping[str, Pool],
    small: Callable[[Parts], Pool],
    table: Row,
) -> dict[str, list[Row]]:
    """What ranks first for requests that nothing serves, in each profile and in small catalogs."""
    requests = NOTHING.read_text(encoding="utf-8").splitlines()
    found = {f"nothing in {name}": [_first(pool, text, table) for text in requests] for name, pool in pools.items()}
    chosen = queries[:: max(1, len(queries) // len(requests))]
    found["nothing in few"] = [
        _first(small(few(query, parts)), text, table) for query, text in zip(chosen, requests, strict=False)
    ]
    return found


def _first(pool: Pool, request: str, table: Row) -> Row:
    rows = pool.prepared(request).rows
    if not rows:
        return {}
    best = max(rows, key=lambda row: weights.score(row, table))
    return _with_best(best, table)


# --- how sure


def sure(tops: Sequence[Top], marks: Row, *, fused: bool) -> dict[str, float]:
    """The weights of confidence, learned from scores of held-out weights; prints what they reach, held out again."""
    signs = [confidence.signs(one.scores, one.row, fit(one.row, marks), fused=fused) for one in tops]
    names = [*signs[0]]
    table, right = matrix(signs, names), np.array([float(one.is_right) for one in tops])
    counts = np.array([SURE_COUNTS[one.case.condition] for one in tops])
    parts, guess, edges = _parts(tops), np.zeros(len(tops)), np.ones(len(tops))
    whole = _by(tops, "as it is")
    ceiling = np.array([1.0 if fit(one.row, marks) > 0 else confidence.SURE_AT_MOST for one in tops])
    for part in range(10):
        own = parts == part
        found = logistic(table[~own], right[~own], counts[~own])
        guess[own] = np.minimum(probable(table[own] @ found), ceiling[own])
        edges[own] = widest(_pairs(probable(table[~own & whole] @ found), right[~own & whole]), 0.95)[0] or 1.0
    for place in ("as it is", "few"):
        _tell(place, guess, right, edges, _by(tops, place))
    strange = ~_by(tops, "as it is") & ~_by(tops, "few")
    print(f"    so sure of {np.mean(guess[strange] >= edges[strange]):.1%} of requests that are not served")
    return dict(zip(names, logistic(table, right, counts).tolist(), strict=True))


def _tell(place: str, guess: Array, right: Array, edges: Array, chosen: Array) -> None:
    pairs = _pairs(guess[chosen], right[chosen])
    at, picks = widest(pairs, 0.95)
    picked = chosen & (guess >= edges)
    print(
        f"confidence, held out, {place}: calibration error {calibration_error(pairs):.3f}; 95 % right from"
        f" {at if at is not None else 1:.2f} on, for {picks.coverage:.1%}; threshold from other folds:"
        f" {right[picked].mean():.1%} right, for {picked.sum() / chosen.sum():.1%}"
    )


def _pairs(guess: Array, right: Array) -> list[tuple[float, bool]]:
    return list(zip(guess.tolist(), right.astype(bool).tolist(), strict=True))


def probable(value: Array) -> Array:
    """Sums of evidence as probabilities."""
    return 1 / (1 + np.exp(-value))
