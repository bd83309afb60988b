"""How sure a ranking is of its first, and whether anything fits at all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from magictunnel.discovery import weights
from magictunnel.discovery.features import Features

FITTING = ("answered", "answered_head", "answered_thing", "name_own", "pairs", "cover", "values", "best", "crowd")
"""What tells whether the first does what was asked for; `best` is its score."""
NONE = 9.0
"""The score of an entry that is not there: what stands alone has this rival at least."""
SURE_AT_MOST = 0.25
"""How sure an answer may be of its first if nothing fits."""


def shares(scores: Sequence[float]) -> list[float]:
    """Scores, best first, as probabilities that sum to 1."""
    weighed = [math.exp(max(-50.0, score - scores[0])) for score in scores]
    whole = sum(weighed)
    return [one / whole for one in weighed]


def signs(scores: Sequence[float], first: Mapping[str, float], fit: float, *, fused: bool) -> Features:
    """What tells how sure the first of `scores` (best first) is; `first`: its features; `fit`: its `fitness`."""
    rivals = sorted((*scores[1:], NONE), reverse=True)
    share = shares([scores[0], *rivals])[0]
    found = {
        "bias": 1.0,
        "odds": max(-5.0, min(5.0, math.log(share / (1.001 - share)))),
        "gap": max(-4.0, min(4.0, scores[0] - rivals[0])),
        "cover": first.get("cover", 0.0),
        "missed": first.get("missed", 0.0),
        "answered": first.get("answered", 0.0),
        "fit": max(-3.0, min(3.0, fit)),
    }
    return found | {"near": first.get("near", 0.0)} if fused else found


def confidences(scores: Sequence[float], first: Features, fit: float, *, fused: bool) -> list[float]:
    """How probable it is for each of `scores` (best first) that it was meant. What the first leaves is shared."""
    table = weights.SURE_FUSED if fused else weights.SURE
    top = weights.logistic(weights.score(signs(scores, first, fit, fused=fused), table))
    top = top if fit > 0 else min(top, SURE_AT_MOST)
    rest = shares(scores)[1:]
    left = min(1 - top, top) / (sum(rest) or 1.0)
    return [top, *(min(top, share * left) for share in rest)]


def fitness(first: Mapping[str, float], best: float, *, fused: bool, table: Mapping[str, float] | None = None) -> float:
    """Above 0: an entry with the features `first` and the score `best` does what was asked for.

    Below, it is merely the best of a bad lot. `table`: weights other than those that were learned.
    """
    table = table or (weights.FITS_FUSED if fused else weights.FITS)
    return weights.score({**first, "best": best}, table) + table["bias"]
