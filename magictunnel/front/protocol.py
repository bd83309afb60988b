"""One HTTP connection: hot requests are read and answered here in one go, all else by uvicorn and what runs on it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, NamedTuple

from mcp.shared.exceptions import MCPError
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from magictunnel.catalog.model import Json
from magictunnel.front.carried import Carried, carry
from magictunnel.front.handoff import Door, Handoff
from magictunnel.front.head import Head, end_of, is_unfinished, response, split, trimmed, without_upgrade
from magictunnel.front.hot import Asked, HotRequests, written
from magictunnel.pipeline.clock import Row

_AT_ONCE = 1.0
"""Seconds after which a client of the handshake era gets a stream of events, which it can come back to."""
_JOINED = 64 * 1024
"""Bytes up to which an answer is put together to be sent in one piece."""
logger = logging.getLogger(__name__)

_STATUS = {status.value: f"{status.value} {status.phrase}".encode() for status in HTTPStatus}


class Timers(NamedTuple):
    """What ends when it has lasted too long."""

    slow: Row[Carried]
    """Calls of the handshake era."""
    idle: Row[HotProtocol]
    """Connections without a request."""


def hot_protocol(
    hot: HotRequests, max_body: int, keep_alive: float, handoff: Handoff | None = None
) -> Callable[..., asyncio.Protocol]:
    """What uvicorn makes for each connection. `handoff`: there are several workers. To be called where they are served.

    `keep_alive`: seconds that a connection is kept without a request.
    """
    timers = Timers(Row(_AT_ONCE, Carried.hand_over), Row(keep_alive, HotProtocol.timeout_keep_alive_handler))

    def make(**given: Any) -> asyncio.Protocol:
        return HotProtocol(hot, timers, max_body, handoff, **given)

    return make


class HotProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which sees nothing of a hot request unless something has to be said before its answer."""

    def __init__(
        self,
        hot: HotRequests,
        timers: Timers,
        max_body: int,
        handoff: Handoff | None = None,
        first: bytes = b"",
        **given: Any,
    ) -> None:
        """`first`: what another worker has read of the connection; it is for us."""
        super().__init__(**given)
        self._timers = timers
        self._worker = handoff.worker if handoff else None
        self._door = Door(handoff, self._next_request) if handoff else None
        self._first = first
        self._hot = hot
        self._max_body = max_body
        self._is_reading = False
        """uvicorn is in the middle of a request."""
        self._beginning = b""
        """Of a request whose head has not come whole."""
        self._head: Head | None = None
        self._pieces: list[bytes] = []
        """A request whose body has not come whole; `_head` is its head."""
        self._missing = 0
        self._asked: Asked | None = None
        self._carried: Carried | None = None
        """The hot request that is being answered."""
        self._over: asyncio.Future[None] | None = None
        """Done when uvicorn has answered it instead."""
        self._is_handing_over = False
        self._is_ending = False
        """The connection is to be closed after this answer."""
        self._later: list[bytes] = []
        """What came meanwhile."""
        self._more: tuple[object, bytes] = (None, b"")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """See `asyncio.Protocol.connection_made`."""
        super().connection_made(transport)
        if self._first:
            self._next_request(self._first)
            self._first = b""

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol.data_received`."""
        if self._head is not None:
            self._go_on_reading(data)
        elif self._is_reading:
            super().data_received(data)
        elif self._carried is not None or self._is_busy or self._later:
            self._hold(data)
        elif self._door is None:
            self._next_request(data)
        elif (leaving := self._door.read(data, self.transport)) is not None:
            self._unset_keepalive_if_required()
            task = self.loop.create_task(leaving)
            task.add_done_callback(self.tasks.discard)
            self.tasks.add(task)
        elif self._door.is_in_body:
            self._unset_keepalive_if_required()

    def _next_request(self, data: bytes) -> None:
        """What comes between two requests begins one; its head shows whether it may be hot, once it is whole."""
        data, self._beginning = (
            (self._beginning + data).lstrip(b"\r\n"),
            b"",
        )  # empty lines before a request mean nothing
        if not data:
            return
        if is_unfinished(data):
            self._beginning = data
            self._arm_keep_alive()
            return
        found = split(data)
        if found is None or found[0].length > self._max_body:
            self._pass_on(data, end_of(data))
            return
        self._unset_keepalive_if_required()
        head, body = found
        self._head = head._replace(session=self._worker.inner(head.session)) if self._worker else head
        self._missing = head.length + len(data) - len(body)
        self._go_on_reading(data)

    @property
    def _is_busy(self) -> bool:
        is_answering = bool(self.cycle) and not self.cycle.response_complete
        return self._is_reading or is_answering or bool(self.pipeline)

    def _go_on_reading(self, data: bytes) -> None:
        """Put a request together that may be hot."""
        self._pieces.append(data)
        self._missing -= len(data)
        if self._missing > 0:
            return
        request = b"".join(self._pieces) if len(self._pieces) > 1 else data
        head, self._head = self._head, None
        self._pieces.clear()
        assert head is not None
        body = request[len(request) - head.length :] if self._missing == 0 else b""
        asked = self._hot.asked(head, body) if self._missing == 0 else None
        if asked is None:
            self._pass_on(request, len(request) + self._missing)
            return
        self._asked = asked
        self._carried = carried = Carried(lambda: self._hand_over(request))
        carried.task = task = self.loop.create_task(self._serve(asked, carried))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

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

    def _pass_on(self, data: bytes, end: int) -> None:
        """Have uvicorn read the request that `data` begins with; what comes after its `end` waits for its answer."""
        super().data_received(without_upgrade(data[:end]))
        self._hold(data[end:])
        if not self._is_busy:  # it was no request
            self.loop.call_soon(self._go_on)

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
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """See `HttpToolsProtocol`: uvicorn has read a request."""
        self._is_reading = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """See `HttpToolsProtocol`: uvicorn has answered a request."""
        super().on_response_complete()
        self._settle()
        if self._carried is None:
            self.loop.call_soon(self._go_on)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol.connection_lost`. In the stateless era this is a cancel; in the other it is not."""
        super().connection_lost(exc)
        self._settle()
        carried = self._carried
        if carried is not None and self._asked is not None and self._asked.stateless and not carried.is_handed_over:
            carried.give_up()

    def shutdown(self) -> None:
        """See `HttpToolsProtocol`: end when what is being answered is."""
        if self._carried is None or self._carried.is_handed_over:
            super().shutdown()
        else:
            self._is_ending = True

    def _settle(self) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    async def _serve(self, asked: Asked, carried: Carried) -> None:
        """Answer a request, in one piece or by way of uvicorn."""
        if asked.connection is not None:
            self._timers.slow.add(carried)
        try:
            outcome = await self._hot.answer(asked, carried)
            if carried.is_handed_over:
                await carried.settle(outcome)
            elif not self.transport.is_closing():
                self._respond(asked, outcome)
                if self.flow.write_paused:
                    await self.flow.drain()
        except Exception:
            logger.exception("a request could not be answered")
            self.transport.close()
        finally:
            self._timers.slow.remove(carried)
            self._carried = None
        self._go_on()

    def _respond(self, asked: Asked, outcome: Json | MCPError) -> None:
        status, pieces = written(asked, outcome)
        length = sum(map(len, pieces))
        session = self._worker.outer(asked.session) if self._worker else asked.session
        head = response(_STATUS[status], self._common_headers(), session, length)
        if length <= _JOINED:
            self.transport.write(b"".join((head, *pieces)))
        else:
            for piece in (head, *pieces):
                self.transport.write(piece)
        self.server_state.total_requests += 1

    def _arm_keep_alive(self) -> None:
        self._unset_keepalive_if_required()
        self._timers.idle.add(self)

    def _unset_keepalive_if_required(self) -> None:
        """See `HttpToolsProtocol`, which sets a timer for each request that it has answered."""
        super()._unset_keepalive_if_required()
        self._timers.idle.remove(self)

    def _common_headers(self) -> bytes:
        """The header lines that uvicorn gives all answers; it makes a new list each second."""
        known = self.server_state.default_headers
        if self._more[0] is not known:
            self._more = (known, b"".join(name + b": " + value + b"\r\n" for name, value in known))
        return self._more[1]

    def _go_on(self) -> None:
        """Read on after an answer."""
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
