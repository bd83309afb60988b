"""What became of a script, as the result of the tool that ran it. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from magictunnel.catalog.model import Json
from magictunnel.discovery.code.values import cleaned, told

MAX_MESSAGE = 2000
"""Characters of an error's message."""


class ScriptFailed(Exception):
    """A script ended in an error: of what kind, why, and in which line (1-based; 0: in none)."""

    def __init__(self, kind: str, message: str, line: int = 0, source: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.message = cleaned(message[:MAX_MESSAGE])
        self.line = line
        self.source = cleaned(source.strip()[:200])

    def __str__(self) -> str:
        where = f"Line {self.line}: " if self.line else ""
        what = f"{self.kind}: {self.message}" if self.message else self.kind
        return where + what + (f"\n    {self.source}" if self.source else "")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a script left."""

    value: Any = None
    failure: ScriptFailed | None = None
    printed: str = ""
    printed_whole: bool = True
    calls: int = 0
    """Calls of tools that were made."""
    notes: tuple[str, ...] = field(default=())
    """What whoever wrote the script should know of it."""

    def result(self, limit: int) -> Json:
        """As a `CallToolResult`: at most `limit` characters of the value, what was printed, and the error if any."""
        told_of = _Told(self, limit)
        content = [{"type": "text", "text": text} for text in told_of.texts() if text]
        result: Json = {"content": content, "structuredContent": told_of.fields()}
        return result | {"isError": True} if self.failure else result


class _Told:
    """An outcome in words, and in fields."""

    def __init__(self, outcome: Outcome, limit: int) -> None:
        self._outcome = outcome
        self._limit = limit
        value = outcome.value
        self._text, self._whole = told(value, limit)
        if isinstance(value, str):
            self._text, self._whole = cleaned(value[:limit]), len(value) <= limit

    def texts(self) -> list[str]:
        outcome = self._outcome
        printed = outcome.printed.rstrip("\n")
        cut = "" if outcome.printed_whole else "\n(more was printed; it is left out)"
        return [
            str(outcome.failure) if outcome.failure else self._value(),
            f"Printed:\n{printed}{cut}" if printed else "",
            *outcome.notes,
        ]

    def _value(self) -> str:
        if not self._whole:
            return f"{self._text}\n(cut after {self._limit} characters; return less)"
        if self._outcome.value is None:
            return "" if self._outcome.printed.strip() else "The script returned nothing."
        return self._text

    def fields(self) -> Json:
        outcome = self._outcome
        printed: Json = {"printed": outcome.printed} if outcome.printed else {}
        notes: Json = {"notes": list(outcome.notes)} if outcome.notes else {}
        return self._ending() | printed | notes | {"calls": outcome.calls}

    def _ending(self) -> Json:
        failure = self._outcome.failure
        if failure:
            line = {"line": failure.line} if failure.line else {}
            return {"error": {"type": failure.kind, "message": failure.message} | line}
        if not self._whole:
            return {"result": self._text, "cut": True}
        return {"result": self._text if isinstance(self._outcome.value, str) else json.loads(self._text)}
