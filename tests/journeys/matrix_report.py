"""`python -m tests.journeys.matrix_report`: run the matrix, and write what came of it into docs/protocol.md."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from tests.journeys.matrix_plan import BEHAVIOURS, COMBINATIONS, DIFFERENT, WAYS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "protocol.md"
MARKS = ("<!-- matrix: written by python -m tests.journeys.matrix_report -->\n", "<!-- end of matrix -->\n")
Outcomes = Mapping[tuple[str, str], bool]
"""Behaviour and way -> whether it held."""

ALL_HELD: Outcomes = {(behaviour, str(way)): True for behaviour in BEHAVIOURS for way in WAYS}


def table(outcomes: Outcomes) -> str:
    """The outcomes as a table: a row for each behaviour, a column for each combination of eras."""
    heads = [f"{client} client, {server} server" for client, server in COMBINATIONS]
    rows = [["", *heads], ["---"] * (1 + len(heads))]
    for behaviour, title in BEHAVIOURS.items():
        rows.append([title, *(_cell(behaviour, eras, outcomes) for eras in COMBINATIONS)])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def in_page(page: str) -> str:
    """The table that stands in the page."""
    return page.partition(MARKS[0])[2].partition(MARKS[1])[0]


def _cell(behaviour: str, eras: tuple[str, str], outcomes: Outcomes) -> str:
    ways = [str(way) for way in WAYS if way.eras == eras]
    failed = [way for way in ways if not outcomes.get((behaviour, way))]
    told = DIFFERENT.get((behaviour, *eras), "yes")
    held = f"{told} ({len(ways) - len(failed)}/{len(ways)} ways)"
    return f"{held}; **not** {', '.join(failed)}" if failed else held


class _Recorder:
    def __init__(self) -> None:
        self.outcomes: dict[tuple[str, str], bool] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.failed:
            name, _, way = report.nodeid.partition("::test_")[2].rstrip("]").partition("[")
            self.outcomes[name, way] = report.passed and self.outcomes.get((name, way), True)


def main(words: Iterable[str] = ()) -> int:
    """Run all of it; the exit code is pytest's."""
    recorder = _Recorder()
    code = pytest.main([str(ROOT / "tests" / "journeys" / "test_matrix.py"), *words], plugins=[recorder])
    before, start, rest = PAGE.read_text(encoding="utf-8").partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    PAGE.write_text(before + start + table(recorder.outcomes) + MARKS[1] + after, encoding="utf-8")
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
