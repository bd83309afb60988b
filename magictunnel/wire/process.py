"""A server's process: in a group of its own, its stderr kept, and gone with all that it started at the end."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import anyio
import anyio.lowlevel
from anyio.abc import ByteReceiveStream, Process

from magictunnel.wire.evidence import Evidence
from magictunnel.wire.guard import UNWATCHED, Guard
from magictunnel.wire.lines import LineTooLong, split_lines
from magictunnel.wire.watchdog import MARK, born, is_left, remains, sent, struck

EXIT_GRACE = 1.0
"""Seconds a server has to leave by itself once its stdin is closed, and again after SIGTERM."""
_POLL = 0.01
_SLOW_POLL = 0.5
_LOOKS = 8
"""Times in a row that nobody is found before nobody is thought to be left of those that had to be ended."""

logger = logging.getLogger(__name__)


class PipeEnds:
    """The ends of two pipes that a process is given."""

    def __init__(self, stdin: int, stdout: int) -> None:
        self.stdin = stdin
        self.stdout = stdout
        self._is_open = True

    def close(self) -> None:
        """Let go of them; only the process has them then, so that its end is theirs."""
        if self._is_open:
            self._is_open = False
            os.close(self.stdin)
            os.close(self.stdout)


class Started(NamedTuple):
    """A process, and what finds all that it starts."""

    process: Process
    since: str
    """When it was born; with its number that is nobody else."""
    mark: str
    guard: Guard


async def start(
    command: Sequence[str],
    env: Mapping[str, str],
    cwd: str | None,
    guard: Guard = UNWATCHED,
    ends: PipeEnds | None = None,
) -> Started:
    """Start `command` in a group of its own. `ended` is to be called at last; `guard` sees to it if we are killed.

    `ends`: what its stdin and stdout are to be, if not streams of the process; it has them for itself from then on.

    Raises:
        OSError: it cannot be started (no such command, no such folder, not executable).
    """
    mark = guard.mark()
    try:
        process = await anyio.open_process(
            list(command),
            stdin=ends.stdin if ends else subprocess.PIPE,
            stdout=ends.stdout if ends else subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**env, MARK: mark},
            cwd=cwd,
            start_new_session=True,
        )
    finally:
        if ends:
            ends.close()
    since = born(process.pid)
    guard.watch(process.pid, since)
    return Started(process, since, mark, guard)


async def ended(started: Started, grace: float = EXIT_GRACE) -> None:
    """Return when it and everything it started are gone; it has `grace` seconds to leave by itself."""
    with anyio.CancelScope(shield=True):
        await _end(started.process, started.since, started.mark, grace)
        started.guard.forget(started.process.pid)


@asynccontextmanager
async def server_process(
    name: str,
    command: Sequence[str],
    env: Mapping[str, str],
    cwd: str | None,
    evidence: Evidence,
    guard: Guard = UNWATCHED,
    ends: PipeEnds | None = None,
) -> AsyncIterator[Process]:
    """Run `command` until the block ends; then it and everything it started are gone. See `start`."""
    started = await start(command, env, cwd, guard, ends)
    process = started.process
    # No await between the spawn and the try: a cancellation there would leave the process behind.
    async with anyio.create_task_group() as tasks:
        try:
            if process.stderr is not None:
                tasks.start_soon(_keep_stderr, name, process.stderr, evidence)
            yield process
        finally:
            await ended(started)
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


async def _end(process: Process, since: str, mark: str, grace: float) -> None:
    """Close stdin, wait, then end all that is left: a leader that left by itself may have left children behind."""
    if process.stdin is not None:
        with contextlib.suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            await process.stdin.aclose()
    await _gone(process, (), mark, grace)
    if sys.platform == "win32":
        await _end_alone(process)
    else:
        await _end_all(process, since, mark)
    await _release(process)


async def _end_alone(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
        await _gone(process, (), "")


async def _end_all(process: Process, since: str, mark: str) -> None:
    """End the process, its group, and whoever left that."""
    # SIGKILL twice: who was just about to start somebody when it came may have done so.
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGKILL):
        left = remains({process.pid: since}, mark)
        if not left and number == signal.SIGTERM:
            return
        for one in left:
            sent(one, number)
        # Who was killed is gone, though it may count as part of the group until its new parent has heard of it.
        await _gone(process, [one for one in left if one > 0 or number == signal.SIGTERM], mark)
    await _swept(mark)


async def _swept(mark: str) -> None:
    """Kill who is never found twice, until nobody has been found for a while."""
    looks = _LOOKS
    with anyio.move_on_after(EXIT_GRACE):
        while looks:
            looks = _LOOKS if struck(mark) else looks - 1
            await anyio.lowlevel.checkpoint()


async def _gone(process: Process, left: Sequence[int], mark: str, within: float = EXIT_GRACE) -> None:
    """Wait for the process, and whoever else is `left`, to end; not for ever.

    Polled: waiting for the process as such also waits for its pipes, which a child of it may hold open.
    """
    with anyio.move_on_after(within):
        while process.returncode is None or any(is_left(one, mark) for one in left):
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
