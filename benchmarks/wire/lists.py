"""`tools/list` over many servers, through every target that merges."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from benchmarks.wire import procs
from benchmarks.wire.messages import Era, WrongAnswer
from benchmarks.wire.place import HTTP, STDIO, Pair
from benchmarks.wire.plan import Plan
from benchmarks.wire.records import Record, Results, percentile
from benchmarks.wire.rounds import Servers, first_pair, interleave, running, say
from benchmarks.wire.system import System
from benchmarks.wire.targets import FLOOR, OURS, Target

TOOLS = 20
PAIRS = (Pair(STDIO, STDIO, Era.HANDSHAKE), Pair(HTTP, STDIO, Era.HANDSHAKE), Pair(HTTP, STDIO, Era.STATELESS))
LAST = Pair(HTTP, HTTP, Era.HANDSHAKE)
"""For who does none of these, beside the floor and ours."""


def measure_lists(plan: Plan, results: Results) -> None:
    """All counts of servers, on all pairs that the plan has."""
    pairs = [pair for pair in PAIRS if pair in plan.pairs]
    for count in plan.lists:
        servers = Servers(count, TOOLS, is_instant=True)
        for pair in pairs:
            _one(plan, plan.targets, pair, servers, results)
        others = [target for target in plan.targets if not first_pair(target, pairs, servers)]
        if LAST in plan.pairs and any(first_pair(target, [LAST], servers) for target in others):
            beside = tuple(target for target in plan.targets if target in others or target.name in (FLOOR, OURS))
            _one(plan, beside, LAST, servers, results)


def _one(plan: Plan, targets: Sequence[Target], pair: Pair, servers: Servers, results: Results) -> None:
    def record_of(system: System) -> Record:
        return results.record("list", system.target.name, pair, servers.count)

    say(f"lists of {servers.count} servers, {pair}")
    once, rounds = partial(one_round, plan, servers.count * servers.tools), plan.few_rounds
    with running(targets, pair, servers, results, "list") as systems:
        seconds = 2 * rounds * plan.budget
        interleave(systems, record_of, results, rounds, seconds, lambda system: system.client.listing(), once)


def one_round(plan: Plan, expected: int, system: System, _: object) -> dict[str, float]:
    """Lists for as long as a round may take, at least three where that takes no second: milliseconds of one."""
    own = system.own_pids()
    before = procs.processor_time(own)
    each: list[float] = []
    while (len(each) < 3 and sum(each) < 1.0) or (sum(each) < plan.budget and len(each) < 200):
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
