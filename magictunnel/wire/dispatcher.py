"""The dispatcher under our client sessions: the SDK's, plus word of when the connection is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import anyio.abc
from mcp.shared.dispatcher import OnNotify, OnNotifyIntercept, OnRequest
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher


class WireDispatcher(JSONRPCDispatcher[Any]):
    """A JSON-RPC connection that says, once, when it can carry nothing any more."""

    on_closed: Callable[[], None] | None = None
    is_closed: bool = False

    async def run(
        self,
        on_request: OnRequest,
        on_notify: OnNotify,
        on_notify_intercept: OnNotifyIntercept | None = None,
        *,
        task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """See `Dispatcher.run`; ends when the peer is gone."""
        try:
            await super().run(on_request, on_notify, on_notify_intercept, task_status=task_status)
        finally:
            self.is_closed = True
            if self.on_closed is not None:
                self.on_closed()
