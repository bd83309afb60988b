"""The dispatcher under our client sessions: the SDK's, but what a server says and asks is passed on raw."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.abc
from mcp.shared.dispatcher import (
    CallOptions,
    DispatchContext,
    OnNotify,
    OnNotifyIntercept,
    OnRequest,
    coerce_request_id,
)
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp_types import ErrorData, RequestId

from magictunnel.catalog.model import Json
from magictunnel.wire.base import Number, Wire
from magictunnel.wire.written import Outlet, Writer

_sent: ContextVar[tuple[object, RequestId | None]] = ContextVar("sent", default=(None, None))
"""Over which connection, and under which number, the request went that the current task belongs to. The SDK hands the
context of whoever sends a request to the exchange that carries it, and from there to what arrives on that exchange:
over streamable HTTP this tells whose a message is."""


class WireDispatcher(JSONRPCDispatcher[Any], Wire):
    """A JSON-RPC connection; what its owner does not take goes to the SDK's session."""

    def __init__(self, incoming: Any, outgoing: Outlet) -> None:
        """`incoming` and `outgoing` are a transport's streams of messages; see `Writer` for what is sent."""
        super().__init__(incoming, Writer(outgoing, self.lost))

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None, **private: Any
    ) -> dict[str, Any]:
        """See `Outbound.send_raw_request`."""
        outer = _sent.set((self, (opts or {}).get("request_id")))
        try:
            return await super().send_raw_request(method, params, opts, **private)
        finally:
            _sent.reset(outer)

    async def let_go(self) -> None:
        """A server has closed the stream of the request in whose context this is; the answer comes on another."""
        if self.on_let_go is not None:
            await self.on_let_go(self._number)

    @property
    def _number(self) -> Number:
        wire, number = _sent.get()
        return number if wire is self else None

    @property
    def waiting(self) -> list[RequestId]:
        """The requests that are not answered."""
        return list(self._pending)

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
            taken = self.on_asked(method, dict(params or {}), self._number) if self.on_asked else None
            return await (on_request(dctx, method, params) if taken is None else taken)

        async def told(dctx: DispatchContext[Any], method: str, params: Mapping[str, Any] | None) -> None:
            self.heard += 1
            taken = self.on_told(method, dict(params or {}), self._number) if self.on_told else None
            await (on_notify(dctx, method, params) if taken is None else taken)

        await super().run(asked, told, on_notify_intercept, task_status=task_status)

    def _fan_out_closed(self) -> None:
        # Before those who wait hear of it: whoever tries again at once must not be given this connection.
        self.closed()
        super()._fan_out_closed()

    def _resolve_pending(self, request_id: RequestId | None, outcome: dict[str, Any] | ErrorData) -> None:
        # The SDK drops late answers itself, but tells nobody; this is its one place where they can be counted.
        self.heard += 1
        self.late_answers += request_id is None or coerce_request_id(request_id) not in self._pending
        super()._resolve_pending(request_id, outcome)
