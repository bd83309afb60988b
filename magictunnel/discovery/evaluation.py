"""How well tools are found, as figures: recall, rank, calibration, time. Pure; a share is a number from 0 to 1."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from statistics import fmean
from typing import NamedTuple

from magictunnel.catalog.model import Json

CUTS = (1, 3, 5, 10)
"""The places down to which recall is taken."""
_LAST = 10
"""Behind this place an answer counts as not found."""
BINS = 10
"""Of equal width, in which confidence is compared with what came of it."""

Sure = tuple[float, bool]
"""How sure an answer was of its first, and whether that was right."""


class Expected(NamedTuple):
    """A call that a request asks for."""

    tool: str
    """As `server/tool`."""
    arguments: Json


@dataclass(frozen=True, slots=True)
class Labelled:
    """A request of which it is known what does it."""

    id: str
    query: str
    gold: frozenset[str]
    """The tools that are right, as `server/tool`."""
    need: tuple[frozenset[str], ...]
    """Each has to be met, by any of its tools."""
    suite: str = ""
    profile: str = ""
    calls: tuple[Expected, ...] = ()
    """With which arguments; several for one tool: any of them is right. Empty: that is not known."""

    @property
    def is_single(self) -> bool:
        """Whether it asks for one thing."""
        return len(self.need) == 1


@dataclass(frozen=True, slots=True)
class Figures:
    """Means over `n` requests."""

    n: int
    hit: float
    """How often the first is right."""
    recall: tuple[float, ...]
    """What part of the needs is met by the first 1, 3, 5, 10 (see CUTS)."""
    mrr: float
    """One through the place of the first that is right; 0 behind the tenth."""


@dataclass(frozen=True, slots=True)
class Recall:
    """Figures of requests that ask for one thing, or of those that ask for several."""

    suites: Mapping[str, Figures]
    profiles: Mapping[str, Figures]
    micro: Figures | None
    """Over all requests; None if there are none."""
    macro: Figures | None
    """The mean of the profiles."""


@dataclass(frozen=True, slots=True)
class Picks:
    """What comes of picking the first wherever an answer is sure enough of it."""

    precision: float | None
    """How often that is right; None: nothing is picked."""
    coverage: float
    """For what part of the requests something is picked."""


def measured(query: Labelled, ranked: Sequence[str]) -> Figures:
    """The figures of one request whose answer is `ranked`, best first."""
    place = next((at for at, tool in enumerate(ranked[:_LAST]) if tool in query.gold), None)
    met = tuple(
        sum(not group.isdisjoint(ranked[:cut]) for group in query.need) / max(1, len(query.need)) for cut in CUTS
    )
    return Figures(1, float(place == 0), met, 0.0 if place is None else 1 / (place + 1))


def recall(answers: Iterable[tuple[Labelled, Sequence[str]]], *, single: bool) -> Recall:
    """The figures of those requests that ask for one thing (`single`), or of the others."""
    suites: defaultdict[str, list[Figures]] = defaultdict(list)
    profiles: defaultdict[str, list[Figures]] = defaultdict(list)
    for query, ranked in answers:
        if query.is_single is single:
            figures = measured(query, ranked)
            suites[query.suite].append(figures)
            profiles[query.profile].append(figures)
    by_profile = {name: mean(profiles[name]) for name in sorted(profiles)}
    everything = [one for group in profiles.values() for one in group]
    return Recall(
        suites={name: mean(suites[name]) for name in sorted(suites)},
        profiles=by_profile,
        micro=mean(everything) if everything else None,
        macro=mean(list(by_profile.values())) if by_profile else None,
    )


def mean(many: Sequence[Figures]) -> Figures:
    """The mean of one figure at least, each counting alike; `n` is the sum."""
    cuts = tuple(fmean(column) for column in zip(*(one.recall for one in many), strict=True))
    return Figures(sum(one.n for one in many), fmean(one.hit for one in many), cuts, fmean(one.mrr for one in many))


# --- how sure it is


def calibration_error(answers: Sequence[Sure]) -> float | None:
    """By how much confidence is off, on average over BINS bins of it; None without answers."""
    bins: defaultdict[int, list[Sure]] = defaultdict(list)
    for confidence, is_right in answers:
        bins[min(BINS - 1, int(confidence * BINS))].append((confidence, is_right))
    off = [
        len(group) * abs(fmean(sure for sure, _ in group) - fmean(is_right for _, is_right in group))
        for group in bins.values()
    ]
    return sum(off) / len(answers) if answers else None


def picked(answers: Sequence[Sure], threshold: float) -> Picks:
    """What comes of picking the first of each answer that is as sure as `threshold`."""
    right = [is_right for confidence, is_right in answers if confidence >= threshold]
    return Picks(fmean(right) if right else None, len(right) / len(answers) if answers else 0.0)


def widest(answers: Sequence[Sure], precision: float) -> tuple[float | None, Picks]:
    """The lowest threshold at which picks are as often right as `precision` says, and those picks; None: none is."""
    best: tuple[float | None, Picks] = (None, Picks(None, 0.0))
    taken = right = 0
    ordered = sorted(answers, key=itemgetter(0), reverse=True)
    for confidence, group in groupby(ordered, key=itemgetter(0)):
        outcomes = [is_right for _, is_right in group]
        taken, right = taken + len(outcomes), right + sum(outcomes)
        if right >= precision * taken:
            best = (confidence, Picks(right / taken, taken / len(answers)))
    return best


# --- how long it takes


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest of `values` that `share` of them do not exceed; None without values."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
