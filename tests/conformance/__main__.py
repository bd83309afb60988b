"""`python -m tests.conformance`: run the suite, and compare. Exit code 1: something is lost on the way."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import anyio

from tests.conformance.install import CACHE, installed
from tests.conformance.plan import MODES, ROWS
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
    parser.add_argument("--json", metavar="FILE", type=Path, help="write everything there; - is stdout")
    parser.add_argument("--all", action="store_true", help="show scenarios that do not differ too")
    parser.add_argument(
        "--logs", type=Path, default=CACHE / "last", help="where logs and checks are kept (%(default)s)"
    )
    return parser.parse_args()


async def main(options: argparse.Namespace) -> int:
    """Run what was asked for and tell of it."""
    if options.logs is None:
        shutil.rmtree(LAST, ignore_errors=True)
    run = Run(
        suites=await anyio.to_thread.run_sync(installed),
        folder=options.logs or LAST,
        rows=[row for row in ROWS if row.name in (options.version or [row.name])],
        modes=options.mode or list(MODES),
        only=lambda name: any(fnmatchcase(name, glob) for glob in options.only or ["*"]),
    )
    cases = await run.cases()
    if not cases:
        print("no scenario is selected", file=sys.stderr)
        return 2
    direct = await run.direct(cases)
    outcomes = await run.through(cases, direct)
    as_data = json.dumps(as_json(direct, outcomes), indent=2)
    if options.json == Path("-"):
        print(as_data)
    else:
        parts = (details(direct, outcomes), by_scenario(outcomes, everything=options.all), summary(direct, outcomes))
        print("\n\n".join(filter(None, (*parts, legend(outcomes)))))
        if options.json:
            options.json.write_text(as_data, encoding="utf-8")
    return 0 if is_good(direct, outcomes) else 1


if __name__ == "__main__":
    try:
        sys.exit(anyio.run(main, _options()))
    except KeyboardInterrupt:
        sys.exit(130)
    except RuntimeError as error:
        # What could not be installed or started has said why.
        print(f"conformance: {error}", file=sys.stderr)
        sys.exit(2)
