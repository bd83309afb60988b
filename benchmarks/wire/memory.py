"""Memory: when idle, after many calls, and what a session takes that does nothing."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.wire.messages import Era
from benchmarks.wire.place import HTTP, STDIO, Pair
from benchmarks.wire.plan import Plan
from benchmarks.wire.records import Results
from benchmarks.wire.rounds import Servers, does_not_apply, first_pair, say, skip, started
from benchmarks.wire.system import MISHAPS, NotApplicable, NotRunning, System
from benchmarks.wire.targets import DIRECT, FLOOR, OURS, Target

PAIRS = tuple(Pair(front, back, Era.HANDSHAKE) for front, back in ((HTTP, STDIO), (STDIO, HTTP), (HTTP, HTTP)))
"""On the first of these that a target does."""
AT_ONCE = 16
IDLE_SERVERS = 10
REST = 0.5
"""Seconds without anything to do before memory is looked at."""
BATCH, FIRST = 200, 1_000
"""Calls between looks at the clock, and after which memory is looked at first."""
FEW = 10
SESSION_SECONDS = 30.0
"""How long it may take to open all sessions."""


def measure_memory(plan: Plan, results: Results) -> None:
    """One target after another: nothing here is a matter of time."""
    for target in plan.targets:
        if target.name == DIRECT or (plan.is_quick and target.name not in (OURS, FLOOR)):
            continue
        say(f"memory of {target.name}")
        _on_first(target, results, "idle", Servers(IDLE_SERVERS, 20, is_instant=True), _idle)
        _on_first(target, results, "memory", Servers(), partial(_soak, plan))
        if plan.sessions:
            _on_first(target, results, "sessions", Servers(), partial(_sessions, plan.sessions))


def _on_first(
    target: Target, results: Results, measure: str, servers: Servers, do: Callable[[System, Results], None]
) -> None:
    """Do this with a target on the first pair that it does."""
    if (pair := first_pair(target, PAIRS, servers)) is None:
        does_not_apply(results, measure, target, f"{servers.count} servers")
        return
    with tempfile.TemporaryDirectory() as name:
        try:
            with started(target, pair, servers, Path(name)) as system:
                do(system, results)
        except NotApplicable:
            does_not_apply(results, measure, target, str(pair))
        except (NotRunning, *MISHAPS) as error:
            skip(results, measure, target.name, pair, error)


def megabytes(system: System) -> float:
    """What the gateway has now, without the servers behind it. Raises NotRunning."""
    time.sleep(REST)
    return system.memory() / 1e6


def _idle(system: System, results: Results) -> None:
    results.record("memory", system.target.name, system.pair, 0).add(0, rss=megabytes(system))


def _soak(plan: Plan, system: System, results: Results) -> None:
    done, began = 0, time.monotonic()
    for wanted in (FIRST, *plan.soak):
        while done < wanted:
            batch = min(BATCH, wanted - done)
            system.client.call(system.calls(), batch, AT_ONCE)
            done += batch
            took = (time.monotonic() - began) * wanted / done
            if took > plan.soak_seconds:  # told by what was made so far, so that the slow do not take it all first
                raise NotRunning(f"not measured after {wanted:,} calls: they would take {took:.0f} s")
        results.record("memory", system.target.name, system.pair, wanted).add(0, rss=megabytes(system))


def _sessions(count: int, system: System, results: Results) -> None:
    if system.pair.front == STDIO or system.client.is_older:
        raise NotApplicable
    before, began, processes = megabytes(system), time.monotonic(), len(system.pids())
    for done in range(count):
        if time.monotonic() - began > SESSION_SECONDS:
            raise TimeoutError(f"{done} of {count:,} sessions in {SESSION_SECONDS:.0f} s")
        if done == FEW and len(system.pids()) >= processes + FEW:
            raise NotRunning("every session is a process of its own")
        client = replace(system.client, session="", _lanes=[], _number=0)
        client.open()
        client.close()
    each = (megabytes(system) - before) * 1000 / count
    system.client.call(system.calls(), 1)  # memory of one that survived but serves no longer tells nothing
    results.record("sessions", system.target.name, system.pair, count).add(0, kilobytes=each)
