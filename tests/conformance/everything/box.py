"""What a tool is here, and the shapes of results."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

Json = dict[str, Any]
Context = ServerRequestContext[Any, Any]
Run = Callable[[Context], Awaitable[Json]]

NOTHING: Json = {"type": "object", "properties": {}}
"""The schema of a tool without arguments."""


@dataclass(frozen=True)
class Tool:
    """A tool as it is listed, and what it does: a request in, a raw result out."""

    definition: Json
    run: Run

    @property
    def name(self) -> str:
        return str(self.definition["name"])


@dataclass
class Box:
    """Tools by name, in the order in which they were put in."""

    tools: dict[str, Tool] = field(default_factory=dict)

    def add(self, name: str, description: str, run: Run, schema: Json = NOTHING) -> None:
        """Put a tool in."""
        self.tools[name] = Tool({"name": name, "description": description, "inputSchema": schema}, run)

    def tool(self, name: str, schema: Json = NOTHING) -> Callable[[Run], Run]:
        """Put the decorated function in; its docstring is the description."""

        def put(run: Run) -> Run:
            self.add(name, (run.__doc__ or "").strip(), run, schema)
            return run

        return put


def takes(*required: str, **properties: Json) -> Json:
    """The schema of an object with these properties; the named ones must be there."""
    return {"type": "object", "properties": properties, "required": list(required)}


def said(text: str, **more: Any) -> Json:
    """A tool's result that is one text."""
    return {"content": [{"type": "text", "text": text}]} | more


def stateless(ctx: Context) -> bool:
    """Whether the caller speaks the era in which a server cannot send requests of its own."""
    return ctx.protocol_version in MODERN_PROTOCOL_VERSIONS


def arguments(ctx: Context) -> Json:
    """The arguments of the call."""
    return dict((ctx.params or {}).get("arguments") or {})


def png() -> str:
    """One red pixel, in base64."""
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0\xff\0\0")), (b"IEND", b""))
    body = b"".join(struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + body).decode()


def wav() -> str:
    """A moment of silence, in base64."""
    silence = bytes(8)
    about = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8_000, 16_000, 2, 16)
    data = struct.pack("<4sI", b"data", len(silence)) + silence
    return base64.b64encode(struct.pack("<4sI4s", b"RIFF", 4 + len(about) + len(data), b"WAVE") + about + data).decode()
