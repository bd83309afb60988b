"""The dispatcher under our client sessions: the SDK's, but what a server says and asks is passed on raw."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
import anyio.abc
from mcp.shared.dispatcher import DispatchContext, OnNotify, OnNotifyIntercept, OnRequest, coerce_request_id
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp_types import ErrorData, RequestId

from magictunnel.catalog.model import Json
from magictunnel.wire.written import Outlet, Writer


class WireDispatcher(JSONRPCDispatcher[Any]):
    """A JSON-RPC connection; what its owner does not take goes to the SDK's session."""

    on_closed: Callable[[], None] | None = None
    is_closed: bool = False
    is_http: bool = False
    has_process: bool = False
    """Whether another connection like it would start another process, although it is not a pipe."""
    late_answers: int = 0
    """Answers that came when nobody waited for them any more, and were dropped."""
    heard: int = 0
    """Messages that came from the server."""
    on_let_go: Callable[[], Awaitable[None]] | None = None
    """Told, within the context of a request, that its server has closed the stream on which it was to answer."""
    on_told: Callable[[str, Json], Awaitable[None] | None] | None = None
    """Takes a notification, or returns None to leave it to the session."""
    on_asked: Callable[[str, Json], Awaitable[Json] | None] | None = None
    """Answers a request of the server, or returns None to leave it to the session."""
    on_lost: Callable[[str], None] | None = None
    """Told of an answer or a notification that could not be written, and so did not reach the server."""

    def __init__(self, incoming: Any, outgoing: Outlet) -> None:
        """`incoming` and `outgoing` are a transport's streams of messages; see `Writer` for what is sent."""
        super().__init__(incoming, Writer(outgoing, self._lost))

    def _lost(self, what: str) -> None:
        if self.on_lost is not None:
            self.on_lost(what)

    async def let_go(self) -> None:
        """A server has closed the stream of the request in whose context this is; the answer comes on another."""
        if self.on_let_go is not None:
            await self.on_let_go()

    def answer(self, number: RequestId, error: Json) -> None:
        """Answer one of our own requests in the server's place: its answer can never come."""
        self._resolve_pending(number, ErrorData.model_validate(error))

    async def run(
        self,
        on_request: OnRequest,
        on_notify: OnNotify,
        on_notify_intercept: OnNotifyIntercept | None = None,
        *,
        task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """See `Dispatcher.run`; ends when the peer is gone."""

        async def asked(dctx: DispatchContext[Any], method: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
            self.heard += 1
            taken = self.on_asked(method, dict(params or {})) if self.on_asked else None
            return await (on_request(dctx, method, params) if taken is None else taken)

        async def told(dctx: DispatchContext[Any], method: str, params: Mapping[str, Any] | None) -> None:
            self.heard += 1
            taken = self.on_told(method, dict(params or {})) if self.on_told else None
            await (on_notify(dctx, method, params) if taken is None else taken)

        await super().run(asked, told, on_notify_intercept, task_status=task_status)

    def _fan_out_closed(self) -> None:
        # Before those who wait hear of it: whoever tries again at once must not be given this connection.
        is_news, self.is_closed = not self.is_closed, True
        if is_news and self.on_closed is not None:
            self.on_closed()
        super()._fan_out_closed()

    def _resolve_pending(self, request_id: RequestId | None, outcome: dict[str, Any] | ErrorData) -> None:
        # The SDK drops late answers itself, but tells nobody; this is its one place where they can be counted.
        self.heard += 1
        self.late_answers += request_id is None or coerce_request_id(request_id) not in self._pending
        super()._resolve_pending(request_id, outcome)
