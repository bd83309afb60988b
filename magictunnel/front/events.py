"""What a session of the handshake era was sent over HTTP, kept a while: whoever lost its stream takes up from there."""

from __future__ import annotations

import secrets
from typing import Any, NamedTuple

from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import JSONRPCError, JSONRPCMessage, JSONRPCResponse

from magictunnel.front.exchange import forgetful

MAX_EVENTS = 256
"""Messages that are kept of one session."""
MAX_SIZE = 16 * 1024 * 1024
"""Characters of texts in what is kept of one session."""


class _Event(NamedTuple):
    number: int
    id: str
    stream: str
    message: JSONRPCMessage | None
    size: int


class Events(EventStore):
    """The last messages of one session."""

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(8)
        self._count = 0
        self._events: list[_Event] = []  # a deque takes more room than most sessions' events
        self._size = 0

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        """See `EventStore.store_event`."""
        self._count += 1
        event = _Event(self._count, f"{self._prefix}-{self._count}", stream_id, message, _size(message))
        self._events.append(event)
        self._size += event.size
        while len(self._events) > MAX_EVENTS or (self._size > MAX_SIZE and len(self._events) > 1):
            self._size -= self._events.pop(0).size
        return event.id

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        """See `EventStore.replay_events_after`. What is not kept any more cannot be taken up.

        What comes while a client reads is among it: the SDK has nobody else to give that to.
        """
        known = next((event for event in self._events if event.id == last_event_id), None)
        if known is None:
            return None
        last = known.number
        while later := [event for event in self._events if event.number > last]:
            for event in later:
                last = event.number
                if event.stream == known.stream and event.message is not None:
                    await send_callback(EventMessage(event.message, event.id))
        return known.stream


class SessionManager(StreamableHTTPSessionManager):
    """Gives each session events of its own: the SDK names streams by request id, which several sessions share."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.asgi_app = forgetful(self)

    @property
    def event_store(self) -> EventStore:
        """A new one; it is asked for once for each session."""
        return Events()

    @event_store.setter
    def event_store(self, _given: EventStore | None) -> None:
        return


def _size(message: JSONRPCMessage | None) -> int:
    """Characters of all its texts: what makes one large."""
    size, inner = 0, [_content(message)]
    for one in inner:  # which grows meanwhile
        if isinstance(one, str):
            size += len(one)
        elif isinstance(one, dict):
            inner += (*one, *one.values())
        elif isinstance(one, list):
            inner += one
    return size


def _content(message: JSONRPCMessage | None) -> Any:
    if isinstance(message, JSONRPCResponse):
        return message.result
    if isinstance(message, JSONRPCError):
        return [message.error.message, message.error.data]
    return message.params if message else None
