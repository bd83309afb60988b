"""What a script is given: how it calls tools, and how much it may take. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from magictunnel.catalog.model import Entry, Json

CallTool = Callable[[Entry, Json], Awaitable[Json]]
"""Calls a tool with arguments, as the caller and through the whole pipeline, and gives its result. Raises CallError."""

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class ScriptLimits:
    """How much one script may take."""

    time: float = 30.0
    """Seconds that it may compute, its waiting for tools and its sleeping not counted."""
    total: float = 300.0
    """Seconds from start to end, everything counted."""
    memory: int = 64 * MEBIBYTE
    """Bytes; below 8 MiB nothing runs."""
    calls: int = 50
    """Calls of tools. What is beyond them is refused inside the script."""
    output: int = 50_000
    """Characters of what it returns, and as many of what it prints."""
    code: int = 50_000
    """Characters of the script itself."""

    @property
    def steps(self) -> int:
        """Times that it may turn to us: some for each call, and for sleeping, importing and unknown names."""
        return 200 + 10 * self.calls

    @property
    def flood(self) -> int:
        """Printed characters after which it is stopped: what is printed costs us time, although it is left out."""
        return 20 * self.output + 1_000_000
