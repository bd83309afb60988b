"""JSON-RPC with whoever is at the other end of two pipes, both ways: futures by id, and no model on the way."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import nullcontext
from contextvars import Context, copy_context
from itertools import count
from typing import Any, Protocol

from mcp.shared.dispatcher import CallOptions, coerce_request_id
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED, PARSE_ERROR, REQUEST_TIMEOUT, RequestId

from magictunnel.catalog.model import Json
from magictunnel.wire.asked import Asked
from magictunnel.wire.base import Waiting
from magictunnel.wire.begun import Begun
from magictunnel.wire.codec import Text, answered_number
from magictunnel.wire.codec import message as message_of
from magictunnel.wire.endpoint import CANCELLED, Endpoint
from magictunnel.wire.messages import (
    Unsent,
    error_line,
    error_of_answer,
    is_answerable,
    key_of,
    notification_line,
    request_line,
    result_line,
)

MAX_AT_ONCE = 4_096
"""Requests of the other side that are handled at a time; while there are more, it is not read."""

_FOREVER = nullcontext()

logger = logging.getLogger(__name__)

Take = Callable[[Asked], Awaitable[Json] | None]
"""Answers a request of the other side, or returns None to leave it to whoever runs the connection."""


class Outlet(Protocol):
    """Where lines go."""

    @property
    def is_full(self) -> bool: ...

    def write(self, *pieces: Text) -> None: ...

    async def drained(self) -> None: ...


class Inlet(Protocol):
    """Where lines come from."""

    def pause(self, is_paused: bool, /) -> None: ...


class Peer(Endpoint):
    """See `mcp.shared.dispatcher.Dispatcher`. Whoever reads the other pipe gives each line to `received`."""

    def __init__(
        self,
        outlet: Outlet,
        *,
        on_junk: Callable[[bytes], None],
        take: Take = lambda _asked: None,
        begin: Callable[[Asked], Begun | None] = lambda _asked: None,
        inline: frozenset[str] = frozenset(),
    ) -> None:
        """`on_junk`: told of each line that is no message. `inline`: requests that hold up what comes after them.

        `begin`: begins a request for which no task is needed yet; what is begun is answered by `give`, or goes on.
        """
        super().__init__()
        self._outlet = outlet
        self._on_junk = on_junk
        self._take = take
        self._begin = begin
        self._inline = inline
        self._numbers = count(1)
        self._pending: dict[RequestId, asyncio.Future[Json]] = {}
        self._begun: dict[RequestId, Waiting] = {}
        """Requests whose answers are not awaited."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._in_flight: dict[RequestId | None, Asked] = {}
        self._early: deque[Json] = deque()
        self._is_held = True
        """Whether what comes has to wait: nobody runs this yet, or something before it comes first."""
        self.inlet: Inlet | None = None
        """What reads the other pipe; without it, it is never told to wait."""
        self._context: Context | None = None
        """In which the other pipe is read."""
        self._is_eased = False
        """Whether it is told to wait."""

    def end(self) -> None:
        """The other side is gone, or is to be heard no more: whoever waits for an answer of it hears so."""
        # Before those who wait hear of it: whoever tries again at once must not be given this connection.
        super().end()
        for waiting in (*self._begun.values(), *(asked.begun for asked in self._in_flight.values() if asked.begun)):
            waiting.promote()
        for future in self._pending.values():
            if not future.done():
                future.set_exception(_closed())
                future.exception()  # whoever waited may have gone
        self._in_flight.clear()  # what has not begun by now never says that it has ended

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        """See `Outbound.send_raw_request`.

        Raises:
            MCPError: the other side's own error; `CONNECTION_CLOSED` if it is gone.
            BadParams: it cannot be written. Nothing was sent.
        """
        opts = opts or {}
        if self.is_closed:
            raise _closed()
        number = opts.get("request_id")
        if number is None:
            number = next(self._numbers)
        key = number if type(number) is int else coerce_request_id(number)
        if key in self._pending:
            raise ValueError(f"request id {number!r} is already in flight")
        line = request_line(number, method, params)
        future = self._expect(key)
        seconds, is_sent = opts.get("timeout"), False
        try:
            async with _FOREVER if seconds is None else asyncio.timeout(seconds):
                if self._outlet.is_full:
                    await self._outlet.drained()
                is_sent = not self.is_closed  # if it is, the future says so
                if is_sent:
                    self._outlet.write(line)
                return await future
        except (asyncio.CancelledError, TimeoutError) as error:
            if is_sent and opts.get("cancel_on_abandon", True) and not self.is_closed:
                self._outlet.write(notification_line(CANCELLED, {"requestId": number, "reason": "not waited for"}))
            if isinstance(error, TimeoutError):
                raise MCPError(code=REQUEST_TIMEOUT, message=f"Request {method!r} timed out") from None
            raise
        finally:
            self._pending.pop(key, None)

    def _expect(self, key: RequestId) -> asyncio.Future[Json]:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        future: asyncio.Future[Json] = self._loop.create_future()
        self._pending[key] = future
        return future

    def begin(self, number: int, method: str, params: Json, headers: Mapping[str, str], waiting: Waiting) -> bool:
        """See `Wire.begin`."""
        del headers
        if self.is_closed or self.is_ending or self._outlet.is_full:
            return False
        line = request_line(number, method, params)
        self._begun[number] = waiting
        self._outlet.write(line)
        return True

    def keep(self, number: int) -> None:
        """See `Wire.keep`."""
        if self._begun.pop(number, None) is not None:
            self._expect(number)

    async def awaited(self, number: int) -> Json:
        """See `Wire.awaited`."""
        try:
            return await self._pending[number]
        finally:
            self._pending.pop(number, None)

    def abandon(self, number: int) -> None:
        """See `Wire.abandon`."""
        if (future := self._pending.pop(number, None)) is not None:
            future.cancel()

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        """See `Outbound.notify`; what cannot be written is dropped."""
        del opts
        try:
            line = notification_line(method, params)
        except Unsent as error:
            self.lost(f"{method!a:.80} {error}")
            return
        if self._outlet.is_full:
            await self._outlet.drained()
        if not self.is_closed:
            self._outlet.write(line)

    def received(self, line: bytes) -> None:
        """One line of the other side. Answers are taken at once; what it asks and tells waits until `run`."""
        try:
            message = message_of(line)
        except ValueError as error:
            self._unread(line, error)
            return
        method = message.get("method")
        if method is None:
            self._answered(message, line)
            return
        if message.get("id", 0) is None:  # as some write a notification
            del message["id"]
        if not isinstance(method, str) or message.get("jsonrpc") != "2.0" or not is_answerable(message):
            self._on_junk(line)
        elif self._is_held and method != CANCELLED:
            self._early.append(message)
            self._ease()
        else:
            self._handle(message)

    def _unread(self, line: bytes, error: ValueError) -> None:
        """What is no message is skipped; an answer that cannot be read is an error for whoever waits for it."""
        number = answered_number(line)
        if number is None:
            self._on_junk(line)
            return
        told = {"code": PARSE_ERROR, "message": f"the answer cannot be read: {error}"}
        self._answered({"jsonrpc": "2.0", "id": number, "error": told}, line)

    def ready(self) -> None:
        """See `Endpoint.ready`."""
        self._go_on()

    def _go_on(self) -> None:
        """Handle what has come meanwhile, until something has to wait for it again."""
        self._is_held = False
        while self._early and not self._is_held:
            self._handle(self._early.popleft())
        self._ease()

    def _ease(self) -> None:
        """Read no more while there is more to do than anybody could want at once."""
        if self.inlet is not None:
            self._is_eased = len(self.crew) + len(self._early) > MAX_AT_ONCE
            self.inlet.pause(self._is_eased)

    def _answered(self, message: Json, line: bytes) -> None:
        result: Any = message.get("result")
        outcome = error_of_answer(message) if "error" in message else None
        if outcome is None and not isinstance(result, dict) and ("result" in message or "error" in message):
            outcome = MCPError(PARSE_ERROR, "the answer cannot be read: its result is no object")
        if message.get("jsonrpc") != "2.0" or (outcome is None and not isinstance(result, dict)):
            self._on_junk(line)
            return
        self.heard += 1
        number = message.get("id")
        if type(number) is not int:
            number = key_of(number)
        if number in self._begun and self._is_given(number, result if outcome is None else None):
            return
        future = self._pending.get(number) if number is not None else None
        if future is None or future.done():
            self.late_answers += 1
        elif outcome is None:
            future.set_result(result)
        else:
            future.set_exception(outcome)

    def _is_given(self, number: Any, result: Json | None) -> bool:
        """Whether the answer to a request that was begun has been taken; else there is somebody now who awaits it."""
        waiting = self._begun.pop(number)
        if result is not None and waiting.take(result):
            return True
        self._begun[number] = waiting
        waiting.promote()
        return False

    def _handle(self, message: Json) -> None:
        """A request or a notification."""
        method, params = message["method"], message.get("params")
        params = params if isinstance(params, dict) else None
        self.heard += 1
        if "id" not in message:
            self._told(method, params)
            return
        asked = Asked(self, method, params, message["id"])
        number = message["id"]
        asked.key = key = number if type(number) is int else key_of(number)
        if method in self._inline:
            self._is_held = True
        before, self._in_flight[key] = self._in_flight.get(key), asked
        if before is not None and before.begun is not None:  # whoever forgets it must not leave it to itself
            before.begun.promote()
        if not (self._is_held or self.is_closed or self._outlet.is_full or len(self._in_flight) > MAX_AT_ONCE):
            if self._context is None:
                self._context = copy_context()
            asked.begun = self._begin(asked)
        if asked.begun is None:
            self.go_on(asked)

    def go_on(self, asked: Asked) -> asyncio.Task[None]:
        """Have a request answered in a task."""
        context = None if self._context is None else self._context.copy()
        asked.task = self.crew.enlist(self._answer(asked), context)
        if len(self.crew) > MAX_AT_ONCE:
            self._ease()
        return asked.task

    def written(self, asked: Asked, result: Json) -> tuple[Text, ...] | None:
        """The answer to a request that was begun; None: it is to wait. Raises Unsent."""
        number = asked.request_id
        assert number is not None
        return None if self._outlet.is_full or asked.is_cancelled else result_line(number, result)

    def give(self, asked: Asked, written: tuple[Text, ...]) -> None:
        """Answer a request that was begun."""
        self._outlet.write(*written)
        self._settle(asked)

    def _told(self, method: str, params: Json | None) -> None:
        if method == CANCELLED:
            self._cancel((params or {}).get("requestId"))
        if self._is_intercepted(method, params):
            return
        if (taken := self._hearing(method, params, None)) is not None:
            task = self.crew.start(self._contained(method, taken))
            if isinstance(taken, Coroutine):  # it may be cancelled before it begins; what has ended is closed already
                task.add_done_callback(lambda _task: taken.close())
            if len(self.crew) > MAX_AT_ONCE:
                self._ease()

    async def _contained(self, method: str, taken: Awaitable[None]) -> None:
        try:
            await taken
        except Exception:
            logger.exception("a notification could not be handled: %r", method)
        finally:
            if self._is_eased:
                self._ease()

    def _cancel(self, number: Any) -> None:
        key = key_of(number)
        asked = self._in_flight.get(key) if key is not None else None
        if asked is None:  # what has not begun yet never will
            self._early = deque(one for one in self._early if "id" not in one or key_of(one["id"]) != key)
            return
        asked.cancel()
        if asked.begun is not None:
            asked.begun.promote()
        task = asked.task
        assert task is not None
        if asked.begun is not None and not asked.has_begun:  # it is to be told to its server, and logged
            task.get_loop().call_soon(task.cancel)
            return
        task.cancel()
        if not asked.has_begun:
            self._settle(asked)

    async def _answer(self, asked: Asked) -> None:
        """Have one request answered. One that was cancelled is never answered; the others are, whatever happens."""
        number = asked.request_id
        assert number is not None
        asked.has_begun = True
        try:
            try:
                pieces = result_line(number, await self._taken(asked))
            except asyncio.CancelledError:
                pieces = error_line(number, _closed())
            except Exception as error:  # noqa: BLE001 whatever it is becomes an answer
                pieces = self._refused(number, error)
            asked.is_over = True
            if self._outlet.is_full and not self.is_closed:
                await self._outlet.drained()
            if not asked.is_cancelled:
                self._outlet.write(*pieces)
        finally:
            self._settle(asked)

    def _taken(self, asked: Asked) -> Awaitable[Json]:
        """The answer to come, of the first who has one."""
        taken = self._take(asked)
        return self._answering(asked, None) if taken is None else taken

    def _settle(self, asked: Asked) -> None:
        """A request is done with."""
        asked.is_over = True
        asked.begun = None  # which knows it, too: each would wait for the other until garbage is looked for
        if asked.task is not None:
            self.crew.left(asked.task)
        if self._in_flight.get(asked.key) is asked:  # a later request may have the same id
            del self._in_flight[asked.key]
        if asked.method in self._inline:
            self._go_on()
        elif self._is_eased:
            self._ease()


def _closed() -> MCPError:
    return MCPError(code=CONNECTION_CLOSED, message="Connection closed")
