"""`python -m benchmarks.wire.guard`: warn when a call costs us more processor time than it did, next to the floor.

Both are measured in the same rounds, so that a slow machine is slow for both, and on one core, so that chance decides
little. The ratio of each pair is compared with the one in `benchmarks/wire/ratios.json`; `--write` stores what it is
now. It warns on stderr and never fails.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.wire.calls import measure_calls
from benchmarks.wire.compared import beside
from benchmarks.wire.machine import machine, versions
from benchmarks.wire.place import PAIRS
from benchmarks.wire.plan import Plan
from benchmarks.wire.records import Results
from benchmarks.wire.targets import FLOOR, OURS, TARGETS

STORED = Path(__file__).with_name("ratios.json")
MOST = 1.25
"""A ratio may be this many times the stored one."""


def ratios(results: Results) -> dict[str, float]:
    """On each pair: our processor time of a call, as a multiple of the floor's in the same rounds."""
    found = {str(pair): beside(results, results.find("latency", OURS, pair, 1), FLOOR, "cpu") for pair in PAIRS}
    return {pair: ratio for pair, ratio in found.items() if ratio is not None}


def warnings(now: Mapping[str, float], stored: Mapping[str, float]) -> list[str]:
    """A line for each pair that has become dearer than it may."""
    return [
        f"warning: a call over {pair} costs {ratio:.2f} of the raw asyncio relay's processor time; it was {before:.2f}"
        for pair, ratio in now.items()
        if (before := stored.get(pair)) is not None and ratio > before * MOST
    ]


def missing(now: Mapping[str, float], stored: Mapping[str, float]) -> list[str]:
    """A line for each stored pair that could not be measured."""
    return [f"warning: a call over {pair} could not be measured" for pair in stored if pair not in now]


def measured(rounds: int) -> Results:
    """Ours and the floor, on all pairs."""
    targets = tuple(target for target in TARGETS if target.name in (OURS, FLOOR))
    plan = Plan(targets, rounds=rounds, budget=0.15, at_once=(), sizes=())
    results = Results(machine(), versions())
    for pair in plan.pairs:
        measure_calls(plan, pair, results)
    return results


def main() -> None:
    """Measure, compare, tell."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wire.guard", description=__doc__)
    parser.add_argument("--write", action="store_true", help="store the ratios as they are now")
    parser.add_argument("--rounds", type=int, default=3, help="a third of the rounds of each (%(default)s)")
    asked = parser.parse_args()
    now = ratios(measured(asked.rounds))
    stored: dict[str, float] = json.loads(STORED.read_text(encoding="utf-8")) if STORED.exists() else {}
    for pair, ratio in now.items():
        before = f", stored {stored[pair]:.2f}" if pair in stored else ""
        print(f"{pair:24} {ratio:7.2f} times the raw asyncio relay{before}")
    if asked.write:
        kept = {pair: round(ratio, 2) for pair, ratio in now.items()}
        STORED.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
        return
    for line in [*warnings(now, stored), *missing(now, stored)]:
        print(line, file=sys.stderr)


if __name__ == "__main__":
    main()
