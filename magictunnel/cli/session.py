"""What every command does first: find the config, start the gateway, wait for it; and how it ends."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from magictunnel.capabilities.declared import with_problems
from magictunnel.cli.show import progress, say
from magictunnel.config.find import find_config
from magictunnel.config.load import load
from magictunnel.config.model import Config
from magictunnel.config.rules import settings_of
from magictunnel.errors import (
    BackendError,
    BackendUnavailable,
    ConfigError,
    DeadlineExceeded,
    MagicTunnelError,
    OutcomeUnknown,
)
from magictunnel.telemetry import start_logging
from magictunnel.wire.caller import Caller

if TYPE_CHECKING:
    from magictunnel.gateway import Gateway

FAILED = 1
"""Exit code: we did what was asked, and it failed (a tool's error, a server that is down)."""
REFUSED = 2
"""Exit code: we could not do what was asked (a wrong option, an unusable config, no such name)."""
ENDED = 130
"""Exit code: a signal ended the command before it was done."""

_GLANCE = 0.02

LOOPS = ("auto", "asyncio", "uvloop")
"""What can run everything; `auto`: uvloop where it is installed, which answers faster, else asyncio."""

SHELL = Caller("shell")
"""Who calls from a command line: somebody who cannot be asked anything."""

_OUTCOMES = (BackendError, BackendUnavailable, DeadlineExceeded, OutcomeUnknown)
"""Errors by which a call failed that we did make, or tried to."""


def load_config(path: Path | None) -> Config:
    """The config that `path`, the environment or the folder names; what is wrong with entries of it is said."""
    config = with_problems(load(find_config(path, os.environ, Path.cwd())))
    for note in config.notes:
        say(f"note: {note}", "dim")
    return config


@asynccontextmanager
async def opened(
    path: Path | None, *, tell_problems: bool = True, until: Callable[[Gateway], bool] = lambda _gateway: False
) -> AsyncIterator[Gateway]:
    """A running gateway whose servers are all up, or have said why not; or `until` something of interest is there."""
    from magictunnel.gateway import build, own_secrets, running  # the help of a command goes without
    from magictunnel.wire.audience import Audience

    config = load_config(path)
    for problem in config.problems if tell_problems else ():
        say(f"skipped: {problem}", "yellow")
    if not (config.servers or config.problems or config.declared or config.capabilities):
        say(f"note: {config.file} names no servers (add one under mcpServers)", "yellow")
    secrets = own_secrets()
    start_logging("error", secrets.mask)
    longest = max((settings_of(config, name).start_timeout for name in config.servers), default=0.001)
    patient = config.model_copy(update={"start_wait": longest + 5.0})
    async with running(build(patient, secrets=secrets, audience=Audience([SHELL]))) as gateway:
        with progress(f"starting {len(config.servers)} server(s): {', '.join(config.servers)}"):
            while not (gateway.is_settled or until(gateway)):
                await anyio.sleep(_GLANCE)
        yield gateway


def run(main: Callable[[], Awaitable[int]], when_ended: int = ENDED) -> None:
    """Run a command of the shell and leave with its exit code; see `code_of`.

    Raises:
        typer.Exit: always.
    """
    import typer  # a host that starts us goes without a shell

    raise typer.Exit(code_of(main, when_ended))


def code_of(main: Callable[[], Awaitable[int]], when_ended: int = ENDED, loop: str = "asyncio") -> int:
    """Run a command to the exit code it returns, or `when_ended` by a signal; our errors become one line each.

    `loop`: one of LOOPS. A command that is soon over goes without what it costs to import a faster one.
    """
    try:
        options = {"use_uvloop": _uses_uvloop(loop)}
        code = anyio.run(_until_signalled, main, when_ended, backend_options=options)
    except* MagicTunnelError as group:
        errors = _leaves(group)
        for error in errors:
            say(f"error: {error}", "red")
        code = FAILED if all(isinstance(error, _OUTCOMES) for error in errors) else REFUSED
    except* KeyboardInterrupt:
        code = ENDED
    except* OSError as group:
        code = FAILED
        if not group.split(BrokenPipeError)[0]:  # whoever read our output has had enough
            say(f"error: {_leaves(group)[0]}", "red")
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 for the flush at exit
    return code


def _uses_uvloop(loop: str) -> bool:
    """Raises ConfigError: it is not there, or there is no such loop."""
    if loop not in LOOPS:
        raise ConfigError(f"there is no event loop {loop!r}", hint=f"use one of {', '.join(LOOPS)}")
    is_there = sys.platform != "win32" and find_spec("uvloop") is not None
    if loop == "uvloop" and not is_there:
        raise ConfigError("uvloop is not installed here", hint="use --loop auto")
    return loop != "asyncio" and is_there


async def _until_signalled(main: Callable[[], Awaitable[int]], when_ended: int) -> int:
    """SIGTERM and Ctrl-C end a command in order, every process it started with it; a second one changes nothing."""
    code = when_ended
    with _signals() as signals:
        async with anyio.create_task_group() as tasks:

            async def end_on_signal() -> None:
                async for _number in signals:
                    tasks.cancel_scope.cancel()

            tasks.start_soon(end_on_signal)
            code = await main()
            tasks.cancel_scope.cancel()
    return code


def _signals() -> AbstractContextManager[AsyncIterable[signal.Signals]]:
    if sys.platform == "win32":
        return nullcontext(_never())
    return anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT)


async def _never() -> AsyncIterator[signal.Signals]:
    await anyio.sleep_forever()
    yield signal.SIGTERM


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
