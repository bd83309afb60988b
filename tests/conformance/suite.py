"""One scenario of the suite, run in a process of its own: its checks, whatever becomes of it."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.conformance.compare import Check, Checks
from tests.conformance.install import Suite
from tests.conformance.plan import Row, selects
from tests.conformance.processes import PATIENCE, ran, said

TIMEOUT = 60.0
"""Seconds after which a scenario is killed. The suite has a limit of its own, except in the old version."""
CLIENT = (sys.executable, "-m", "tests.conformance.client")
_LISTED = re.compile(r"^ +- (\S+)", re.MULTILINE)


async def scenarios(suite: Suite, row: Row, folder: Path) -> list[str]:
    """The names of a row's scenarios, in the suite's order.

    Raises:
        RuntimeError: the suite does not list any.
    """
    log = folder / "list.log"
    await ran([*suite.command, "list", f"--{row.side}", *_spec(row)], log, PATIENCE)
    found = [name for name in _LISTED.findall(said(log)) if selects(row, name)]
    if not found:
        raise RuntimeError(f"the suite lists no scenarios for {row.name}: {said(log)}")
    return found


async def run(suite: Suite, row: Row, scenario: str, target: Sequence[str], folder: Path) -> Checks:
    """The checks of one scenario against a target (see `server_at` and `driven_by`)."""
    here = folder / scenario.replace("/", "_")
    log = here / "suite.log"
    command = [*suite.command, row.side, *target, "--scenario", scenario, *_spec(row), "--output-dir", str(here)]
    in_time = await ran(command, log, TIMEOUT)
    found = sorted(here.glob("**/checks.json"))
    if not found:
        return [Check("the-scenario-runs", "FAILURE", said(log)[-500:] if in_time else "it did not end in time")]
    checks = [_check(told) for told in json.loads(found[-1].read_text(encoding="utf-8"))]
    return [*checks, _ending(said(log))] if row.side == "client" else checks


def server_at(url: str) -> tuple[str, ...]:
    """A server as the target."""
    return ("--url", url)


def driven_by(*args: str) -> tuple[str, ...]:
    """Our client as the target."""
    return ("--command", shlex.join((*CLIENT, *args)))


def _spec(row: Row) -> tuple[str, ...]:
    return ("--spec-version", row.spec) if row.spec else ()


def _check(told: dict[str, object]) -> Check:
    message = told.get("errorMessage") or ""
    if not message and told["status"] != "SUCCESS":
        # Some say what is wrong nowhere but in their details.
        message = json.dumps(told.get("details"))[:300]
    return Check(str(told["id"]), str(told["status"]), str(message), str(told.get("description", "")))


def _ending(log: str) -> Check:
    """A check of ours: the client got what it asked for, which a server that only watches requests cannot see."""
    bad = re.search(r"Client (?:exited with code|timed out)[^\n]*(?:\s+Stderr:\s+([^\n]*))?", log)
    return Check("the-client-is-answered", "FAILURE" if bad else "SUCCESS", (bad[1] or bad[0]) if bad else "")
