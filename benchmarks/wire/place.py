"""What a gateway is started for: the transports on both sides, the era, and the servers behind it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.wire.messages import Era

ROOT = Path(__file__).resolve().parents[2]
BACKEND = Path(__file__).with_name("backend.py")
STDIO, HTTP = "stdio", "http"


@dataclass(frozen=True, order=True)
class Pair:
    """The transport in front, the one behind, and the era on both."""

    front: str
    back: str
    era: Era

    def __str__(self) -> str:
        return f"{self.front}-{self.back}-{self.era}"


PAIRS = tuple(Pair(front, back, era) for era in Era for front in (STDIO, HTTP) for back in (STDIO, HTTP))


@dataclass(frozen=True)
class Behind:
    """One server behind: a command, and where it listens if that is over HTTP."""

    alias: str
    words: tuple[str, ...]
    port: int = 0

    @property
    def url(self) -> str:
        """Where it is; empty: behind pipes."""
        return f"http://127.0.0.1:{self.port}/mcp" if self.port else ""


def behind(alias: str, tools: int, port: int = 0, *, is_instant: bool = False, is_sse: bool = False) -> Behind:
    """One raw backend; an instant one has no libraries to load, unless it listens and so is there first."""
    words = [sys.executable, *(["-S", "-E"] if is_instant and not port else []), str(BACKEND), "--tools", str(tools)]
    if port:
        words += ["--http", str(port), *(["--sse"] if is_sse else [])]
    return Behind(alias, tuple(words), port)


@dataclass(frozen=True)
class Place:
    """Everything that a target needs to know to be started."""

    pair: Pair
    folder: Path
    """For its files; it is there, and nobody else's."""
    port: int
    """Where to listen, if that is over HTTP."""
    behind: tuple[Behind, ...]
    store: str = "off"
    """Where MagicTunnel keeps its catalogue."""

    @property
    def only(self) -> Behind:
        """The one server behind."""
        (found,) = self.behind
        return found

    def config(self, name: str = "config.json", **more: Any) -> str:
        """A file in the `mcpServers` shape that hosts share; the keys in `more` go to every server."""
        servers = {one.alias: entry(one) | more for one in self.behind}
        return self.written(name, {"mcpServers": servers})

    def written(self, name: str, value: Any) -> str:
        """A JSON file; its path."""
        path = self.folder / name
        path.write_text(json.dumps(value), encoding="utf-8")
        return str(path)


def entry(one: Behind) -> dict[str, Any]:
    """A server as hosts configure it."""
    if one.url:
        return {"url": one.url}
    program, *args = one.words
    return {"command": program, "args": args}


@dataclass(frozen=True)
class Launch:
    """How a target is started, and how it is spoken to."""

    words: list[str]
    env: dict[str, str] = field(default_factory=dict)
    path: str = "/mcp"
    is_older: bool = False
    """It speaks HTTP as it was before 2025."""
    prepare: Callable[[], tuple[str, tuple[str, ...]]] | None = None
    """To be done once it listens, such as adding servers; it tells the path and the headers to speak with."""
