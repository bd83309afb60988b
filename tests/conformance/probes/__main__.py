"""`python -m tests.conformance.probes`: the probes alone. Exit code 1: something is lost on the way."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import anyio

from tests.conformance.install import CACHE
from tests.conformance.probes.run import WAYS, ran
from tests.conformance.probes.verdict import told, violations


async def main(folder: Path, ways: list[str]) -> int:
    """Run and tell."""
    found = await ran(folder, ways)
    print(told(found))
    return 1 if violations(found) else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.probes", description=__doc__)
    parser.add_argument("--over", action="append", choices=WAYS, help="these ways through MagicTunnel (default: all)")
    parser.add_argument("--logs", type=Path, default=CACHE / "probes", help="where logs are kept (%(default)s)")
    options = parser.parse_args()
    sys.exit(anyio.run(main, options.logs, options.over or list(WAYS)))
