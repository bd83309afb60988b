"""Tools for scripts: entries, and a pipeline in their place that writes down what it was asked."""

from __future__ import annotations

import json
from typing import Any

import anyio

from magictunnel.catalog.model import Entry, Json, Kind
from magictunnel.errors import DeadlineExceeded


def entry(name: str, properties: Any = None, **definition: Any) -> Entry:
    """A tool of this name that takes these properties; any, if None."""
    schema: Json = {"type": "object"} | ({} if properties is None else {"properties": properties})
    return Entry(Kind.TOOL, name, "s", name, {"name": name, "inputSchema": schema, **definition})


def text(value: Any, **rest: Any) -> Json:
    said = value if isinstance(value, str) else json.dumps(value)
    return {"content": [{"type": "text", "text": said}], **rest}


TOOLS = [
    entry("echo"),
    entry("github__list-issues", {"n": {"type": "integer"}, "from": {"type": "string"}}),
    *(entry(name) for name in ("slow", "sick", "late", "broken", "long", "answers")),
]


class Pipeline:
    """Calls of `TOOLS`. `made`: what was called with what; `ended`: which calls of `slow` were cancelled."""

    def __init__(self) -> None:
        self.made: list[tuple[str, Json]] = []
        self.answer: Json = {}
        """What `answers` answers."""
        self.under_way = 0
        self.most_under_way = 0
        self.cancelled = 0
        self.begun = anyio.Event()

    async def call(self, tool: Entry, arguments: Json) -> Json:
        self.made.append((tool.name, arguments))
        match tool.name:
            case "slow":
                await self._slow(arguments.get("seconds", 60))
            case "sick":
                return text("no luck", isError=True)
            case "late":
                raise DeadlineExceeded("s", "late", 3)
            case "broken":
                raise KeyError("ours")
            case "long":
                return text("x" * 100_000_000)
            case "answers":
                return self.answer
        return text({"tool": tool.name, "arguments": arguments})

    async def _slow(self, seconds: float) -> None:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        self.begun.set()
        try:
            await anyio.sleep(seconds)
        except anyio.get_cancelled_exc_class():
            self.cancelled += 1
            raise
        finally:
            self.under_way -= 1
