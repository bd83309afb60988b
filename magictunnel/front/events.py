"""What a session of the handshake era was sent over HTTP, kept a while: whoever lost its stream takes up from there."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, NamedTuple

import anyio
from mcp.server.streamable_http import (
    GET_STREAM_KEY,
    EventCallback,
    EventMessage,
    EventStore,
    StreamableHTTPServerTransport,
)
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import JSONRPCError, JSONRPCMessage, JSONRPCResponse

from magictunnel.front.exchange import forgetful

MAX_EVENTS = 256
"""Messages that are kept of one session."""
MAX_SIZE = 16 * 1024 * 1024
"""Characters of texts in what is kept of one session."""
_BESIDE = 5.0
"""Seconds that a session lives longer for a request which the SDK does not see: it sees all that take more than one
second, and what holds us up comes on top of that.
"""


class _Event(NamedTuple):
    number: int
    id: str
    stream: str
    message: JSONRPCMessage | None
    size: int

    @property
    def is_last(self) -> bool:
        """Whether nothing comes after it on its stream: it answers what that is for."""
        return self.stream != GET_STREAM_KEY and isinstance(self.message, JSONRPCResponse | JSONRPCError)


class Events(EventStore):
    """The last messages of one session."""

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(8)
        self._count = 0
        self._events: list[_Event] = []  # a deque takes more room than most sessions' events
        self._size = 0
        self._stored: anyio.Event | None = None
        """Set with the next message; there while somebody waits for that."""
        self._is_over = False

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        """See `EventStore.store_event`."""
        self._count += 1
        event = _Event(self._count, f"{self._prefix}-{self._count}", stream_id, message, _size(message))
        self._events.append(event)
        self._size += event.size
        while len(self._events) > MAX_EVENTS or (self._size > MAX_SIZE and len(self._events) > 1):
            self._size -= self._events.pop(0).size
        self._wake()
        return event.id

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        """See `EventStore.replay_events_after`. What is not kept any more cannot be taken up.

        The stream of a request is followed here to its answer: the SDK misses what comes before it listens again, and
        goes on listening after the answer. So whoever has taken one up is not sent away from it (`close_sse_stream`).
        """
        known = next((event for event in self._events if event.id == last_event_id), None)
        if known is None or known.is_last:
            return None
        last = known.number
        while not self._is_over:
            for event in [event for event in self._events if event.number > last]:
                last = event.number
                if event.stream == known.stream and event.message is not None:
                    await send_callback(EventMessage(event.message, event.id))
                    if event.is_last:
                        return None
            if last == self._count:
                if known.stream == GET_STREAM_KEY:
                    return known.stream
                self._stored = self._stored or anyio.Event()
                await self._stored.wait()
        return None

    def end(self) -> None:
        """The session is over: nothing comes any more."""
        self._is_over = True
        self._wake()

    def _wake(self) -> None:
        stored, self._stored = self._stored, None
        if stored is not None:
            stored.set()


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

    def touch(self, session_id: str) -> bool:
        """Count a request that is answered beside the SDK as one of its session. False: that is over, or nearly so."""
        transport = self._server_instances.get(session_id)
        idle = transport.idle_scope if transport else None
        if idle is None or idle.cancel_called or self.session_idle_timeout is None:
            return False
        now, whole = asyncio.get_running_loop().time(), self.session_idle_timeout + _BESIDE
        if idle.deadline - now < whole - self.session_idle_timeout / 4:  # it is endless while the SDK sees a request
            idle.deadline = now + whole  # not each time: each takes a timer
        return True

    async def _discard_session(self, session_id: str, transport: StreamableHTTPServerTransport) -> None:
        await super()._discard_session(session_id, transport)
        if isinstance(transport._event_store, Events):
            transport._event_store.end()


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
