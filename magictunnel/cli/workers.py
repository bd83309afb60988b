"""`serve --workers N`: several processes on one port, started, started again when one dies, and ended together."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from secrets import token_hex

import anyio
from anyio.abc import ByteReceiveStream, Process

from magictunnel.admin.place import folder
from magictunnel.cli.errand import LAST, SAID, UP, Errand
from magictunnel.cli.session import FAILED, REFUSED
from magictunnel.cli.show import say
from magictunnel.config.model import Config
from magictunnel.errors import ConfigError
from magictunnel.front.listener import hold, listen_on

MAX_WORKERS = 64
_START = 60.0
"""Seconds for a worker to come up."""
_TRIES = 3
"""How often the first one may fail to. What keeps a later one from it may pass, and the others serve on."""
_LONG = 30.0
"""Seconds after which a worker has lived, and its death is not held against the next one."""
_MAX_PAUSE = 10.0
_GRACE = 5.0
"""Seconds more than a worker takes to end, before it is killed."""
_ENDING = ".w"


def refuse_if_impossible(workers: int) -> None:
    """Raises ConfigError: there cannot be so many."""
    if not 1 <= workers <= MAX_WORKERS:
        raise ConfigError(f"there cannot be {workers} workers", hint=f"from 1 to {MAX_WORKERS}")
    if workers > 1 and sys.platform == "win32":
        raise ConfigError("there are no workers on Windows", hint="leave out --workers")


async def serve_together(
    config: Config,
    log_level: str,
    loop: str,
    address: tuple[str, int],
    workers: int,
    *,
    is_balanced: bool = sys.platform == "linux",
) -> None:
    """Keep so many workers until cancelled; then all of them are gone.

    `is_balanced`: the system spreads connections among those who listen on one port. Elsewhere all of them listen on
    one socket.

    Raises:
        ConfigError: there is no such address, or a worker does not come up.
    """
    with (hold if is_balanced else listen_on)(*address) as listener, _meeting_place() as place:
        host, port = listener.getsockname()[:2]
        errand = Errand(
            number=0,
            of=workers,
            run=token_hex(4),
            folder=str(place),
            host=host,
            port=port,
            listener=-1 if is_balanced else listener.fileno(),
            program=sys.argv[0],
            config=config.file,
            log_level=log_level,
            loop=loop,
            announces=False,
        )
        async with anyio.create_task_group() as tasks:
            for number in range(1, workers + 1):
                tasks.start_soon(_Seat(replace(errand, number=number, announces=number == 1)).keep)


class _Seat:
    """The place of one worker. Who takes it when one has died goes by the same number."""

    def __init__(self, errand: Errand) -> None:
        self._errand = errand
        self._is_up = False

    async def keep(self) -> None:
        """Have somebody in it until cancelled. Raises ConfigError: nobody has ever come up."""
        was_up, tries, short = False, 0, 0
        while True:
            since = anyio.current_time()
            code = await self._one_life()
            was_up, tries = was_up or self._is_up, tries + 1
            short = 0 if anyio.current_time() - since > _LONG else short + 1
            if not was_up and (tries >= _TRIES or code == REFUSED):
                number = self._errand.number
                raise ConfigError(f"worker {number} does not come up: {_ending(code)}", hint="try without --workers")
            say(f"worker {self._errand.number} is started again: {_ending(code)}", "yellow")
            await anyio.sleep(pause_after(short))

    async def _one_life(self) -> int:
        """Start a worker and wait for its end; its exit code."""
        self._is_up = False
        try:
            process = await _started(self._errand)
        except OSError as error:
            say(f"worker {self._errand.number} cannot be started: {error}", "yellow")
            return FAILED
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._listen, process)
                code = await process.wait()
                tasks.cancel_scope.cancel()
            return code
        finally:
            with anyio.CancelScope(shield=True):
                await _end(process)

    async def _listen(self, process: Process) -> None:
        """Give it its errand and hear what it tells; one that says nothing is killed."""
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
            await process.stdin.send(self._errand.line)
            with anyio.move_on_after(_START):
                while not self._is_up:
                    await self._hear(process.stdout)
            if not self._is_up:
                process.kill()
            while True:
                await self._hear(process.stdout)

    async def _hear(self, stdout: ByteReceiveStream) -> None:
        words = (await stdout.receive()).decode(errors="replace").split()
        self._is_up = self._is_up or UP in words
        if SAID in words:
            self._errand = replace(self._errand, announces=False)


def pause_after(deaths: int) -> float:
    """Seconds until the next one is started, after so many that did not live long."""
    return float(min(0.1 * 2 ** min(deaths, 10), _MAX_PAUSE))


async def _started(errand: Errand) -> Process:
    # What stands in the current folder is not to be imported unless we look there, too.
    is_here = bool({"", os.getcwd()} & {*sys.path})
    return await anyio.open_process(
        [sys.executable, *(() if is_here else ("-P",)), "-m", "magictunnel.cli.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None,
        start_new_session=True,
        pass_fds=(errand.listener,) if errand.listener >= 0 else (),
    )


async def _end(process: Process) -> None:
    """Have a worker end, in order if it can."""
    with anyio.move_on_after(LAST + _GRACE):
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
        await process.wait()
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
    await process.aclose()


def _ending(code: int) -> str:
    return f"it was ended by signal {-code}" if code < 0 else f"it ended with exit code {code}"


@contextmanager
def _meeting_place() -> Iterator[Path]:
    """A folder where workers reach each other, ours alone. Raises ConfigError, see `folder`."""
    home = folder()
    for left in home.glob(f"*{_ENDING}"):
        if not _lives(left.stem):  # its gateway was killed
            shutil.rmtree(left, ignore_errors=True)
    place = home / f"{os.getpid()}{_ENDING}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o700)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _lives(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError, OverflowError):
        return False
    except OSError:
        return True
    return True
