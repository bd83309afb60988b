"""One HTTP connection: hot requests are read and answered here in one go, all else by uvicorn and what runs on it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextvars import copy_context
from http import HTTPStatus
from time import monotonic
from typing import Any, NamedTuple

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from magictunnel.catalog.model import Json
from magictunnel.front.carried import Carried, carry
from magictunnel.front.handoff import Handoff
from magictunnel.front.head import CommonLines, is_sound, response, trimmed, without_upgrade
from magictunnel.front.hot import Asked, HotCall, HotRequests, written
from magictunnel.front.reader import Request, RequestReader
from magictunnel.front.short import ShortWay
from magictunnel.pipeline.clock import Row
from magictunnel.wire.codec import Text
from magictunnel.wire.messages import result_line

_AT_ONCE = 1.0
"""Seconds after which a client of the handshake era gets a stream of events, which it can come back to."""
_BUSY = float("inf")
_JOINED = 64 * 1024
"""Bytes up to which an answer is put together to be sent in one piece."""
logger = logging.getLogger(__name__)

_STATUS = {status.value: f"{status.value} {status.phrase}".encode() for status in HTTPStatus}


class Shared(NamedTuple):
    """What all connections have together."""

    hot: HotRequests
    slow: Row[Carried]
    """Calls of the handshake era that will be handed over when they have lasted too long."""
    idle: Row[HotProtocol]
    """Connections, each to be looked at when it may have been without a request for too long."""
    keep_alive: float
    """Seconds that a connection is kept without a request."""
    common: CommonLines
    max_body: int
    handoff: Handoff | None = None
    """There are several workers."""


def hot_protocol(
    hot: HotRequests, max_body: int, keep_alive: float, handoff: Handoff | None = None
) -> Callable[..., asyncio.Protocol]:
    """What uvicorn makes for each connection. `handoff`: there are several workers. To be called where they are served.

    `keep_alive`: seconds that a connection is kept without a request.
    """
    slow = Row(_AT_ONCE, Carried.hand_over)
    idle: Row[HotProtocol] = Row(keep_alive, HotProtocol.rested)
    shared = Shared(hot, slow, idle, keep_alive, CommonLines(), max_body, handoff)

    def make(**given: Any) -> asyncio.Protocol:
        return HotProtocol(shared, **given)

    return make


class _Call(HotCall):
    """A call that needs no task so far."""

    __slots__ = ("_asked", "_protocol", "_request")

    def __init__(self, protocol: HotProtocol, way: ShortWay, asked: Asked, request: bytes) -> None:
        self._way = way
        self._protocol = protocol
        self._asked = asked
        self._request = request

    def written(self, result: Json) -> tuple[int, tuple[Text, ...]] | None:
        """See `ShortCall.written`."""
        return None if self._protocol.flow.write_paused else (200, result_line(self._asked.number, result))

    def give(self, written: tuple[int, tuple[Text, ...]]) -> None:
        """See `ShortCall.give`."""
        self._protocol.give(self._asked, self, written)

    def go_on(self) -> None:
        """See `Begun.go_on`."""
        self._protocol.serve(self._asked, self._request, self).add_done_callback(self.ended)

    def late(self) -> None:
        """See `Begun.late`. A client of the handshake era can come back to a stream of events."""
        self.promote()
        if not self._asked.stateless:
            self._protocol.hand_over()

    def client_gone(self) -> None:
        """See `HotCall.client_gone`."""
        self.promote()
        self._protocol.give_up()


class BadHead(Exception):
    """A request has a head that is answered with 400."""


class HotProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which sees nothing of a hot request unless something has to be said before its answer."""

    def __init__(self, shared: Shared, first: bytes = b"", **given: Any) -> None:
        """`first`: what another worker has read of the connection; it is for us."""
        super().__init__(**given)
        self._shared = shared
        self._handoff = handoff = shared.handoff
        self._worker = handoff.worker if handoff else None
        self._reader = handoff.reader() if handoff else RequestReader(shared.max_body)
        self._first = first
        self._is_reading = False
        """uvicorn is in the middle of a request."""
        self._missing = 0
        """Bytes of it that uvicorn has not been given, if that is known."""
        self._asked: Asked | None = None
        self._call: HotCall | None = None
        self._carried: Carried | None = None
        """The hot request that is being answered, without and with a task."""
        self._over: asyncio.Future[None] | None = None
        """Done when uvicorn has answered it instead."""
        self._is_handing_over = False
        self._rests_since = _BUSY
        """Since when it has been without a request (monotonic seconds)."""
        self._is_in_head = False  # whether something of the next request has come since
        self._is_timed = False
        """Whether that is going to be looked at."""
        self._context = copy_context()
        """In which the connection is read."""
        self._is_ending = False
        """The connection is to be closed after this answer."""
        self._later: list[bytes] = []
        """What came meanwhile."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """See `asyncio.Protocol.connection_made`."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(0)  # uvloop then writes at once, not at the end of the step
        first, self._first = self._first, b""
        if first and (request := self._reader.take(first)) is not None:
            self._begin(request)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol.data_received`."""
        if self._is_reading:
            self._read_on(data)
        elif self._call is not None or self._carried is not None or self._later or self._is_busy:
            self._hold(data)
        elif (request := self._reader.take(data)) is None:
            self._wait()
        elif self._handoff is None:
            self._begin(request)
        else:
            self._sort(self._handoff, request)

    @property
    def _is_busy(self) -> bool:
        is_answering = bool(self.cycle) and not self.cycle.response_complete
        return self._is_reading or is_answering or bool(self.pipeline)

    def _wait(self) -> None:
        """A head may take as long as the pause before it."""
        if self._reader.is_in_body:
            self._unset_keepalive_if_required()
        elif not self._is_in_head:
            self._is_in_head = True
            self._arm_keep_alive()

    def _sort(self, handoff: Handoff, request: Request) -> None:
        """Have a request answered by the worker that it belongs to."""
        leaving = handoff.leaving(request, self.transport, self._begin)
        if leaving is None:
            self._begin(request)
            return
        self._unset_keepalive_if_required()
        task = self.loop.create_task(leaving)
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def _begin(self, request: Request) -> None:
        """Have a request answered, here if it is hot."""
        data, body, end, head, missing = request
        asked = None
        if head is not None and end == len(data):
            self._unset_keepalive_if_required()
            if self._worker is not None:
                head = head._replace(session=self._worker.inner(head.session))
            asked = self._shared.hot.asked(head, data[body:])
        if asked is None:
            self._missing = missing
            self._pass_on(without_upgrade(data[:end]), data[end:])
            return
        self._asked = asked
        call = _Call(self, self._shared.hot.short, asked, data)
        if self._shared.hot.begin(asked, call):
            self._call = call
        else:
            self.serve(asked, data)

    def serve(self, asked: Asked, request: bytes, begun: HotCall | None = None) -> asyncio.Task[None]:
        """Have a request answered in a task; `begun`: what it has led to already."""
        self._call = None
        self._carried = carried = Carried(lambda: self._hand_over(request))
        carried.task = task = self.loop.create_task(self._serve(asked, carried, begun), context=self._context.copy())
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)
        return task

    def give(self, asked: Asked, call: HotCall, written: tuple[int, tuple[Text, ...]]) -> None:
        """Answer a request that was begun."""
        if not self.transport.is_closing():
            self._respond(asked, *written)
        self._shared.hot.over(asked, call)
        if self.flow.write_paused:
            task = self.loop.create_task(self._drained())
            task.add_done_callback(self.tasks.discard)
            self.tasks.add(task)
            return
        self._call = None
        if self._later:  # not in the step of a server, which whatever comes of that must not harm
            self.loop.call_soon(self._go_on, context=self._context.copy())
        else:
            self._go_on()

    async def _drained(self) -> None:
        """Go on once the client has read its answer."""
        await self.flow.drain()
        self._call = None
        self._go_on()

    def hand_over(self) -> None:
        """Have the SDK answer the request that is being answered."""
        if self._carried is not None:
            self._carried.hand_over()

    def give_up(self) -> None:
        """Nobody waits for the request that is being answered; it is to have begun, so that its server is told."""
        if self._carried is not None:
            self.loop.call_soon(self._carried.give_up)

    def _hand_over(self, request: bytes) -> asyncio.Future[None]:
        """Have uvicorn read and answer the request after all."""
        self._over = self.loop.create_future()
        if self.transport.is_closing():
            self._over.set_result(None)
            return self._over
        self._is_handing_over = True
        super().data_received(without_upgrade(request))
        self._is_handing_over = False
        return self._over

    def _pass_on(self, own: bytes, rest: bytes) -> None:
        """Have uvicorn read what is its `own`; the `rest` waits for its answer."""
        super().data_received(own)
        self._hold(rest)
        if not self._is_busy:  # it was no request, or is answered already
            self.loop.call_soon(self._go_on)

    def _read_on(self, data: bytes) -> None:
        """Have uvicorn read on, but not into the next request, if it is known where that begins."""
        own = min(self._missing, len(data)) or len(data)
        self._missing -= min(self._missing, own)
        self._pass_on(data[:own], data[own:])

    def _hold(self, data: bytes) -> None:
        """Keep what belongs to the next request until this one is answered."""
        if data:
            self._later.append(data)
            self.transport.pause_reading()

    def on_message_begin(self) -> None:
        """See `HttpToolsProtocol`: uvicorn has begun to read a request."""
        super().on_message_begin()
        self._is_reading = True
        if self._is_handing_over and self._carried is not None:
            carry(self.scope, self._carried)  # type: ignore[arg-type]

    def on_headers_complete(self) -> None:
        """See `HttpToolsProtocol`."""
        self.headers[:] = trimmed(self.headers)
        if not is_sound(self.headers, self.parser.get_http_version()):
            raise BadHead
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """See `HttpToolsProtocol`: uvicorn has read a request."""
        self._is_reading = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """See `HttpToolsProtocol`: uvicorn has answered a request."""
        super().on_response_complete()
        self._settle()
        if self._carried is not None and self._carried.is_handed_over:
            self._carried = None  # it may go on for long, and be taken up on any connection, this one included
        if self._carried is None:
            self.loop.call_soon(self._go_on)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol.connection_lost`. In the stateless era this is a cancel; in the other it is not."""
        super().connection_lost(exc)
        self._shared.idle.remove(self)
        self._settle()
        one = self._call or self._carried
        if one is not None and self._asked is not None and self._asked.stateless:
            one.client_gone()

    def shutdown(self) -> None:
        """See `HttpToolsProtocol`: end when what is being answered is."""
        is_handed_over = self._carried is None or self._carried.is_handed_over
        if self._call is None and is_handed_over:
            super().shutdown()
        else:
            self._is_ending = True

    def _settle(self) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    async def _serve(self, asked: Asked, carried: Carried, begun: HotCall | None) -> None:
        """Answer a request, in one piece or by way of uvicorn."""
        if asked.connection is not None:
            self._shared.slow.add(carried)
        try:
            outcome = await self._shared.hot.answer(asked, carried, begun)
            if carried.is_handed_over:
                await carried.settle(outcome)
            elif not self.transport.is_closing():
                self._respond(asked, *written(asked, outcome))
                if self.flow.write_paused:
                    await self.flow.drain()
        except Exception:
            logger.exception("a request could not be answered")
            self.transport.close()
        finally:
            self._shared.slow.remove(carried)
            is_current = self._carried is carried
            if is_current:
                self._carried = None
        if is_current:
            self._go_on()

    def _respond(self, asked: Asked, status: int, pieces: tuple[Text, ...]) -> None:
        length = sum(map(len, pieces))
        session = self._worker.outer(asked.session) if self._worker else asked.session
        common = self._shared.common.of(self.server_state.default_headers)
        head = response(_STATUS[status], common, session, length)
        if length <= _JOINED:
            self.transport.write(b"".join((head, *pieces)))
        else:
            for piece in (head, *pieces):
                self.transport.write(piece)
        self.server_state.total_requests += 1

    def _arm_keep_alive(self) -> None:
        self._rests_since = monotonic()
        if not self._is_timed:
            self._is_timed = True
            self._shared.idle.add(self)

    def rested(self) -> None:
        """It may have been without a request for as long as it is kept so."""
        self._is_timed = False
        left = self._rests_since + self._shared.keep_alive - monotonic()
        if left <= 0:
            self.timeout_keep_alive_handler()
        elif left != _BUSY:
            self._is_timed = True
            self.loop.call_later(left, self.rested)

    def _unset_keepalive_if_required(self) -> None:
        """See `HttpToolsProtocol`, which sets a timer for each request that it has answered."""
        self._rests_since = _BUSY
        self._is_in_head = False
        if self.timeout_keep_alive_task is not None:
            super()._unset_keepalive_if_required()

    def _go_on(self) -> None:
        """Read on after an answer."""
        if self._call is not None or self._carried is not None:
            return
        if self._is_ending:
            self.transport.close()
        if self.transport.is_closing() or self._is_busy:
            return
        self._arm_keep_alive()
        if not self._later:
            return
        later = b"".join(self._later)
        self._later.clear()
        self.transport.resume_reading()
        self.data_received(later)
