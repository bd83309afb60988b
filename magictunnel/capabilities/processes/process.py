"""One process, run to its end: what it writes is read within bounds, and nothing that it started is left."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import anyio
from anyio.abc import ByteReceiveStream, Process

from magictunnel.capabilities.processes.limits import IS_LINUX, limited
from magictunnel.capabilities.processes.progress import Progress
from magictunnel.errors import RunError
from magictunnel.secrets import Secrets
from magictunnel.wire.guard import Guard
from magictunnel.wire.process import Started, ended, exited, start

KEPT = 64 * 1024
"""Bytes kept of the end of what it writes to stderr."""
TAIL = 8_000
"""Bytes told of why it failed."""
_LAST_WORDS = 0.5
"""Seconds for what a process wrote just before its end, if others hold its pipes open."""
_REASONS: Mapping[int | None, tuple[str, str]] = {
    errno.E2BIG: ("its arguments are longer than the system takes", "give long ones in `stdin`"),
    errno.ENOENT: ("the program that its first line (#!) names is not there", "install that, or correct the line"),
    errno.ENOEXEC: ("it is no program of this system", "name what interprets it in its first line (#!), or in `argv`"),
}
"""Of what the system refuses although the file is there: why, and what to do."""
_LOST = (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be started."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    cwd_written: str
    """It as the file has it, for messages."""
    max_output: int
    """Bytes, of stdout and stderr together, with more than which it is ended."""
    stdin: bytes = b""
    max_memory: int | None = None
    told: Literal["stdout", "stderr"] | None = None
    """Whose lines are progress."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of it."""

    code: int
    """Its exit code; a signal that ended it, made negative."""
    out: bytes
    talk: bytes
    """The end of what it wrote to stderr."""
    is_cut: bool
    """Whether it was ended for having written too much."""

    @property
    def failure(self) -> str:
        """How it ended, if not well."""
        if self.code < 0:
            return f"was ended by {_signal_name(-self.code)}"
        return f"exited with {self.code}" if self.code else ""

    def reason(self, secrets: Secrets) -> bytes:
        """The end of what it said about it (on stderr, if anything), without secrets of ours."""
        if not self.talk.strip():
            return _tail(hidden(self.out, secrets.mask_start if self.is_cut else secrets.mask))
        return _tail(hidden(self.talk, secrets.mask if len(self.talk) < KEPT else secrets.mask_end))


async def finished(plan: Plan, guard: Guard, progress: Progress) -> Ended:
    """Run it to its end. Cancelled, or having written too much, it is ended with all that it started.

    Raises:
        RunError: it cannot be started.
    """
    # A cancellation amid the start would leave it behind; from the end of the shield to the try is no await.
    with anyio.CancelScope(shield=True):
        started = await _started(plan, guard)
    process = started.process
    written = _Written(plan, progress)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(progress.run)
            tasks.start_soon(_feed, process, plan.stdin)
            tasks.start_soon(written.read, process, tasks.cancel_scope.cancel)
            await exited(process)
            with anyio.move_on_after(_LAST_WORDS):
                await written.is_over.wait()
            with anyio.move_on_after(_LAST_WORDS):
                await progress.flush()
            tasks.cancel_scope.cancel()
    finally:
        await ended(started, grace=0)
    code = process.returncode
    return Ended(-signal.SIGKILL if code is None else code, bytes(written.out), bytes(written.talk), written.is_cut)


class _Written:
    """What a process has written so far."""

    def __init__(self, plan: Plan, progress: Progress) -> None:
        self.out = bytearray()
        self.talk = bytearray()
        self.is_cut = False
        self.is_over = anyio.Event()
        """Set when both streams have ended."""
        self._left = plan.max_output
        self._told = plan.told
        self._progress = progress

    async def read(self, process: Process, stop: Callable[[], None]) -> None:
        """Read to the end; `stop` is called when there is more than is read."""
        assert process.stdout is not None
        assert process.stderr is not None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._read, process.stdout, self._heard_out, stop)
            tasks.start_soon(self._read, process.stderr, self._heard_talk, stop)
        self.is_over.set()

    async def _read(self, stream: ByteReceiveStream, heard: Callable[[bytes], None], stop: Callable[[], None]) -> None:
        with contextlib.suppress(*_LOST):
            async for chunk in stream:
                heard(chunk[: self._left])
                self._left -= len(chunk)
                if self._left < 0:
                    self.is_cut = True
                    stop()
                    return

    def _heard_out(self, chunk: bytes) -> None:
        self.out += chunk
        if self._told == "stdout":
            self._progress.heard(chunk)

    def _heard_talk(self, chunk: bytes) -> None:
        self.talk += chunk
        del self.talk[:-KEPT]
        if self._told == "stderr":
            self._progress.heard(chunk)


async def _started(plan: Plan, guard: Guard) -> Started:
    _check(plan)
    argv = plan.argv if plan.max_memory is None else limited(plan.argv, plan.max_memory)
    try:
        return await start(argv, plan.env, str(plan.cwd), guard)
    except OSError as error:
        why, hint = _REASONS.get(error.errno, (error.strerror or str(error), ""))
        raise _cannot(plan, why, hint) from error


def _check(plan: Plan) -> None:
    """Find out beforehand what the system would only tell in part."""
    if plan.max_memory is not None and not IS_LINUX:
        raise _cannot(plan, "`max_memory` needs Linux", "leave it out")
    if not plan.cwd.is_dir():
        raise _cannot(plan, f"there is no folder {plan.cwd_written!a}", "correct it in the file, or create it")
    program, folders = plan.argv[0], plan.env.get("PATH", os.defpath)
    place = str(plan.cwd / program) if os.path.dirname(program) else program
    if shutil.which(place, path=folders) is None:
        if os.path.isfile(place):
            raise _cannot(plan, "the file is not executable", f"chmod +x {program}, or name what interprets it")
        raise _cannot(plan, "there is no such program", "install it, or give its path in `argv`")


def _cannot(plan: Plan, why: str, hint: str) -> RunError:
    return RunError(f"{plan.argv[0]!a} cannot be run: {why}", hint=hint)


async def _feed(process: Process, text: bytes) -> None:
    """Give it its stdin, and close that; it need not read it."""
    assert process.stdin is not None
    with contextlib.suppress(*_LOST):
        if text:
            await process.stdin.send(text)
        await process.stdin.aclose()


def hidden(text: bytes, mask: Callable[[str], str]) -> bytes:
    """What a process wrote, without what `mask` hides; bytes that are no text stay as they are."""
    readable = text.decode("utf-8", "surrogateescape")
    masked = mask(readable)
    return text if masked == readable else masked.encode("utf-8", "surrogateescape")


def _tail(text: bytes) -> bytes:
    """The end of it, from the beginning of a line if one begins in it."""
    text = text.strip()
    if len(text) <= TAIL:
        return text
    cut = text[-TAIL:]
    return cut[cut.find(b"\n") + 1 :]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
