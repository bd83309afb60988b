"""`python -m tests.conformance`: run the suite and our own probes, and compare. Exit code 1: something is lost."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import anyio

from tests.conformance.install import CACHE, installed
from tests.conformance.plan import MODES, ROWS
from tests.conformance.probes import run, verdict
from tests.conformance.report import as_json, by_scenario, details, is_good, legend, summary
from tests.conformance.run import Run

LAST = CACHE / "last"
"""The logs of the last run."""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    for name, choices, told in (
        ("--only", None, "these scenarios: a glob"),
        ("--version", [row.name for row in ROWS], "these suites"),
        ("--mode", ["direct", *MODES], "these ways, and always directly"),
    ):
        parser.add_argument(name, action="append", default=[], choices=choices, help=f"{told}; may be repeated")
    probing = parser.add_mutually_exclusive_group()
    probing.add_argument("--only-probes", action="store_true", help="make our own probes, and do not run the suite")
    probing.add_argument("--no-probes", action="store_true", help="run the suite alone")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write everything there; - is stdout")
    parser.add_argument("--all", action="store_true", help="show scenarios that do not differ too")
    parser.add_argument(
        "--logs", type=Path, default=CACHE / "last", help="where logs and checks are kept (%(default)s)"
    )
    return parser.parse_args()


@dataclass
class Told:
    """What has come of a run, for a person and for a program."""

    is_good: bool = True
    parts: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)

    def show(self, where: Path | None) -> None:
        """Print it; `where`: the file that gets the data, or `-`, so that they are printed instead."""
        data = json.dumps(self.data | {"good": self.is_good}, indent=2)
        print(data if where == Path("-") else "\n\n".join(filter(None, self.parts)))
        if where and where != Path("-"):
            where.write_text(data, encoding="utf-8")


async def main(options: argparse.Namespace) -> int:
    """Run what was asked for and tell of it."""
    if options.logs is None:
        shutil.rmtree(LAST, ignore_errors=True)
    folder, told = options.logs or LAST, Told()
    if not options.only_probes and not await _suite(options, folder, told):
        print("no scenario is selected", file=sys.stderr)
        return 2
    if not options.no_probes:
        await _probes(folder / "probes", told)
    told.show(options.json)
    return 0 if told.is_good else 1


async def _suite(options: argparse.Namespace, folder: Path, told: Told) -> bool:
    """Run the official suite; False: nothing of it is selected."""
    suite = Run(
        suites=await anyio.to_thread.run_sync(installed),
        folder=folder,
        rows=[row for row in ROWS if row.name in (options.version or [row.name])],
        modes=options.mode or list(MODES),
        only=lambda name: any(fnmatchcase(name, glob) for glob in options.only or ["*"]),
    )
    cases = await suite.cases()
    if not cases:
        return False
    direct = await suite.direct(cases)
    outcomes = await suite.through(cases, direct)
    scenarios = by_scenario(outcomes, everything=options.all)
    told.parts += [details(direct, outcomes), scenarios, summary(direct, outcomes), legend(outcomes)]
    told.is_good = is_good(direct, outcomes)
    told.data |= as_json(direct, outcomes)
    return True


async def _probes(folder: Path, told: Told) -> None:
    """Make our own probes."""
    found = await run.ran(folder, run.WAYS)
    told.parts.append(verdict.told(found))
    told.is_good &= not verdict.violations(found)
    told.data["probes"] = verdict.as_json(found)


if __name__ == "__main__":
    try:
        sys.exit(anyio.run(main, _options()))
    except KeyboardInterrupt:
        sys.exit(130)
    except RuntimeError as error:
        # What could not be installed or started has said why.
        print(f"conformance: {error}", file=sys.stderr)
        sys.exit(2)
