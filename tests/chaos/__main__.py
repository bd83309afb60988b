"""`python -m tests.chaos`: a run, its figures and one line of verdict. Exit code 1: something did not hold."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path

import anyio

from tests.chaos.judge import findings
from tests.chaos.report import as_data, as_text
from tests.chaos.run import Options, run


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="of faults (%(default)s)")
    parser.add_argument("--quiet", type=float, help="seconds before them without any (a fifth of --seconds)")
    parser.add_argument("--seed", type=int, default=1, help="decides which faults come when (%(default)s)")
    parser.add_argument("--clients", type=int, default=20, help="one of them a host over stdio (%(default)s)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write everything there; - is stdout")
    parser.add_argument("--keep", metavar="FOLDER", type=Path, help="keep the logs there")
    return parser.parse_args()


def main() -> int:
    """Run what was asked for and tell of it."""
    asked = _options()
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # or servers would stay behind
    quiet = asked.quiet or max(10.0, asked.seconds / 5)
    options = Options(asked.seconds, quiet, seed=asked.seed, clients=asked.clients, keep=asked.keep)
    told = anyio.run(run, options)
    data = json.dumps(as_data(told), indent=2)
    print(data if asked.json == Path("-") else as_text(told))
    if asked.json and asked.json != Path("-"):
        asked.json.write_text(data, encoding="utf-8")
    return 1 if findings(told.evidence) else 0


if __name__ == "__main__":
    sys.exit(main())
