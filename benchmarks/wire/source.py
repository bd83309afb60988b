"""Which state of the code is measured, from git."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime

from benchmarks.wire.place import ROOT

MEASURED = ("magictunnel", "benchmarks", "pyproject.toml", "requirements.lock")
"""What a figure depends on: a page or a test that has changed changes none."""


def commit() -> str:
    """The short hash of the commit, and whether what is measured has changed since; outside a checkout `unknown`."""
    try:
        found = _git("rev-parse", "--short", "HEAD")
        return f"{found} with changes" if _git("status", "--porcelain", "--", *MEASURED) else found
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()


def now() -> str:
    """The time as a page tells it: to the minute, UTC."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M}"
