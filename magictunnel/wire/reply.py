"""One response to a message of ours: whole, or as a stream of messages up to the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import NamedTuple, Protocol

from mcp.shared.exceptions import MCPError

from magictunnel.catalog.model import Json
from magictunnel.wire.base import Number, Waiting
from magictunnel.wire.http1.address import Address
from magictunnel.wire.http1.connection import Connection
from magictunnel.wire.http1.head import Head
from magictunnel.wire.http1.sse import EventParser, EventTooLarge
from magictunnel.wire.verdict import EVENTS_TYPE, broken, is_answer, parsed, unreadable

MAX_ANSWER = 64 * 1024 * 1024
"""Bytes in one answer."""
TOO_LARGE = "the answer is larger than 64 MiB"
CUT_OFF = "the answer was cut off"
LINGER = 0.5
"""Seconds that a server has to end a stream on which it has answered, so that its connection can be used again."""
_LINGERED = 64 * 1024
"""Bytes that it may still send there."""
_MANY = 256
"""Messages of one stream that may wait to be dealt with; while there are more, nothing is read from it."""


class Whole(NamedTuple):
    """A response that is no stream of events."""

    head: Head
    body: bytes


class Ended(NamedTuple):
    """A stream of events that ended without an answer, and how it is taken up again."""

    last_id: str
    retry: float | None
    has_said: bool
    """Something came on it."""


_NO_HEAD = Head()

Outcome = Json | MCPError | Whole | Ended
"""What becomes of it; a Json is the answer that came on a stream."""


class Sent(NamedTuple):
    """A request as it went out."""

    method: str
    fields: Mapping[str, str]
    body: bytes


class Taker(Protocol):
    """Whoever is told what comes before the answer."""

    def take(self, message: Json, reply: Reply) -> None:
        """A notification or a question has come, or (where none is awaited) an answer."""
        ...

    def is_astray(self, message: Json, reply: Reply) -> bool:
        """Whether an answer on this stream is that to another request which is under way."""
        ...

    def give(self, reply: Reply, outcome: Outcome) -> bool:
        """Have `Reply.waiting` take the outcome in this very step, or else await it from now on."""
        ...

    def drop(self, reply: Reply, *, is_answered: bool) -> None:
        """Nobody waits for this one any more, and it is over."""
        ...


class Reply:
    """Takes one response for whoever awaits `outcome`. See `Receiver`. Every call makes one; most need little of it."""

    head = _NO_HEAD
    connection: Connection | None = None
    address: Address | None = None
    waiting: Waiting | None = None
    """Whoever is given the outcome at once, instead of awaiting it."""
    _size = 0
    _body = b""
    _more: BytesIO | None = None
    """All of the body, once it has come in more than one piece. It gives its bytes without another copy."""
    _events: EventParser | None = None
    _has_said = False
    _is_answered = False
    found: Json | MCPError | None = None
    """What became of it in another way, perhaps while it had no stream: whoever takes that up again looks here."""
    sent: Sent | None = None
    """The request, if its answer is awaited by nobody yet."""
    _outcome: asyncio.Future[Outcome] | None = None
    _waiting = 0
    _is_paused = False
    _linger: asyncio.TimerHandle | None = None

    def __init__(self, taker: Taker, number: Number, *, is_modern: bool = False, note: Callable[[Head], None]) -> None:
        """`number`: of the request that is to be answered; None: a stream of news."""
        self.number = number
        self.is_modern = is_modern
        self._taker = taker
        self.note = note
        """Told of each head."""

    @property
    def outcome(self) -> asyncio.Future[Outcome]:
        """What becomes of it; made when somebody wants to know, for nobody does who is given it."""
        if self._outcome is None:
            self._outcome = asyncio.get_running_loop().create_future()
        return self._outcome

    def renew(self) -> None:
        """Take another response, after one that was not the answer."""
        self._outcome = None
        self.head = _NO_HEAD
        self._body, self._more = b"", None
        self._size = 0
        self._events = None
        self._has_said = False

    @property
    def is_abandoned(self) -> bool:
        """Nobody waits for it any more."""
        return self._outcome is not None and self._outcome.cancelled()

    @property
    def is_read_on(self) -> bool:
        """Nobody waits for it any more, but it may still come."""
        return self.is_abandoned and self.connection is not None

    def abandon(self) -> None:
        """Nobody waits any more. What still comes is read, so that it is known for what it is."""
        self.outcome.cancel()

    def answer(self, message: Json) -> None:
        """The answer has come in another way."""
        self.found = message
        self._settle(message)
        self.close()

    def end(self, error: MCPError) -> None:
        """It is not wanted any more: its connection is closed, and whoever waits gets `error`."""
        self.found = self.found or error
        if not self.outcome.done():
            self._settle(error)
        self.close()

    def close(self) -> None:
        """Close its connection."""
        if self.connection is not None:
            self.connection.close()

    # --- Receiver

    def on_whole(self, head: Head, body: bytes) -> None:
        """See `Receiver.on_whole`."""
        self.head = head
        self.note(head)
        self.connection = None
        self._settle(Whole(head, body) if len(body) <= MAX_ANSWER else broken(TOO_LARGE))

    def on_head(self, head: Head) -> None:
        """See `Receiver.on_head`."""
        self.head = head
        self.note(head)
        if head.status < 300 and head.status != 202 and head.content_type.startswith(EVENTS_TYPE):
            self._events = EventParser(MAX_ANSWER)
        elif int(head.fields.get(b"content-length") or 0) > MAX_ANSWER:
            raise EventTooLarge

    def on_body(self, chunk: bytes) -> None:
        """See `Receiver.on_body`."""
        if self._is_answered:
            self._size += len(chunk)
            if self._size > _LINGERED:
                self.close()
        elif self._events is not None:
            self._has_said = True
            for event in self._events.feed(chunk):
                if event.kind == "message" and not self._is_answered:
                    self._heard(event.data)
        else:
            self._size += len(chunk)
            if self._size > MAX_ANSWER:
                raise EventTooLarge
            self._add(chunk)

    def _add(self, chunk: bytes) -> None:
        if self._more is not None:
            self._more.write(chunk)
        elif self._body:
            self._more = BytesIO()
            self._more.write(self._body)
            self._more.write(chunk)
        else:
            self._body = chunk

    def on_end(self) -> None:
        """See `Receiver.on_end`."""
        self._let_go()
        if self._events is not None:
            self._settle(self._ended(self._events))
        else:
            self._settle(Whole(self.head, self._body if self._more is None else self._more.getvalue()))

    def on_broken(self, error: Exception | None) -> None:
        """See `Receiver.on_broken`."""
        self._let_go()
        if isinstance(error, EventTooLarge):
            self._settle(broken(TOO_LARGE))
        elif self._events is not None:
            self._settle(self._ended(self._events))
        else:
            self._settle(broken(CUT_OFF))

    def _let_go(self) -> None:
        """The connection is somebody else's from now on."""
        if self._is_paused and self.connection is not None:
            self.connection.resume()
        self._is_paused = False
        self.connection = None
        if self._linger is not None:
            self._linger.cancel()

    def _ended(self, events: EventParser) -> Ended:
        return Ended(events.last_id, events.retry, self._has_said)

    def _settle(self, outcome: Outcome) -> None:
        if self._is_answered:
            return
        if self.waiting is not None and self._taker.give(self, outcome):
            self.waiting, self._is_answered = None, True
        elif not self.outcome.done():
            self.outcome.set_result(outcome)
        elif self.is_abandoned:
            self._is_answered = True
            is_answer_of_its_own = isinstance(outcome, dict) or (
                isinstance(outcome, Whole) and outcome.head.status == 200
            )
            self._taker.drop(self, is_answered=is_answer_of_its_own)

    # --- messages

    def _heard(self, data: bytes) -> None:
        try:
            message = parsed(data)
        except ValueError as error:
            if self.number is not None:
                self._answered(unreadable("SSE message", error))
            return
        if self.number is not None and is_answer(message) and not self._taker.is_astray(message, self):
            self._answered(message)
        else:
            self._taker.take(message, self)

    def _answered(self, outcome: Outcome) -> None:
        """Whatever else the stream would bring is for nobody; it is given a moment to end."""
        self._settle(outcome)
        self._is_answered = True
        self._size = 0
        if self.connection is not None:
            self._linger = asyncio.get_running_loop().call_later(LINGER, self.close)

    def waits(self) -> None:
        """A message of this stream is being dealt with."""
        self._waiting += 1
        if self._waiting > _MANY and not self._is_paused and self.connection is not None:
            self._is_paused = True
            self.connection.pause()

    def is_dealt_with(self) -> None:
        """One of those is."""
        self._waiting -= 1
        if self._is_paused and self._waiting <= _MANY // 2:
            self._is_paused = False
            if self.connection is not None:
                self.connection.resume()
