"""A server's process: in a group of its own, its stderr kept, and gone with all its children at the end."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import anyio
from anyio.abc import ByteReceiveStream, Process

from magictunnel.wire.evidence import Evidence
from magictunnel.wire.lines import LineTooLong, split_lines

EXIT_GRACE = 1.0
"""Seconds a server has to leave by itself once its stdin is closed, and again after SIGTERM."""
_POLL = 0.01
_SLOW_POLL = 0.5

logger = logging.getLogger(__name__)


@asynccontextmanager
async def server_process(
    name: str, command: Sequence[str], env: Mapping[str, str], cwd: str | None, evidence: Evidence
) -> AsyncIterator[Process]:
    """Run `command` until the block ends; then it and everything it started are gone.

    Raises:
        OSError: it cannot be started (no such command, no such folder, not executable).
    """
    process = await anyio.open_process(
        list(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        cwd=cwd,
        start_new_session=True,
    )
    # No await between the spawn and the try: a cancellation there would leave the process behind.
    async with anyio.create_task_group() as tasks:
        try:
            if process.stderr is not None:
                tasks.start_soon(_keep_stderr, name, process.stderr, evidence)
            yield process
        finally:
            with anyio.CancelScope(shield=True):
                await _end(process)
                evidence.exit_code = process.returncode
            tasks.cancel_scope.cancel()


async def _keep_stderr(name: str, stderr: ByteReceiveStream, evidence: Evidence) -> None:
    with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, LineTooLong):
        async for line in split_lines(stderr, limit=1024 * 1024):
            logger.debug("%s | %s", name, evidence.heard(line))
    # A server that floods one endless line must still be able to write, or it would hang.
    await drain(stderr)


async def exited(process: Process) -> None:
    """Wait until the process itself has ended, whoever still holds its pipes open."""
    try:
        watched = os.pidfd_open(process.pid)
    except (AttributeError, OSError):  # not on this system, or it has ended already
        while process.returncode is None:
            await anyio.sleep(_SLOW_POLL)
        return
    try:
        await anyio.wait_readable(watched)
    finally:
        os.close(watched)
    while process.returncode is None:  # the event loop hears of it a moment later
        await anyio.sleep(_POLL)


async def drain(stream: ByteReceiveStream) -> None:
    """Read and forget, so that whoever writes is never held up."""
    with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
        while True:
            await stream.receive()


async def _end(process: Process) -> None:
    """Close stdin, wait, then end the whole group: a leader that left by itself may have left children behind."""
    if process.stdin is not None:
        with contextlib.suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            await process.stdin.aclose()
    await _gone(process, EXIT_GRACE)
    for signal_number in (signal.SIGTERM, _hard_kill()):
        if not _signal_group(process, signal_number):
            break
        # Who was killed is gone, though it may count as part of the group until its new parent has heard of it.
        await _gone(process, EXIT_GRACE, whole_group=signal_number == signal.SIGTERM)
    await _release(process)


def _hard_kill() -> signal.Signals:
    return signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL


def _signal_group(process: Process, number: int) -> bool:
    """Send a signal to the process and all its children; False when nobody of them is left."""
    if sys.platform == "win32":
        if process.returncode is None:
            process.terminate()
        return process.returncode is None
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


async def _gone(process: Process, within: float, *, whole_group: bool = False) -> None:
    """Wait up to `within` seconds for the process (and its group) to end.

    Polled: waiting for the process as such also waits for its pipes, which a child of it may hold open.
    """
    with anyio.move_on_after(within):
        while process.returncode is None or (whole_group and _signal_group(process, 0)):
            await anyio.sleep(_POLL)


async def _release(process: Process) -> None:
    """Close our ends of its pipes."""
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
                await stream.aclose()
    # A child that escaped the group may still hold the other ends; asyncio's transport would then warn at exit.
    transport = getattr(getattr(process, "_process", None), "_transport", None)
    if transport is not None:
        with contextlib.suppress(PermissionError):
            transport.close()
