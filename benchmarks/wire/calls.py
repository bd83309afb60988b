"""Calls through every target: latency one after another, throughput many at once, and results of many sizes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from benchmarks.wire import procs
from benchmarks.wire.cores import on_one_core
from benchmarks.wire.place import Pair
from benchmarks.wire.plan import Plan
from benchmarks.wire.records import Record, Results, percentile
from benchmarks.wire.rounds import Servers, interleave, running, skip
from benchmarks.wire.system import NotRunning, System

WARM_CALLS, FEWEST = 1_000, 5
"""Warming up ends with so many calls, or where more would take too long, but not before the fewest: some compile what
they run often."""
SLOW = 0.02
"""Seconds of one call from which on a target is slow."""

MOST_OF_SLOW = 64
"""So many calls of such a target may be under way."""
LARGE, REST = 1_000_000, 0.2
"""Bytes from which on a gateway has this many seconds to give memory back."""


def measure_calls(plan: Plan, pair: Pair, results: Results) -> None:
    """Latency, then throughput, then payloads, of one pair."""
    with running(plan.targets, pair, Servers(is_sse=plan.is_sse), results, "latency") as systems:
        with on_one_core():
            _calls(plan, systems, results, "latency", 1)
        for at_once in plan.at_once:
            _calls(plan, _fast_enough(systems, results, at_once), results, "throughput", at_once)
        for size in plan.sizes:
            _payloads(plan, systems, results, size)


def _fast_enough(systems: Sequence[System], results: Results, at_once: int) -> list[System]:
    """Without those that would take many seconds for a single call of each."""
    found = []
    for system in systems:
        took = results.median("latency", system.target.name, system.pair, "p50", 1) or 0.0
        if at_once <= MOST_OF_SLOW or took < SLOW * 1000:
            found.append(system)
        else:
            why = NotRunning(f"not measured with {at_once} at once: a call takes {took:.0f} ms")
            skip(results, "throughput", system.target.name, system.pair, why)
    return found


def _calls(plan: Plan, systems: Sequence[System], results: Results, measure: str, at_once: int) -> None:
    rounds = plan.rounds_of_calls(measure, at_once)
    record_of = partial(_record, results, measure, at_once)
    prepare, once = partial(fitting, plan, at_once=at_once), partial(one_round, at_once=at_once)
    interleave(systems, record_of, results, rounds, 2 * rounds * plan.budget, prepare, once)


def _record(results: Results, measure: str, at: int, system: System) -> Record:
    return results.record(measure, system.target.name, system.pair, at)


def fitting(plan: Plan, system: System, at_once: int) -> int:
    """How many calls of a round fit into its budget."""
    return max(FEWEST, at_once, min(plan.most, int(plan.budget / warmed_up(system, at_once, plan.warm_up))))


def warmed_up(system: System, at_once: int, seconds: float) -> float:
    """Seconds from one call to the next, in the last and largest of the batches that warm it up."""
    batch, made, spent = FEWEST, 0, 0.0
    while True:
        load = system.client.call(system.calls(), batch, min(at_once, batch))
        made, spent, each = made + batch, spent + load.seconds, load.seconds / batch
        batch = max(at_once, 2 * batch)
        if made >= WARM_CALLS or spent + each * batch > seconds:
            return each


def one_round(system: System, count: int, at_once: int) -> dict[str, float]:
    """Some calls: milliseconds of one (p50, p95, processor time), and calls per second."""
    pids = system.pids()
    # not counted: what lay idle while the others had their turn is out of all caches, its connections may be closed
    system.client.call(system.calls(), at_once, at_once)
    before = procs.processor_time(pids)
    load = system.client.call(system.calls(), count, at_once)
    used = procs.processor_time(pids) - before
    return {
        "p50": percentile(load.each, 0.5) * 1000,
        "p95": percentile(load.each, 0.95) * 1000,
        "cpu": used / count * 1000,
        "rate": count / load.seconds,
    }


def _payloads(plan: Plan, systems: Sequence[System], results: Results, size: int) -> None:
    def warm(system: System) -> None:
        system.resting = system.resting or system.memory()
        system.client.call(system.calls(size), 1)

    def once(system: System, _: None) -> dict[str, float]:
        return one_payload(system, size)

    rounds, record_of = plan.rounds_of_results(size), partial(_record, results, "payload", size)
    interleave(systems, record_of, results, rounds, 2 * rounds * plan.budget, warm, once)


def one_payload(system: System, size: int) -> dict[str, float]:
    """A few results of this size: milliseconds, and megabytes above those of the gateway before it saw any."""
    for pid in system.own_pids():
        procs.forget_peak(pid)
    load = system.client.call(system.calls(size), 3 if size >= LARGE else 20)
    if size >= LARGE:
        time.sleep(REST)
    peak, after = (system.memory(key) - system.resting for key in ("VmHWM", "VmRSS"))
    return {"p50": percentile(load.each, 0.5) * 1000, "peak": peak / 1e6, "kept": after / 1e6}
