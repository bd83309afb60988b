"""A run as tables for a person, and as JSON for a program. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tests.conformance.compare import Checks, Difference, failing, made, passed, succeeding
from tests.conformance.outcome import Case, Outcome
from tests.conformance.plan import CROSSED, IMPOSSIBLE, MODES, Row

Json = dict[str, Any]


def summary(direct: Mapping[Case, Checks], outcomes: Sequence[Outcome]) -> str:
    """Row by mode: how many scenarios pass and how many checks hold, directly and through."""
    lines: list[tuple[str, ...]] = [("suite", "mode", "direct", "through", "checks", "through", "differ")]
    for row in dict.fromkeys(row for row, _ in direct):
        told = [checks for (of, _), checks in direct.items() if of == row]
        lines.append((row.name, "direct", _scenarios(told), "", str(_checks(told)), "", ""))
        for mode in row.modes:
            lines += _through(row, mode, [one for one in outcomes if one.row == row and one.mode.name == mode])
    return table(lines)


def _through(row: Row, mode: str, some: Sequence[Outcome]) -> list[tuple[str, ...]]:
    if not some:
        return []
    before, after = [one.direct for one in some], [one.through for one in some]
    differ = str(sum(len(one.lost) for one in some))
    counts = (_scenarios(before), _scenarios(after), str(_checks(before)), str(_checks(after)), differ)
    return [(row.name, mode, *counts)]


def by_scenario(outcomes: Sequence[Outcome], *, everything: bool) -> str:
    """Scenario by mode: direct | through; only those that differ, unless `everything` is wanted."""
    lines = [("suite", "scenario", "mode", "direct", "through")]
    for one in outcomes:
        if everything or one.told:
            counts = (_score(one.direct), _score(one.through))
            lines.append((one.row.name, one.scenario, one.mode.name, *counts))
    return table(lines) if len(lines) > 1 else ""


def details(direct: Mapping[Case, Checks], outcomes: Sequence[Outcome]) -> str:
    """Each check that fails directly, or does not come out through as it does directly, with what the suite says."""
    lines: list[str] = []
    for (row, scenario), checks in direct.items():
        lines += [f"direct {row.name} {scenario}\n  {check.id}: {check.message}" for check in failing(checks)]
    for one in outcomes:
        if one.told:
            lines.append(f"{one.mode.name} {one.row.name} {one.scenario}")
            lines += [f"  {_said(one, difference)}" for difference in one.told]
    return "\n".join([*lines, *(f"strike out of IMPOSSIBLE: {entry}" for entry in stale(outcomes))])


def is_good(direct: Mapping[Case, Checks], outcomes: Sequence[Outcome]) -> bool:
    """Whether nothing fails directly, nothing is lost on the way, and no excuse stands that none needs."""
    bad = [*(failing(checks) for checks in direct.values()), *(one.lost for one in outcomes), stale(outcomes)]
    return not any(bad)


def stale(outcomes: Sequence[Outcome]) -> list[str]:
    """Entries of IMPOSSIBLE that were run, and are not needed."""
    crossed = [one for one in outcomes if one.mode == CROSSED]
    ran = {(one.row.name, one.scenario) for one in crossed}
    needed = {(one.row.name, one.scenario) for one in crossed if one.told}
    needed |= {(one.row.name, f"{one.scenario}:{told.id}") for one in crossed for told in one.told}
    entries = [(row, entry) for row, table in IMPOSSIBLE.items() for entry in table]
    return [
        f"{row} {entry}"
        for row, entry in entries
        if (row, entry.partition(":")[0]) in ran and (row, entry) not in needed
    ]


def as_json(direct: Mapping[Case, Checks], outcomes: Sequence[Outcome]) -> Json:
    """All of it: the checks of every scenario, and what differs."""
    return {
        "good": is_good(direct, outcomes),
        "direct": [
            {"suite": row.name, "scenario": scenario, "checks": _statuses(checks)}
            for (row, scenario), checks in direct.items()
        ],
        "through": [_outcome(one) for one in outcomes],
    }


def legend(outcomes: Sequence[Outcome]) -> str:
    """What the modes mean."""
    return "\n".join(f"{name}: {MODES[name].means}" for name in dict.fromkeys(one.mode.name for one in outcomes))


def table(lines: Sequence[tuple[str, ...]]) -> str:
    """Lines in columns; the first is the header."""
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _outcome(one: Outcome) -> Json:
    told = [_difference(one, difference) for difference in one.told]
    where = {"suite": one.row.name, "mode": one.mode.name, "scenario": one.scenario}
    return where | {"checks": _statuses(one.through), "differences": told}


def _difference(one: Outcome, told: Difference) -> Json:
    return asdict(told) | {"better": told.better, "excuse": one.why(told)}


def _said(one: Outcome, told: Difference) -> str:
    why = one.why(told)
    return f"{told}{' (better)' if told.better else ''}{f' (cannot be: {why})' if why else ''}"


def _statuses(checks: Checks) -> list[Json]:
    return [asdict(check) for check in checks if check.status != "INFO"]


def _scenarios(some: Sequence[Checks]) -> str:
    return f"{sum(passed(checks) for checks in some)}/{len(some)}"


def _checks(some: Sequence[Checks]) -> int:
    return sum(succeeding(checks) for checks in some)


def _score(checks: Checks) -> str:
    return f"{succeeding(checks)}/{made(checks)}"
