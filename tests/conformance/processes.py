"""Processes of a run, each in a group of its own that is ended whole, with what they say in files."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio.abc import Process

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
"""Seconds in which whatever is started here has to be ready."""
_GRACE = 10.0
"""Seconds that a process has to end after it was told to."""


@asynccontextmanager
async def started(command: Sequence[str], log: Path) -> AsyncIterator[Process]:
    """The command, running, until the block is left. Its output goes to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        process = await anyio.open_process(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with anyio.CancelScope(shield=True):
            await _end(process)


async def ran(command: Sequence[str], log: Path, within: float) -> bool:
    """Run a command to its end; False: it took longer than `within` seconds and was killed."""
    async with started(command, log) as process:
        with anyio.move_on_after(within):
            await process.wait()
        return process.returncode is not None


async def found_in(log: Path, process: Process, pattern: str) -> str:
    """Wait until a process has said something that matches: the first group of it.

    Raises:
        RuntimeError: it ended without saying so.
        TimeoutError: it did not say so for too long.
    """
    with anyio.fail_after(PATIENCE):
        while (found := re.search(pattern, said(log))) is None:
            if process.returncode is not None:
                raise RuntimeError(f"it ended with {process.returncode}: {said(log)}")
            await anyio.sleep(0.02)
    return found[1]


def said(log: Path) -> str:
    """What a process has said so far."""
    return log.read_text(encoding="utf-8", errors="replace")


async def _end(process: Process) -> None:
    _signal(process, signal.SIGTERM)
    with anyio.move_on_after(_GRACE):
        await process.wait()
    # Its children may outlive it, and they are in its group.
    _signal(process, signal.SIGKILL)
    with anyio.move_on_after(_GRACE):
        await process.wait()


def _signal(process: Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
