"""Targets that run side by side, and short rounds of them all that interleave; one that fails is left out, and told."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks.wire.place import Pair
from benchmarks.wire.records import Record, Results, Skip
from benchmarks.wire.system import MISHAPS, NotApplicable, NotRunning, System, backends
from benchmarks.wire.targets import Target

BEGAN = time.monotonic()
Entry = TypeVar("Entry")
Prepared = TypeVar("Prepared")
ENOUGH = 3
"""Rounds of a target that takes far longer for each than it may."""


@dataclass(frozen=True)
class Servers:
    """What is behind every target."""

    count: int = 1
    tools: int = 50
    is_instant: bool = False
    is_sse: bool = False


def say(line: str) -> None:
    """Tell how far we are."""
    print(f"{time.monotonic() - BEGAN:6.0f} s  {line}", file=sys.stderr, flush=True)


@contextmanager
def running(
    targets: Sequence[Target], pair: Pair, servers: Servers, results: Results, measure: str
) -> Iterator[list[System]]:
    """Every target that can be run on this pair, ready."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        begun: list[System] = []
        for number, target in enumerate(targets):
            folder = Path(name, str(number))
            folder.mkdir()
            with trying(results, measure, target, pair):
                begun.append(stack.enter_context(system_of(target, pair, servers, folder)))
        systems: list[System] = []
        for system in begun:  # they have come up beside each other
            with trying(results, measure, system.target, pair):
                system.ready(servers.count * servers.tools)
                systems.append(system)
        yield systems


@contextmanager
def trying(results: Results, measure: str, target: Target, pair: Pair) -> Iterator[None]:
    """Leave out what does not come up, or does not apply."""
    try:
        yield
    except NotApplicable:
        does_not_apply(results, measure, target, str(pair))
    except (NotRunning, *MISHAPS) as error:
        skip(results, measure, target.name, pair, error)


def system_of(target: Target, pair: Pair, servers: Servers, folder: Path, store: str = "off") -> System:
    """One target, to be started. Raises NotApplicable, NotRunning."""
    behind = backends(pair, servers.count, servers.tools, is_instant=servers.is_instant, is_sse=servers.is_sse)
    return System(target, pair, folder, behind, store)


def first_pair(target: Target, pairs: Sequence[Pair], servers: Servers) -> Pair | None:
    """The first of these that a target does; of one that is not installed, the first."""
    return next((pair for pair in pairs if _applies(target, pair, servers)), None)


def _applies(target: Target, pair: Pair, servers: Servers) -> bool:
    with tempfile.TemporaryDirectory() as name:
        try:
            system_of(target, pair, servers, Path(name))
        except NotApplicable:
            return False
        except NotRunning:
            return True
        return True


@contextmanager
def started(target: Target, pair: Pair, servers: Servers, folder: Path, store: str = "off") -> Iterator[System]:
    """One target that lists everything. Raises NotApplicable, NotRunning, and what a client may meet."""
    with system_of(target, pair, servers, folder, store) as system:
        system.ready(servers.count * servers.tools)
        yield system


def does_not_apply(results: Results, measure: str, target: Target, where: str) -> None:
    """Note what a target does not do."""
    results.skips.append(Skip(measure, target.name, where, ""))


def skip(results: Results, measure: str, target: str, pair: Pair, error: Exception) -> None:
    """Leave a target out of this, and say so."""
    why = f"{type(error).__name__}: {error}".replace("\n", " ")[:300]
    results.skips.append(Skip(measure, target, str(pair), why))
    say(f"{measure} {pair}: without {target}: {why}")


def in_turn(entries: Sequence[Entry], number: int) -> list[Entry]:
    """All of them as they have their turn in a round: each is first in one of as many rounds, and every other round
    goes backwards, so that nobody always comes after the same one.
    """
    step = -1 if number % 2 else 1
    return [entries[(number + step * at) % len(entries)] for at in range(len(entries))]


def interleave(
    systems: Sequence[System],
    record_of: Callable[[System], Record],
    results: Results,
    rounds: int,
    seconds: float,
    prepare: Callable[[System], Prepared],
    once: Callable[[System, Prepared], dict[str, float]],
) -> None:
    """So many rounds of `once`, which gives the figures of a round, for each system in turn, after `prepare`.

    The order differs from round to round. Whoever has taken so many seconds, and a few rounds, has no more of them.
    """
    left: list[tuple[System, Prepared, Record]] = []
    for system in systems:
        record = record_of(system)
        with failing(results, record.measure, system) as alive:
            left.append((system, prepare(system), record))
    spent = {system.target.name: 0.0 for system in systems}
    for number in range(rounds):
        for entry in in_turn(left, number):
            system, prepared, record = entry
            if number >= ENOUGH and spent[system.target.name] >= seconds:
                continue
            began = time.monotonic()
            with failing(results, record.measure, system) as alive:
                record.add(number, **once(system, prepared))
            spent[system.target.name] += time.monotonic() - began
            if not alive:
                left.remove(entry)


@contextmanager
def failing(results: Results, measure: str, system: System) -> Iterator[list[bool]]:
    """Note a target's failure; what is given is empty after one."""
    alive = [True]
    try:
        yield alive
    except (NotRunning, *MISHAPS) as error:
        alive.clear()
        skip(results, measure, system.target.name, system.pair, error)
