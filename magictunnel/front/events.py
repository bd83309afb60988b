"""What a session of the handshake era was sent over HTTP, kept a while: whoever lost its stream takes up from there."""

from __future__ import annotations

import secrets
from typing import Any, NamedTuple

from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import JSONRPCMessage, JSONRPCResponse

from magictunnel.front.exchange import forgetful

MAX_EVENTS = 256
"""Messages that are kept of one session."""
MAX_SIZE = 16 * 1024 * 1024
"""Characters of results that are kept of one session, roughly."""


class _Event(NamedTuple):
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
        event = _Event(f"{self._prefix}-{self._count}", stream_id, message, _size(message))
        self._events.append(event)
        self._size += event.size
        while len(self._events) > MAX_EVENTS or (self._size > MAX_SIZE and len(self._events) > 1):
            self._size -= self._events.pop(0).size
        return event.id

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        """See `EventStore.replay_events_after`. What is not kept any more cannot be taken up."""
        events = tuple(self._events)
        known = next((number for number, event in enumerate(events) if event.id == last_event_id), None)
        if known is None:
            return None
        stream = events[known].stream
        for event in events[known + 1 :]:
            if event.stream == stream and event.message is not None:
                await send_callback(EventMessage(event.message, event.id))
        return stream


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
    """Characters of the texts and blobs in a result: what makes one large."""
    if not isinstance(message, JSONRPCResponse):
        return 0
    parts: list[Any] = [message.result.get(key) for key in ("content", "contents")]
    blocks = [block for part in parts if isinstance(part, list) for block in part if isinstance(block, dict)]
    return sum(len(value) for block in blocks for value in block.values() if isinstance(value, str))
