"""Calls of other servers' tools by a tool of a file: through the whole pipeline, as its own caller, once."""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from itertools import islice

from magictunnel.backends.base import Request
from magictunnel.backends.rounds import drive
from magictunnel.catalog.find import find, visible
from magictunnel.catalog.live import LiveCatalog
from magictunnel.catalog.model import Json, Kind
from magictunnel.errors import RunError
from magictunnel.pipeline.call import Call, Handler
from magictunnel.telemetry import call_id

MAX_DEPTH = 8
"""Tools that call each other, one within the other."""

_depth: ContextVar[int] = ContextVar("depth", default=0)


class Making:
    """Makes calls for tools of files."""

    def __init__(
        self, live: LiveCatalog, handle: Callable[[], Handler], settled: Callable[[], Awaitable[None]]
    ) -> None:
        """`handle`: the whole pipeline. `settled`: waits until servers that are starting have said what they offer."""
        self._live = live
        self._handle = handle
        self._settled = settled

    async def __call__(self, name: str, arguments: Json, request: Request) -> Json:
        """The result of the tool of that public name, called for the caller of `request`.

        Raises:
            RunError: there is none that this caller may use, or it calls itself without end.
            CallError: as a direct call.
        """
        caller = request.caller
        if find(self._live.current, Kind.TOOL, name, caller.allows) is None:
            await self._settled()
        catalog = self._live.current
        entry = find(catalog, Kind.TOOL, name, caller.allows)
        if entry is None:
            raise _unknown(name, (one.name for one in visible(catalog, Kind.TOOL, caller.allows)))
        if _depth.get() >= MAX_DEPTH:
            raise RunError(f"{name} is called by tools that call each other more than {MAX_DEPTH} deep")

        async def send(params: Json) -> Json:
            return await self._handle()(Call(call_id(), "tools/call", Kind.TOOL, entry.name, params, caller, catalog))

        meta = {key: request.params[key] for key in ("_meta",) if key in request.params}
        token = _depth.set(_depth.get() + 1)
        try:
            return await drive(meta | {"name": entry.name, "arguments": arguments}, caller, send)
        finally:
            _depth.reset(token)


def _unknown(name: str, known: Iterable[str]) -> RunError:
    near = difflib.get_close_matches(name[:128], islice(known, 5_000), n=3)
    return RunError(f"there is no tool {name[:128]!a}", hint=f"did you mean {' or '.join(near)}?" if near else "")
