"""Spills: results that are too large to be told whole are kept for a while, as resources to be read."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from secrets import token_urlsafe
from typing import Any

from magictunnel.capabilities.content.media import text_block
from magictunnel.catalog.model import Json
from magictunnel.wire.codec import dumps, loads

MAX_AGE = 3_600.0
"""Seconds."""
MAX_SPILLS = 200
MAX_BYTES = 256 << 20
STRUCTURED = 4
"""Times the limit that `structuredContent` may have: it cannot be cut without breaking its schema."""
_ROOT = "magictunnel://spill/"


@dataclass(frozen=True, slots=True)
class _Spill:
    contents: Sequence[Json]
    size: int
    since: float


class Spills:
    """Keeps them, as many and as long as is bounded; the least recently read one goes first."""

    def __init__(
        self,
        name: str = "",
        *,
        clock: Callable[[], float] = time.monotonic,
        most: int = MAX_SPILLS,
        most_bytes: int = MAX_BYTES,
        age: float = MAX_AGE,
    ) -> None:
        """`name`: stands in the URIs, so that those of several keepers differ. `age`: seconds."""
        self._root = f"{_ROOT}{name}/" if name else _ROOT
        self._clock = clock
        self._most = most
        self._most_bytes = most_bytes
        self._age = age
        self._kept: OrderedDict[str, _Spill] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        """What is large is fitted in a thread."""

    def fit(self, result: Json, limit: int) -> Json:
        """`result` within about `limit` bytes: what does not fit is kept whole, and a `resource_link` says where.

        Of a text that does not fit, the beginning stays. `structuredContent` stays whole up to STRUCTURED times the
        limit; a larger one is kept too, and the result is an error that says so.
        """
        content = result.get("content", [])
        if not _is_content(content):  # another server's, and odd: as it came
            return result
        structured = result.get("structuredContent")
        is_vast = structured is not None and _length(structured) > STRUCTURED * limit
        stays, spilled = _parted(content, limit)
        if not spilled and not is_vast:
            return result
        changed = result | {"content": stays}
        if is_vast:
            changed = {key: value for key, value in changed.items() if key != "structuredContent"} | {"isError": True}
            changed["content"] = [text_block(_too_vast(limit)), *stays]
            spilled = _with(spilled, structured)
        return changed | {"content": [*changed["content"], *self._pointed(spilled)]}

    def read(self, uri: str) -> Json | None:
        """The result of reading it; None if it is not (or no longer) kept."""
        with self._lock:
            self._drop_old()
            spill = self._kept.get(uri)
            if spill is None:
                return None
            self._kept.move_to_end(uri)
        return {"contents": [{"uri": uri} | one for one in spill.contents]}

    def _pointed(self, spilled: Sequence[Json]) -> list[Json]:
        """What tells of the rest, which is kept."""
        contents = [_resource(block) for block in spilled]
        size = sum(map(_size, spilled))
        if size > self._most_bytes:
            return [text_block(f"[The whole ({size:,} bytes) is more than is kept: ask for less.]")]
        uri = self._keep(contents, size)
        says = f"The whole result ({size:,} bytes), kept for a while: read it with resources/read."
        link = {"type": "resource_link", "uri": uri, "name": "whole-result", "description": says, "size": size}
        kind = contents[0].get("mimeType")
        note = text_block(f"[This is not all: {size:,} bytes are at {uri}, to be read as a resource.]")
        return [note, link | ({"mimeType": kind} if kind else {})]

    def _keep(self, contents: Sequence[Json], size: int) -> str:
        uri = self._root + token_urlsafe(24)
        with self._lock:
            self._drop_old()
            self._kept[uri] = _Spill(contents, size, self._clock())
            self._bytes += size
            while len(self._kept) > self._most or self._bytes > self._most_bytes:
                self._drop(next(iter(self._kept)))
        return uri

    def _drop_old(self) -> None:
        oldest = self._clock() - self._age
        for uri in [uri for uri, spill in self._kept.items() if spill.since < oldest]:
            self._drop(uri)

    def _drop(self, uri: str) -> None:
        self._bytes -= self._kept.pop(uri).size


def _parted(content: Sequence[Json], limit: int) -> tuple[list[Json], list[Json]]:
    """What of it stays, and the blocks that are kept elsewhere (of a text that is cut, the whole)."""
    stays: list[Json] = []
    spilled: list[Json] = []
    room = limit
    for block in content:
        size = _size(block)
        if size <= room:
            stays.append(block)
            room -= size
            continue
        spilled.append(block)
        if block.get("type") == "text" and (beginning := _beginning(_inner(block) or "", room)):
            stays.append(block | {"text": beginning})
            room = 0
    return stays, spilled


def _is_content(content: Any) -> bool:
    return isinstance(content, list) and all(isinstance(block, dict) for block in content)


def _size(block: Json) -> int:
    """Bytes, of what is in it."""
    value = _inner(block)
    return _length(block) if value is None else len(value.encode("utf-8", "surrogatepass"))


def _inner(block: Json) -> str | None:
    """The one text or base64 that a block is about; None: it is another sort of block."""
    match block:
        case {"type": "text", "text": str(value)} | {"type": "json", "text": str(value)}:
            return value
        case {"type": "image" | "audio", "data": str(value)}:
            return value
        case {"type": "resource", "resource": {"text": str(value)} | {"blob": str(value)}}:
            return value
    return None


def _length(value: Any) -> int:
    """Bytes of it as JSON; 0 for what cannot be written, which whoever is to write it will say."""
    try:
        return len(dumps(value))
    except ValueError:
        return 0


def _beginning(text: str, room: int) -> str:
    """As much of it as `room` bytes hold: whole lines, unless they are long."""
    if room <= 0:
        return ""
    cut = text.encode("utf-8", "surrogatepass")[:room].decode("utf-8", "ignore")
    end = cut.rfind("\n")
    return cut[:end] if end > len(cut) // 2 else cut


def _resource(block: Json) -> Json:
    """A block as content of a resource, but for its URI."""
    value = _inner(block)
    match block.get("type") if value is not None else None:
        case "text":
            return {"mimeType": "text/plain", "text": value}
        case "image" | "audio":
            return {"mimeType": block.get("mimeType", "application/octet-stream"), "blob": value}
        case "resource":
            return {key: inner for key, inner in block["resource"].items() if key != "uri"}
        case "json":
            return {"mimeType": "application/json", "text": value}
    return {"mimeType": "application/json", "text": dumps(block).decode()}


def _with(spilled: Sequence[Json], structured: Any) -> list[Json]:
    """What is kept, and JSON that is, unless it is among it as text already."""
    others = [block for block in spilled if not _is_same(_inner(block) or "", structured)]
    return [{"type": "json", "text": json.dumps(structured, ensure_ascii=False)}, *others]


def _is_same(text: str, structured: Any) -> bool:
    try:
        return bool(loads(text.encode("utf-8", "surrogatepass")) == structured)
    except ValueError:
        return False


def _too_vast(limit: int) -> str:
    return (
        f"The result is too large to be given as JSON: more than {STRUCTURED * limit:,} bytes. Ask for less, read the "
        "whole of it as the resource named below, or raise `spill` of the tool."
    )
