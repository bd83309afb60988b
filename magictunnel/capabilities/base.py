"""What passes between a capability file and what runs its tools: the scope in, an Output out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from magictunnel.backends.base import Request
from magictunnel.capabilities.language.expression import MISSING, Scope
from magictunnel.catalog.model import Json
from magictunnel.secrets import Secrets
from magictunnel.wire.guard import UNWATCHED, Guard

DEFAULT_MAX_OUTPUT = 16 << 20
"""Bytes that are read of what a process writes or a server answers."""

Tell = Callable[[str], Awaitable[None]]
"""Tells the caller one line of progress."""

Make = Callable[[str, Json, Request], Awaitable[Json]]
"""`(public name of a tool, arguments, for whom)` -> its result. Raises CallError."""


async def silent(_line: str) -> None:
    """Progress that nobody hears."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a file is, and what running its tools takes."""

    folder: Path
    secrets: Secrets
    make: Make
    """Makes calls of tools of other servers, for `mcp`."""
    guard: Guard = UNWATCHED
    """Knows the processes that are started."""


@dataclass(frozen=True, slots=True)
class Output:
    """What came of one run, before it is a result."""

    body: bytes = b""
    content_type: str = ""
    """Of `body`, parameters included; empty: not told."""
    value: Any = MISSING
    """It as JSON, where that is what was made."""
    result: Json | None = None
    """A whole result, of another server's tool."""
    failed: str = ""
    """Why it failed, in one line; `body` and `value` are then what explains it."""
    is_cut: bool = False
    """Whether there was more than is read."""


class StepScope(dict[str, Any]):
    """What a step sees: the arguments of the call, and `steps`, what others have come to."""


def arguments_of(scope: Scope) -> Json:
    """The arguments of the call alone."""
    is_step = isinstance(scope, StepScope)
    return {name: value for name, value in scope.items() if not (is_step and name == "steps")}


@dataclass(slots=True)
class Job:
    """One call of one tool."""

    scope: dict[str, Any]
    """The arguments by name, and what steps have come to."""
    request: Request
    tell: Tell = field(default=silent)
