"""What a target took as a multiple of what another took, round by round. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping

from benchmarks.wire.records import Record, Results
from benchmarks.wire.targets import DIRECT


def paired(own: Mapping[int, float], base: Mapping[int, float]) -> float | None:
    """The median of own/base over the rounds that both have, each figure by its round; None: they share none.

    A round in which `base` is nothing, or less, counts as endless: leaving it out would flatter whoever is compared.
    """
    shared = own.keys() & base.keys()
    return statistics.median(own[at] / base[at] if base[at] > 0 else math.inf for at in shared) if shared else None


def beside(results: Results, one: Record | None, base: str, figure: str) -> float | None:
    """A figure of a record as a multiple of the target's called `base`; None: there is nothing to compare."""
    return _compared(one, _same_of(results, one, base), lambda record: record.series(figure))


def added_beside(results: Results, one: Record | None, base: str) -> float | None:
    """The p50 that it adds to a direct call, as a multiple of what the target called `base` adds."""
    if one is None or one.target == DIRECT or (direct := _same_of(results, one, DIRECT)) is None:
        return None
    least = direct.series("p50")

    def added(record: Record) -> dict[int, float]:
        return {at: p50 - least[at] for at, p50 in record.series("p50").items() if at in least}

    return _compared(one, _same_of(results, one, base), added)


def _same_of(results: Results, one: Record | None, target: str) -> Record | None:
    """What the same measure found of another target."""
    return results.find(one.measure, target, one.pair, one.at) if one else None


def _compared(own: Record | None, base: Record | None, series: Callable[[Record], Mapping[int, float]]) -> float | None:
    return paired(series(own), series(base)) if own and base else None
