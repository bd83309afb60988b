"""`make fuzz SECONDS=600`: all that is in this package again and again, with other examples each time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.fuzz.budget import EXAMPLES

SCALE = "3"
"""How many times as many examples a round tries as an ordinary test run."""
LONGEST = 900.0
"""Seconds that a round may take: whatever takes longer hangs."""
_ROOT = Path(__file__).parents[2]


def main(seconds: float, first: int) -> int:
    """Fuzz for so long; the status to exit with. `first`: the seed of the first round, each other has the next."""
    begun, seed = time.monotonic(), first
    while (passed := time.monotonic() - begun) < seconds:
        print(f"{passed:5.0f} s  seed {seed}", flush=True)
        if failure := round_of(seed):
            print(failure)
            print(f"failed; again with: python -m tests.fuzz {LONGEST:.0f} {seed}")
            return 1
        seed += 1
    print(f"{time.monotonic() - begun:5.0f} s  nothing found in {seed - first} rounds")
    return 0


def round_of(seed: int) -> str:
    """Run everything once; what it says if it fails, else nothing."""
    words = [sys.executable, "-m", "pytest", "tests/fuzz", "-x", "-p", "no:cacheprovider", f"--hypothesis-seed={seed}"]
    env = os.environ | {EXAMPLES: os.environ.get(EXAMPLES, SCALE)}
    try:
        done = subprocess.run(words, cwd=_ROOT, env=env, capture_output=True, timeout=LONGEST, check=False)
    except subprocess.TimeoutExpired as error:
        return f"it hangs:\n{(error.stdout or b'').decode(errors='replace')}"
    said = (done.stdout + done.stderr).decode(errors="replace")
    lines = [line for line in said.splitlines() if line.startswith("E ") or "FAILED" in line or "ERROR" in line]
    return "\n".join(lines[:60]) or said[-4_000:] if done.returncode else ""


if __name__ == "__main__":
    seconds, seed = (*sys.argv[1:], *("600", str(int(time.time())))[len(sys.argv) - 1 :])
    sys.exit(main(float(seconds), int(seed)))
