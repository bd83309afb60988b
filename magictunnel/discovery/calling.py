"""Calling a tool that was found: through the whole pipeline, as the real caller, once."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from magictunnel.backends.base import Request
from magictunnel.backends.rounds import drive
from magictunnel.catalog.find import find, visible
from magictunnel.catalog.live import LiveCatalog
from magictunnel.catalog.model import Catalog, Entry, Json, Kind
from magictunnel.discovery.asked import Mistake
from magictunnel.discovery.effects import Effect, effect_of
from magictunnel.discovery.usage import Event, Usage
from magictunnel.errors import CallError
from magictunnel.pipeline.call import Call, Handler
from magictunnel.telemetry import call_id
from magictunnel.wire.caller import Caller

_CONTINUED = ("_meta", "task", "inputResponses", "requestState")
"""What of a request belongs to the call that it is made for: where its progress goes, whether it is to be a task, and
answers to what its server asked."""


class Calling:
    """Makes calls for clients."""

    def __init__(self, live: LiveCatalog, handle: Callable[[], Handler], usage: Usage) -> None:
        self._live = live
        self._handle = handle
        self._usage = usage

    @property
    def catalog(self) -> Catalog:
        """What is offered now."""
        return self._live.current

    def known(self, name: str, caller: Caller) -> Entry | None:
        """The tool of that name; None: there is none, or none that `caller` may use."""
        return find(self.catalog, Kind.TOOL, name, caller.allows)

    def named(self, name: str, caller: Caller) -> Entry:
        """The same.

        Raises:
            Mistake: there is none.
        """
        if entry := self.known(name, caller):
            return entry
        near = difflib.get_close_matches(name[:128], [entry.name for entry in self.permitted(caller)][:5_000], n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "find_tools tells names"
        raise Mistake(f"Unknown tool: {name[:128]} ({hint})")

    def server_tool(self, name: str, caller: Caller) -> Entry:
        """The same, of a server.

        Raises:
            Mistake: there is none, or it is one of our own.
        """
        entry = self.named(name, caller)
        if entry.name in self.catalog.guides:
            raise Mistake(f"{name[:128]} is not called through another tool: call it directly")
        return entry

    def permitted(self, caller: Caller) -> list[Entry]:
        """All tools of servers that `caller` may use."""
        return visible(self.catalog, Kind.TOOL, caller.allows)

    async def through(self, effect: Effect, name: str, arguments: Json, request: Request) -> Json:
        """Call a tool by the door for one sort of tools.

        Raises:
            Mistake: there is none of that name, it is of another sort, or one of our own.
            CallError: as a direct call.
        """
        entry = self.server_tool(name, request.caller)
        actual = effect_of(entry.definition)
        if actual is not effect:
            raise Mistake(f"{name} is not for {effect.door}: use {actual.door}")
        self._usage.note(Event.CHOSEN, [entry])
        return await self.call(entry, arguments, request)

    async def call(self, entry: Entry, arguments: Json, request: Request) -> Json:
        """Call `entry` for the caller of `request`; the result as it comes.

        Raises:
            CallError: as a direct call.
        """
        params = {key: request.params[key] for key in _CONTINUED if key in request.params}
        return await self._send(entry, params | {"name": entry.name, "arguments": arguments}, request.caller)

    async def whole(self, entry: Entry, arguments: Json, request: Request) -> Json:
        """The same for whoever cannot come back to a call: what its server asks is put to the caller meanwhile."""
        caller = request.caller

        async def send(params: Json) -> Json:
            return await self._send(entry, params, caller)

        meta = {key: request.params[key] for key in ("_meta",) if key in request.params}
        return await drive(meta | {"name": entry.name, "arguments": arguments}, caller, send)

    async def _send(self, entry: Entry, params: Json, caller: Caller) -> Json:
        call = Call(call_id(), "tools/call", Kind.TOOL, entry.name, params, caller, self.catalog)
        self._usage.note(Event.CALLED, [entry])
        try:
            result = await self._handle()(call)
        except CallError:
            self._usage.note(Event.FAILED, [entry])
            raise
        if result.get("isError"):
            self._usage.note(Event.FAILED, [entry])
        return result
