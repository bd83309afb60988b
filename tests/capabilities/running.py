"""What tests of processes have in common: where a file is, scripts that say what they were given, and progress."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from magictunnel.backends.base import Request
from magictunnel.capabilities.base import Output, Site
from magictunnel.capabilities.language.model import Command
from magictunnel.capabilities.processes.command import run_command
from magictunnel.catalog.model import Json
from magictunnel.secrets import Secrets

PATIENCE = 30.0


async def no_calls(_name: str, _arguments: Json, _request: Request) -> Json:
    raise AssertionError("no other tool is called here")


def site(folder: Path, **environ: str) -> Site:
    """A file in `folder`; `environ` is what its references refer to."""
    return Site(folder, Secrets(environ), no_calls)


def python(code: str, *args: Any) -> list[Any]:
    """The command line of a script."""
    return [sys.executable, "-S", "-c", code, *args]


async def ran(folder: Path, argv: list[Any], scope: Json | None = None, **more: Any) -> Output:
    """What a command comes to."""
    return await run_command(Command.model_validate({"argv": argv} | more), scope or {}, site(folder))


class Heard:
    """Progress, as it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    async def __call__(self, line: str) -> None:
        self.lines.append(line)
