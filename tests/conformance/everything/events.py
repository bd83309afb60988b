"""What was sent on a stream, kept so that a client that comes back gets what it missed."""

from __future__ import annotations

from collections import OrderedDict

from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp_types import JSONRPCMessage

KEEP = 10_000
"""Events that are remembered; the oldest go first."""


class Events(EventStore):
    """Events by number, over all streams."""

    def __init__(self) -> None:
        self._events: OrderedDict[str, tuple[str, JSONRPCMessage | None]] = OrderedDict()
        self._last = 0

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        """Remember one; returns its id."""
        self._last += 1
        self._events[str(self._last)] = (stream_id, message)
        if len(self._events) > KEEP:
            self._events.popitem(last=False)
        return str(self._last)

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        """Send again what came after an event on its stream; returns that stream, None if it is forgotten."""
        if last_event_id not in self._events:
            return None
        stream = self._events[last_event_id][0]
        for number, (where, message) in list(self._events.items()):
            # What opens a stream carries no message.
            if where == stream and int(number) > int(last_event_id) and message is not None:
                await send_callback(EventMessage(message, number))
        return stream
