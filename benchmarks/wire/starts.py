"""Cold starts: from the start of the process to a complete first `tools/list`, with instant servers behind."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.wire.messages import Era
from benchmarks.wire.place import HTTP, ROOT, STDIO, Pair
from benchmarks.wire.plan import Plan
from benchmarks.wire.records import Record, Results
from benchmarks.wire.rounds import Servers, does_not_apply, first_pair, in_turn, say, skip, started
from benchmarks.wire.system import MISHAPS, NotRunning
from benchmarks.wire.targets import OURS, SDK, Target

TOOLS = 20
PAIRS = tuple(Pair(front, back, Era.HANDSHAKE) for front, back in ((STDIO, STDIO), (HTTP, STDIO), (HTTP, HTTP)))
"""Each is started on the first of these that it does."""
SECONDS = 10.0
"""Whoever has taken so many has no more rounds."""
STORED, NO_SERVER, PASS, VERSION = "MagicTunnel, stored catalogue", "plain SDK server", "python -c pass", "--version"
NONE_BEHIND = "MagicTunnel, no server"
ALONE = {SDK: NO_SERVER, OURS: NONE_BEHIND}
"""What it is called when there is no server behind."""
SCRIPT = Path(sys.executable).with_name("magictunnel")
COMMANDS = {
    PASS: [sys.executable, "-c", "pass"],
    f"magictunnel {VERSION}": [str(SCRIPT), VERSION]
    if SCRIPT.exists()
    else [sys.executable, "-m", "magictunnel", VERSION],
}


@dataclass(frozen=True)
class Case:
    """One thing to start."""

    target: Target
    servers: Servers
    pair: Pair
    store: str = "off"

    @property
    def label(self) -> str:
        """What it is called in the results."""
        if self.store != "off":
            return STORED
        return self.target.name if self.servers.count else ALONE[self.target.name]

    def run(self) -> float:
        """Seconds from before the process to the list. Raises as `started` does."""
        with (
            tempfile.TemporaryDirectory() as name,
            started(self.target, self.pair, self.servers, self._folder(name), self.store) as system,
        ):
            return time.perf_counter() - system.began

    def _folder(self, name: str) -> Path:
        """Where its config is: what is stored is stored of one file, so with a store it is the same each time."""
        folder = Path(name) if self.store == "off" else Path(self.store).with_suffix("")
        folder.mkdir(exist_ok=True)
        return folder


def measure_starts(plan: Plan, results: Results) -> None:
    """All counts of servers, and commands that start nothing."""
    rounds = plan.few_rounds
    with tempfile.TemporaryDirectory() as name:
        for count in plan.starts:
            say(f"starts with {count} servers")
            _rounds(cases(plan, count, Path(name), results), rounds, results)
    measure_commands(COMMANDS, rounds, results)


def cases(plan: Plan, count: int, folder: Path, results: Results) -> list[Case]:
    """Every target on its first pair; ours with a stored catalogue too. What does not apply is noted."""
    servers, found = Servers(count, TOOLS, is_instant=True), list[Case]()
    for target in plan.targets:
        if pair := first_pair(target, PAIRS, servers):
            found.append(Case(target, servers, pair))
        else:
            does_not_apply(results, "start", target, f"{count} servers")
        if target.name == OURS:
            found.append(Case(target, servers, PAIRS[0], str(folder / f"{count}.db")))
        if target.name in ALONE and count == max(plan.starts):
            found.append(Case(target, replace(servers, count=0), PAIRS[0]))
    return found


def _rounds(all_of: Sequence[Case], rounds: int, results: Results) -> None:
    left: list[tuple[Case, Record]] = []
    for case in all_of:  # a first run, not counted: whether it comes up at all, and what it stores
        try:
            case.run()
        except (NotRunning, *MISHAPS) as error:
            skip(results, "start", case.label, case.pair, error)
        else:
            left.append((case, results.record("start", case.label, case.pair, case.servers.count)))
    for number in range(rounds):
        for case, record in in_turn(left, number):
            if sum(record.figures.get("seconds", ())) >= SECONDS:
                continue
            try:
                record.add(number, seconds=case.run())
            except (NotRunning, *MISHAPS) as error:
                skip(results, "start", case.label, case.pair, error)


def measure_commands(commands: Mapping[str, Sequence[str]], rounds: int, results: Results) -> None:
    """What it takes to start what ends at once: twice as many rounds."""
    left = {name: results.record("start", name, PAIRS[0]) for name in commands}
    for number in range(rounds * 2):
        for name, record in list(left.items()):
            began = time.perf_counter()
            try:
                subprocess.run(commands[name], capture_output=True, check=True, cwd=ROOT, timeout=60)
            except (OSError, subprocess.SubprocessError) as error:
                skip(results, "start", name, PAIRS[0], error)
                del left[name]
            else:
                record.add(number, seconds=time.perf_counter() - began)
