"""Wire: one connection to a server, whatever it runs over, and what its owner is told of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import anyio
import anyio.abc
from mcp.shared.dispatcher import CallOptions, OnNotify, OnNotifyIntercept, OnRequest
from mcp_types import RequestId

from magictunnel.catalog.model import Json

Number = RequestId | None
"""The request on whose own stream something came; None where the wire cannot tell (one pipe, a stream of news)."""


class Waiting(Protocol):
    """Whoever takes the answer to a request in the very step in which it comes."""

    def take(self, result: Json) -> bool:
        """The result has come. False: it has to be awaited instead."""
        ...

    def promote(self) -> None:
        """Have the answer awaited from now on, by `Wire.awaited`, for which it is to be kept: see `Wire.keep`."""
        ...


class Wire(ABC):
    """See `mcp.shared.dispatcher.Dispatcher`, which it is. The hooks are set by its owner before it runs."""

    is_http: bool = False
    has_process: bool = False
    """Whether another connection like it would start another process, although it is not a pipe."""
    is_closed: bool = False
    is_ending: bool = False
    """It takes no more requests; what was sent may still be answered."""
    late_answers: int = 0
    """Answers that came when nobody waited for them any more, and were dropped."""
    heard: int = 0
    """Messages that came from the server."""
    on_closed: Callable[[], None] | None = None
    on_ending: Callable[[], None] | None = None
    on_let_go: Callable[[Number], Awaitable[None]] | None = None
    """Told that a server has closed the stream of a request, and will answer it on another."""
    on_told: Callable[[str, Json, Number], Awaitable[None] | None] | None = None
    """Takes a notification, or returns None to leave it to the session."""
    on_asked: Callable[[str, Json, Number], Awaitable[Json] | None] | None = None
    """Answers a request of the server, or returns None to leave it to the session."""
    on_missed: Callable[[], None] | None = None
    """Told that the stream on which a server tells its news was closed for a while, and is open again."""
    on_lost: Callable[[str], None] | None = None
    """Told of an answer or a notification that could not be written, and so did not reach the server."""

    @abstractmethod
    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        """See `Outbound.send_raw_request`."""

    def begin(self, number: int, method: str, params: Json, headers: Mapping[str, str], waiting: Waiting) -> bool:
        """Send a request at once, and give its result to `waiting`. False: nothing was sent, since something would
        have to be waited for; `send_raw_request` does.

        Raises:
            BadParams: it cannot be written. Nothing was sent.
        """
        del number, method, params, headers, waiting
        return False

    def keep(self, number: int) -> None:
        """Keep the answer to a request that was begun, for `awaited`."""
        raise NotImplementedError(number)

    async def awaited(self, number: int) -> Json:
        """The answer to a request that was begun, if that is kept. Raises MCPError as `send_raw_request` does."""
        raise NotImplementedError(number)

    def abandon(self, number: int) -> None:
        """Nobody will await the answer that is kept; it may still come."""
        raise NotImplementedError(number)

    @abstractmethod
    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        """See `Outbound.notify`."""

    @abstractmethod
    async def run(
        self,
        on_request: OnRequest,
        on_notify: OnNotify,
        on_notify_intercept: OnNotifyIntercept | None = None,
        *,
        task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """See `Dispatcher.run`."""

    def lost(self, what: str) -> None:
        """Something could not be written where nobody waits to hear of it."""
        if self.on_lost is not None:
            self.on_lost(what)

    def ending(self) -> None:
        """The connection is about to be over: what comes from now on is for the next one."""
        self.is_ending = True
        if self.on_ending is not None:
            self.on_ending()

    def closed(self) -> None:
        """The connection is over; told once."""
        is_news, self.is_closed = not self.is_closed, True
        if is_news and self.on_closed is not None:
            self.on_closed()
