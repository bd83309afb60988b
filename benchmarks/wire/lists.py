"""`tools/list` over many servers, through every target that merges."""

from __future__ import annotations

from functools import partial

from benchmarks.wire import procs
from benchmarks.wire.messages import Era, WrongAnswer
from benchmarks.wire.place import HTTP, STDIO, Pair
from benchmarks.wire.plan import Plan
from benchmarks.wire.records import Record, Results, percentile
from benchmarks.wire.rounds import Servers, interleave, running, say
from benchmarks.wire.system import System

TOOLS = 20
PAIRS = (Pair(STDIO, STDIO, Era.HANDSHAKE), Pair(HTTP, STDIO, Era.HANDSHAKE), Pair(HTTP, STDIO, Era.STATELESS))


def measure_lists(plan: Plan, results: Results) -> None:
    """All counts of servers, on all pairs that the plan has."""
    for count in plan.lists:
        for pair in PAIRS:
            if pair in plan.pairs:
                say(f"lists of {count} servers, {pair}")
                _one(plan, pair, count, results)


def _one(plan: Plan, pair: Pair, count: int, results: Results) -> None:
    def record_of(system: System) -> Record:
        return results.record("list", system.target.name, pair, count)

    servers = Servers(count, TOOLS, is_instant=True)
    with running(plan.targets, pair, servers, results, "list") as systems:
        once, rounds = partial(one_round, plan, count * TOOLS), plan.few_rounds
        seconds = 2 * rounds * plan.budget
        interleave(systems, record_of, results, rounds, seconds, lambda system: system.client.listing(), once)


def one_round(plan: Plan, expected: int, system: System, _: object) -> dict[str, float]:
    """Lists for as long as a round may take, at least three: milliseconds of one."""
    own = system.own_pids()
    before = procs.processor_time(own)
    each: list[float] = []
    while len(each) < 3 or (sum(each) < plan.budget and len(each) < 200):
        seconds, names = system.client.listing()
        if len(names) != expected:
            raise WrongAnswer(f"a list of {len(names)} tools")
        each.append(seconds)
    used = procs.processor_time(own) - before
    return {
        "p50": percentile(each, 0.5) * 1000,
        "p95": percentile(each, 0.95) * 1000,
        "cpu": used / len(each) * 1000,
    }
