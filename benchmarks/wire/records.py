"""What was measured, as data: written as it comes, read by the report. Pure but for one file."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.wire.messages import Era
from benchmarks.wire.place import Pair


@dataclass
class Record:
    """One thing measured of one target: a list of figures, a round each, under every name."""

    measure: str
    """latency | throughput | payload | list | start | memory | sessions | streams"""
    target: str
    front: str
    back: str
    era: str
    at: int = 0
    """Calls at once, servers, calls made, or bytes: what the measure varies."""
    figures: dict[str, list[float]] = field(default_factory=dict)
    rounds: list[int] = field(default_factory=list)
    """Which round each figure of a list is of."""

    @property
    def pair(self) -> Pair:
        """What it was measured on."""
        return Pair(self.front, self.back, Era(self.era))

    def add(self, number: int, **figures: float) -> None:
        """The figures of one round: of every round under the same names."""
        self.rounds.append(number)
        for name, value in figures.items():
            self.figures.setdefault(name, []).append(value)

    def series(self, name: str) -> dict[int, float]:
        """Each figure of this name by its round; none: never measured."""
        found = self.figures.get(name)
        return dict(zip(self.rounds, found, strict=True)) if found else {}

    def median(self, name: str) -> float | None:
        """Of all rounds; None: never measured."""
        found = self.figures.get(name)
        return statistics.median(found) if found else None


@dataclass(frozen=True)
class Skip:
    """Something that was not measured, and why."""

    measure: str
    target: str
    pair: str
    why: str
    """Empty: it does not apply."""


@dataclass
class Results:
    """A whole run."""

    machine: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)
    run: dict[str, str] = field(default_factory=dict)
    """commit, plan, began, ended: what it was a run of, and when (UTC)."""

    def record(self, measure: str, target: str, pair: Pair, at: int = 0) -> Record:
        """A new record."""
        self.records.append(Record(measure, target, pair.front, pair.back, pair.era.value, at))
        return self.records[-1]

    def find(self, measure: str, target: str, pair: Pair, at: int = 0) -> Record | None:
        """The record, which may have no figures yet; None: it was not begun."""
        wanted = (measure, target, pair, at)
        return next((one for one in self.records if (one.measure, one.target, one.pair, one.at) == wanted), None)

    def median(self, measure: str, target: str, pair: Pair, name: str, at: int = 0) -> float | None:
        """The median of one figure, None where there is none."""
        found = self.find(measure, target, pair, at)
        return found.median(name) if found else None

    def save(self, path: Path) -> None:
        """Write all of it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")


def load(path: Path) -> Results:
    """A run from its file. Older ones tell nothing of the run, and their rounds have no numbers: they are in order."""
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Results(
        data["machine"],
        data["versions"],
        [Record(**{"rounds": _in_order(one["figures"])} | one) for one in data["records"]],
        [Skip(**one) for one in data["skips"]],
        data.get("run", {}),
    )


def _in_order(figures: dict[str, list[float]]) -> list[int]:
    return list(range(max(map(len, figures.values()), default=0)))


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that this share of all are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
