"""How soon a host that starts us has its first complete `tools/list`, with ten servers behind and with none.

With a saved catalogue and without; runs of all four interleave. Run `make start`. Ratios count, not milliseconds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.calls import over_stdio
from tests.support.raw import Script, command, tool

ROOT = Path(__file__).parent.parent
TOOLS = 20
"""What each raw server offers."""
OF_NOTES = 3
"""What each notebook offers."""
BAR = 1.3
"""With a saved catalogue, ten servers may cost this many times what none do."""
PRIMING = 60.0
"""Seconds in which all servers have come up once."""


@dataclass
class Case:
    """One thing to measure: which config, and which store; a store that is not kept is a new one for each run."""

    name: str
    config: Path
    store: Path
    expected: int
    is_kept: bool
    took: list[float] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    """How many tools a first list had."""

    def run(self) -> None:
        """Start, list once, hang up."""
        if not self.is_kept:
            forget(self.store)
        seconds, found = first_list(self.config, self.store)
        self.took.append(seconds)
        self.seen.add(found)


def first_list(config: Path, store: Path, *, until: int = 0) -> tuple[float, int]:
    """Seconds from the start of the process to its first list, and how many tools are in it.

    `until`: stay until a list has that many, and see to it that they are saved.
    """
    os.environ["MAGICTUNNEL_STORE"] = str(store)
    words = [sys.executable, "-m", "magictunnel", "serve", "--stdio", "-c", str(config), "--log-level", "error"]
    began = time.perf_counter()
    with over_stdio(words, "handshake") as request:
        found = listed(request("tools/list", {}))
        took = time.perf_counter() - began
        deadline = began + PRIMING
        while found < until and time.perf_counter() < deadline:
            time.sleep(0.1)
            found = listed(request("tools/list", {}))
    return took, found


def listed(answer: Mapping[str, Any]) -> int:
    """How many tools a list has; without any server there is nothing to list."""
    return len(answer.get("result", {}).get("tools", ()))


def forget(store: Path) -> None:
    """Remove a store, with what SQLite keeps beside it."""
    for path in store.parent.glob(f"{store.name}*"):
        path.unlink()


def ten_servers(folder: Path, notebooks: int) -> tuple[Path, int]:
    """A config with ten servers over stdio: some notebooks on the SDK, the others raw; and how many tools they have."""
    entries: dict[str, Any] = {}
    for number in range(notebooks):
        args = [str(ROOT / "examples" / "notes_server.py"), "--file", str(folder / f"notes{number}.json")]
        entries[f"notes{number}"] = {"command": sys.executable, "args": args}
    for number in range(notebooks, 10):
        script = Script(name=f"raw{number}", offers={"tools": [tool(f"tool{at}") for at in range(TOOLS)]})
        program, *args = command(script, folder)
        entries[script.name] = {"command": program, "args": args}
    return written(folder / "ten.json", entries), notebooks * OF_NOTES + (10 - notebooks) * TOOLS


def written(path: Path, entries: Mapping[str, Any]) -> Path:
    """A config with these servers."""
    path.write_text(json.dumps({"mcpServers": entries}), encoding="utf-8")
    return path


def cases(folder: Path, notebooks: int) -> list[Case]:
    """What is measured; the first is what the others are compared with."""
    ten, expected = ten_servers(folder, notebooks)
    none = written(folder / "none.json", {})
    return [
        Case("none behind, saved", none, folder / "none.db", 0, is_kept=True),
        Case("ten behind, saved", ten, folder / "ten.db", expected, is_kept=True),
        Case("none behind, nothing saved", none, folder / "none-new.db", 0, is_kept=False),
        Case("ten behind, nothing saved", ten, folder / "ten-new.db", expected, is_kept=False),
    ]


def told(measured: list[Case]) -> str:
    """The table."""
    base = statistics.median(measured[0].took)
    lines = [f"{'first tools/list':28} {'ms':>8} {'best':>8} {'x none':>7}  complete"]
    for case in measured:
        median, best = statistics.median(case.took), min(case.took)
        whole = "yes" if case.seen == {case.expected} else f"NO: {sorted(case.seen)} of {case.expected} tools"
        lines.append(f"{case.name:28} {median * 1000:8.0f} {best * 1000:8.0f} {median / base:7.2f}  {whole}")
    ratio = statistics.median(measured[1].took) / base
    is_good = ratio <= BAR and measured[1].seen == {measured[1].expected}
    lines.append(f"start: {'passed' if is_good else 'FAILED'}: {ratio:.2f} times as long with ten servers (bar: {BAR})")
    return "\n".join(lines)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="runs of each (%(default)s)")
    parser.add_argument("--notebooks", type=int, default=5, help="how many of the ten are on the SDK (%(default)s)")
    options = parser.parse_args()
    os.environ.setdefault("PYTHONPATH", str(ROOT))
    with tempfile.TemporaryDirectory() as name:
        measured = cases(Path(name), options.notebooks)
        for case in measured:
            if case.is_kept:
                first_list(case.config, case.store, until=case.expected)
        for _ in range(options.rounds):
            for case in measured:
                case.run()
    print(told(measured))


if __name__ == "__main__":
    main()
