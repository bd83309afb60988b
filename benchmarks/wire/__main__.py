"""`python -m benchmarks.wire`: measure gateways side by side. See benchmarks/README.md."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.wire.calls import measure_calls
from benchmarks.wire.install import installed
from benchmarks.wire.lists import measure_lists
from benchmarks.wire.machine import machine, versions
from benchmarks.wire.memory import measure_memory
from benchmarks.wire.place import PAIRS
from benchmarks.wire.plan import Plan, quick
from benchmarks.wire.records import Results
from benchmarks.wire.report import write
from benchmarks.wire.rounds import say
from benchmarks.wire.source import commit, now
from benchmarks.wire.starts import measure_starts
from benchmarks.wire.streams import measure_streams
from benchmarks.wire.table import table
from benchmarks.wire.targets import TARGETS

Named = TypeVar("Named")


def every_pair(plan: Plan, results: Results) -> None:
    """Calls on every pair."""
    for pair in plan.pairs:
        say(f"calls {pair}")
        measure_calls(plan, pair, results)


MEASURES: dict[str, Callable[[Plan, Results], None]] = {
    "calls": every_pair,
    "lists": measure_lists,
    "starts": measure_starts,
    "memory": measure_memory,
    "streams": measure_streams,
}


def chosen(all_of: Sequence[Named], names: Sequence[str], name_of: Callable[[Named], str]) -> tuple[Named, ...]:
    """Those with one of these in their name, in any case; without names all. `=NAME` is just that one."""
    wanted = [name.lower() for name in names]

    def fits(one: Named) -> bool:
        own = name_of(one).lower()
        return not wanted or any(name[1:] == own if name.startswith("=") else name in own for name in wanted)

    if found := tuple(one for one in all_of if fits(one)):
        return found
    raise SystemExit(f"none of these: {', '.join(names)}; there are: {', '.join(name_of(one) for one in all_of)}")


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wire", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="less, without the gateways of others, in under three minutes")
    add("--measures", nargs="*", default=list(MEASURES), choices=list(MEASURES), help="(all)")
    add("--pairs", nargs="*", default=[], help="parts of names such as stdio-http-stateless (all)")
    add("--targets", nargs="*", default=[], help="parts of names, or =NAME (all)")
    add("--rounds", type=int, help="rounds of each")
    add("--budget", type=float, help="seconds of one target in one round")
    add("--at-once", type=int, nargs="*", help="throughput with so many calls at once")
    add("--sizes", type=int, nargs="*", help="bytes of results")
    add("--lists", type=int, nargs="*", help="lists of so many servers")
    add("--starts", type=int, nargs="*", help="starts with so many servers")
    add("--soak", type=int, nargs="*", help="memory after so many calls")
    add("--sessions", type=int, help="memory of so many idle sessions")
    add("--streams", type=int, help="one change, told on so many streams")
    add("--is-sse", "--sse", action="store_true", default=None, help="backends over HTTP answer as events")
    add("--out", type=Path, help="a JSON file for all figures")
    add("--docs", type=Path, help="a folder for performance.md and .svg; written if all measures, targets, pairs are")
    return parser.parse_args()


def plan_of(asked: argparse.Namespace) -> Plan:
    """The plan, with what the command line changes."""
    base = quick() if asked.quick else Plan()
    keys = ("rounds", "budget", "at_once", "sizes", "lists", "starts", "soak", "sessions", "streams", "is_sse")
    given: dict[str, Any] = {key: value for key in keys if (value := getattr(asked, key)) is not None}
    tuples: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
    targets = chosen(TARGETS, asked.targets, lambda target: target.name) if asked.targets else base.targets
    return replace(base, targets=targets, pairs=chosen(PAIRS, asked.pairs, str), **tuples)


def main() -> None:
    """Measure, write, tell."""
    asked = arguments()
    plan = plan_of(asked)
    began = {"commit": commit(), "plan": plan.told, "began": now()}
    results = Results(machine(), versions() | installed(), run=began)
    is_page = asked.docs and plan.is_whole and set(asked.measures) == set(MEASURES)
    if asked.docs and not is_page:
        say(f"{asked.docs} stays as it is: that is of whole runs")
    for name in asked.measures:
        try:
            MEASURES[name](plan, results)
        finally:  # whoever stops it in the middle keeps what there is
            results.run |= ended(began["commit"], commit())
            if asked.out:
                results.save(asked.out)
    if is_page:
        write(results, asked.docs)
    print(table(results))


def ended(before: str, after: str) -> dict[str, str]:
    """What is known of a run at its end: when, and whether it was of one commit."""
    return {"ended": now(), "commit": before if before == after else f"{before}, which became {after} meanwhile"}


if __name__ == "__main__":
    main()
