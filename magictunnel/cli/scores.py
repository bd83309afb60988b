"""What an evaluation came to: as JSON, and as rows for a person or a pipe. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from magictunnel.catalog.model import Json
from magictunnel.discovery.arguments.score import Score, total
from magictunnel.discovery.evaluation import (
    CUTS,
    Figures,
    Recall,
    Sure,
    calibration_error,
    percentile,
    picked,
    recall,
    widest,
)
from magictunnel.discovery.trials import Arguments, Costs, Outcome

PRECISION = 0.95
"""Of picks; how many can be had of it is told."""
_NEEDS = {"one need": True, "several": False}


class Table(NamedTuple):
    """Rows under their columns; the first cell of each says what they are about."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found out."""

    searched: str
    """What was searched: a file of tools, or a config."""
    outcomes: Sequence[Outcome]
    costs: Mapping[str, Costs]
    """By profile."""
    indexing: float
    """Seconds that it took to index all of them."""
    threshold: float
    """How sure an answer has to be for its first to be called."""
    arguments: Sequence[Arguments] = ()
    """Of those requests that say which are right."""
    shown: str = ""
    """What clients are shown of a config's tools, by its `discovery`; empty: no config was searched."""

    def recall(self, *, single: bool) -> Recall:
        """Of requests for one thing, or for several."""
        return recall([(one.query, one.ranked) for one in self.outcomes], single=single)

    @property
    def sure(self) -> list[Sure]:
        """Of requests for one thing."""
        return [one.sure for one in self.outcomes if one.query.is_single]

    @property
    def picks(self) -> list[Sure]:
        """The same; where an answer says that nothing fits, nothing is ever picked."""
        return [one.sure if one.fits else (-1.0, False) for one in self.outcomes if one.query.is_single]


# --- JSON


def figures(report: Report) -> Json:
    """Shares are from 0 to 1, times are seconds."""
    return {
        "searched": report.searched,
        "requests": len(report.outcomes),
        "modes": dict(Counter(one.mode for one in report.outcomes)),
        "single": _recall_json(report.recall(single=True)),
        "multi": _recall_json(report.recall(single=False)),
        "confidence": _sure_json(report),
        "arguments": _arguments_json(report.arguments),
        "seconds": _times(report),
        "tokens": {name: _costs_json(costs) for name, costs in report.costs.items()},
        "shown": report.shown or None,
    }


def _recall_json(found: Recall) -> Json:
    return {
        "all": found.micro and _figures_json(found.micro),
        "macro": found.macro and _figures_json(found.macro),
        "suites": {name: _figures_json(one) for name, one in found.suites.items()},
        "profiles": {name: _figures_json(one) for name, one in found.profiles.items()},
    }


def _figures_json(figures: Figures) -> Json:
    cuts = {f"recall@{cut}": value for cut, value in zip(CUTS, figures.recall, strict=True)}
    return {"n": figures.n, "hit@1": figures.hit, **cuts, "mrr@10": figures.mrr}


def _sure_json(report: Report) -> Json:
    picks = picked(report.picks, report.threshold)
    lowest, best = widest([one for one in report.picks if one[0] >= 0], PRECISION)
    share = sum(confidence >= 0 for confidence, _ in report.picks) / max(1, len(report.picks))
    return {
        "calibration_error": calibration_error(report.sure),
        "threshold": report.threshold,
        "precision": picks.precision,
        "coverage": picks.coverage,
        f"coverage_at_{PRECISION:g}": best.coverage * share,
        f"threshold_for_{PRECISION:g}": lowest,
        "nothing_fits": sum(not one.fits for one in report.outcomes) / max(1, len(report.outcomes)),
    }


def _arguments_json(arguments: Sequence[Arguments]) -> Json | None:
    if not arguments:
        return None
    sum_of = total(one.score for one in arguments)
    return sum_of._asdict() | _shares(sum_of)


def _shares(score: Score) -> dict[str, float | None]:
    return {"precision": score.precision, "recall": score.recall, "exact": score.exact}


def _times(report: Report) -> Json:
    seconds = [one.seconds for one in report.outcomes]
    return {"p50": percentile(seconds, 0.5), "p95": percentile(seconds, 0.95), "index": report.indexing}


def _costs_json(costs: Costs) -> Json:
    told = {"tools": costs.tools, "everything": costs.everything, "search": costs.search}
    return told | {"share": costs.share}


# --- rows


def tables(report: Report) -> Iterator[Table]:
    """The same, for people."""
    head = ("requests", "of", "n", "hit@1", *(f"R@{cut}" for cut in CUTS), "MRR")
    yield Table(head, [row for name, single in _NEEDS.items() for row in _rows(name, report.recall(single=single))])
    yield Table(("figure", "of", "value"), list(_single_figures(report)))
    costs = [("tokens", name or "all", *_cost_cells(one)) for name, one in report.costs.items()]
    yield Table(("at the start", "of", "tools", "everything", "search", "share"), costs)


def _rows(name: str, found: Recall) -> Iterator[Sequence[str]]:
    groups = {f"suite {suite or '-'}": one for suite, one in found.suites.items()}
    groups |= {f"profile {profile or '-'}": one for profile, one in found.profiles.items()}
    whole = {"all (micro)": found.micro, "profiles (macro)": found.macro}
    for group, one in (*groups.items(), *whole.items()):
        if one:
            yield (name, group, str(one.n), *map(_share, (one.hit, *one.recall, one.mrr)))


def _single_figures(report: Report) -> Iterator[Sequence[str]]:
    sure = _sure_json(report)
    yield "confidence", "calibration error", _share(sure["calibration_error"])
    yield "confidence", f"precision at {report.threshold:g}", _share(sure["precision"])
    yield "confidence", f"coverage at {report.threshold:g}", _share(sure["coverage"])
    yield "confidence", f"coverage at precision {PRECISION:g}", _share(sure[f"coverage_at_{PRECISION:g}"])
    yield "confidence", "told that nothing fits", _share(sure["nothing_fits"])
    if report.arguments:
        sum_of = total(one.score for one in report.arguments)
        yield "arguments", "calls", str(sum_of.calls)
        for name, share in _shares(sum_of).items():
            yield "arguments", name, _share(share)
    for name, value in _times(report).items():
        yield "milliseconds", name, "-" if value is None else f"{value * 1_000:.1f}"


def _cost_cells(costs: Costs) -> tuple[str, ...]:
    return str(costs.tools), str(costs.everything), str(costs.search), _share(costs.share)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
