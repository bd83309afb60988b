"""One connection to a server: a request goes out in one write, and its response comes in piece by piece."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import httptools

from magictunnel.wire.http1.head import Head
from magictunnel.wire.http1.plain import whole

MAX_HEAD = 64 * 1024
"""Bytes that may come without being part of a body: a head, what lies between chunks, what follows the last."""
SMALL = 64 * 1024
"""Bytes of a body that go in one write with its head; of a larger one, so much at a time."""
_MAX_EARLY = 16
"""Responses before the response (100, 103)."""


class Broken(Exception):
    """What the server sent is not HTTP."""


class Receiver(Protocol):
    """Takes one response. Whatever it raises ends the connection, and is told to it by `on_broken`."""

    def on_whole(self, head: Head, body: bytes) -> None:
        """All of it at once, in place of `on_head`, `on_body` and `on_end`; it raises nothing."""
        ...

    def on_head(self, head: Head) -> None: ...

    def on_body(self, chunk: bytes) -> None: ...

    def on_end(self) -> None:
        """It is whole."""
        ...

    def on_broken(self, error: Exception | None) -> None:
        """It will not come, or no further. None: the connection was closed, for all that is known in good order."""
        ...


class Connection(asyncio.Protocol):
    """Kept open from one exchange to the next, as long as nothing about it is odd."""

    def __init__(
        self, on_free: Callable[[Connection], None], on_lost: Callable[[Connection], None], origin: object = None
    ) -> None:
        """`on_free`: told when it can take another request. `on_lost`: told when it never will again. `origin`: what it
        leads to.
        """
        self.origin = origin
        self._on_free = on_free
        self._on_lost = on_lost
        self._transport: Any = None
        self._parser: Any = None
        self._receiver: Receiver | None = None
        self._head = Head()
        self._size_of_head = 0
        self._unread = 0
        """Bytes since the last that meant something."""
        self._early = 0
        self._has_head = False
        self._is_over = False
        """The response is whole."""
        self._is_kept = False
        """After it, the server keeps the connection."""
        self._is_written = False
        """The request is out; before that the connection takes no other, whatever the server has answered."""
        self._is_parsing = False
        """The parser has been given something of this response."""
        self._room: asyncio.Future[None] | None = None
        self._poll: Any = None
        self.idle_since = 0.0
        """Seconds (monotonic)."""

    # --- sending

    def send(self, head: bytes, body: bytes, receiver: Receiver) -> Awaitable[None] | None:
        """Send a request; what becomes of it is told to `receiver`. What is returned ends when all of it is written;
        None: it is.
        """
        self.begin(receiver)
        if len(body) > SMALL:
            return self._send_large(head, body)
        self._transport.write(head + body)
        self._is_written = True
        return None

    def begin(self, receiver: Receiver) -> None:
        """From now on what comes is for `receiver`."""
        self._receiver = receiver
        self._is_written = False
        if self._is_parsing:
            self._is_parsing = False
            self._head = Head()
            self._size_of_head = self._unread = self._early = 0
            self._has_head = self._is_over = self._is_kept = False

    async def _send_large(self, head: bytes, body: bytes) -> None:
        try:
            await self._send_pieces(head, body)
        except asyncio.CancelledError:  # half a request is no use to anybody
            self.close()
            raise
        self._is_written = True
        if self._is_over:
            self._finish()

    async def _send_pieces(self, head: bytes, body: bytes) -> None:
        self._transport.write(head)
        view = memoryview(body)
        for at in range(0, len(body), SMALL):
            if self._room is not None:
                await asyncio.shield(self._room)
            if self.is_closing or self._is_over:  # answered early: the rest is not wanted
                self.close()
                return
            self._transport.write(view[at : at + SMALL])

    # --- its state

    @property
    def is_closing(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    @property
    def is_fresh(self) -> bool:
        """Whether a request can be sent: nobody has closed it, and nothing has come that nobody asked for."""
        if self._receiver is not None or self.is_closing:
            return False
        # What has come that the event loop has not seen yet is, on an idle connection, its end.
        return self._poll is None or not self._poll.poll(0)

    def pause(self) -> None:
        """Read no more for now."""
        if not self.is_closing:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if not self.is_closing:
            self._transport.resume_reading()

    def close(self) -> None:
        """It is of no more use. Whoever still waits for a response is told."""
        if self._transport is not None:
            self._transport.abort()
        self._break(None)

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `BaseProtocol.connection_made`."""
        self._transport = transport
        self._parser = httptools.HttpResponseParser(self)
        found = transport.get_extra_info("socket")
        if found is not None and hasattr(select, "poll"):
            self._poll = select.poll()
            self._poll.register(found.fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        """See `Protocol.data_received`."""
        if self._receiver is None:
            self._end(Broken("something came that nobody asked for"))
            return
        if not self._is_parsing and (found := whole(data)) is not None:
            self._take(self._receiver, *found)
            return
        self._is_parsing = True
        self._unread += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            self._end(error.__context__ if isinstance(error.__context__, Exception) else error)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._end(Broken(f"its response is not HTTP: {error!s:.200}"))
        else:
            if self._unread > MAX_HEAD:
                self._end(Broken("its response has a head without an end"))
            elif self._is_over:
                self._finish()

    def _take(self, receiver: Receiver, head: Head, body: bytes) -> None:
        """A whole response, of which the parser needs to know nothing."""
        self._receiver = None
        if self._is_written and not self.is_closing:
            self._on_free(self)
        else:
            self.close()
        receiver.on_whole(head, body)

    def eof_received(self) -> None:
        """See `Protocol.eof_received`."""
        if self._has_head and self._ends_with_connection:
            self._is_over = True
            self._finish()

    def connection_lost(self, error: Exception | None) -> None:
        """See `BaseProtocol.connection_lost`."""
        self.resume_writing()
        self._on_lost(self)
        self._break(error)

    def pause_writing(self) -> None:
        """See `BaseProtocol.pause_writing`."""
        if self._room is None:
            self._room = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """See `BaseProtocol.resume_writing`."""
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    # --- the parser

    def on_message_begin(self) -> None:
        """A response starts; one at most is for us."""
        if self._is_over:
            raise Broken("it sent more than one response")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A line of the head, or of what follows the body."""
        self._size_of_head += len(name) + len(value)
        if self._size_of_head > MAX_HEAD:
            raise Broken("its response has too large a head")
        if not self._has_head:
            self._head.fields[name.lower()] = value

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._head.status = status = self._parser.get_status_code()
        self._unread = 0
        if status < 100:
            raise Broken("its response has no status")
        if status >= 200 and self._receiver is not None:
            self._has_head = True
            self._receiver.on_head(self._head)

    def on_body(self, chunk: bytes) -> None:
        """A piece of the body."""
        self._unread = 0
        if self._receiver is not None:
            self._receiver.on_body(chunk)

    def on_message_complete(self) -> None:
        """The response is whole, unless it only says that the response will come."""
        if self._head.status < 200:
            self._early += 1
            if self._early > _MAX_EARLY:
                raise Broken("it says again and again that a response will come")
            self._head = Head()
            return
        self._unread = 0
        self._is_over = True
        self._is_kept = self._parser.should_keep_alive()

    # --- the end of an exchange

    @property
    def _ends_with_connection(self) -> bool:
        fields = self._head.fields
        return b"content-length" not in fields and b"transfer-encoding" not in fields

    def _finish(self) -> None:
        """Once the request is out and the response is in, the connection is free again."""
        receiver, self._receiver = self._receiver, None
        if receiver is None:
            self.close()
            return
        # Answered before all of the request was out, it would take what is left of that for another request.
        if self._is_kept and self._is_written and not self.is_closing:
            self._on_free(self)
        else:
            self.close()
        receiver.on_end()

    def _end(self, error: Exception) -> None:
        """Something is odd. What came before it may be a whole response all the same."""
        self._is_kept = False
        if self._is_over:
            self._finish()
            return
        receiver, self._receiver = self._receiver, None
        self.close()
        if receiver is not None:
            receiver.on_broken(error)

    def _break(self, error: Exception | None) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.on_broken(error)
