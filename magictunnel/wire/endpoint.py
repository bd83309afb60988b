"""Endpoint: a wire of our own, run: what its owner answers requests with and hears notifications by, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import anyio
import anyio.abc
from mcp.shared.dispatcher import OnNotify, OnNotifyIntercept, OnRequest, run_notify_intercept
from mcp.shared.exceptions import MCPError
from mcp_types import METHOD_NOT_FOUND, RequestId

from magictunnel.catalog.model import Json
from magictunnel.wire.asked import Asked
from magictunnel.wire.base import Number, Wire
from magictunnel.wire.codec import Text
from magictunnel.wire.crew import Crew
from magictunnel.wire.messages import Unsent, error_data, error_line

CANCELLED = "notifications/cancelled"


class Endpoint(Wire):
    """See `mcp.shared.dispatcher.Dispatcher`. What comes goes to the hooks of `Wire`, then to whoever runs this."""

    def __init__(self) -> None:
        self.crew = Crew()
        """What is at work on what has come; it ends with whoever runs this."""
        self._over = asyncio.Event()
        self._on_request: OnRequest | None = None
        self._on_notify: OnNotify | None = None
        self._intercept: OnNotifyIntercept | None = None

    async def run(
        self,
        on_request: OnRequest,
        on_notify: OnNotify,
        on_notify_intercept: OnNotifyIntercept | None = None,
        *,
        task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """See `Dispatcher.run`; ends with the connection, or ends it. It is closed by whoever opened it."""
        self._on_request, self._on_notify, self._intercept = on_request, on_notify, on_notify_intercept
        try:
            task_status.started()
            self.ready()
            await self._over.wait()
        finally:
            self.end()
            with anyio.CancelScope(shield=True):
                await self.crew.end()
            self.end()  # for what has come meanwhile

    def ready(self) -> None:
        """There is somebody now to take what comes."""

    def end(self) -> None:
        """The connection is over, perhaps once more. To be added to by whoever knows who waits for an answer."""
        self.closed()
        self._over.set()

    def _is_intercepted(self, method: str, params: Json | None) -> bool:
        """Whether whoever runs this has dealt with a notification in its own step."""
        return run_notify_intercept(self._intercept, method, params)

    def _hearing(self, method: str, params: Json | None, number: Number) -> Awaitable[None] | None:
        """What the first does with a notification who takes it; None: nobody does."""
        taken = self.on_told(method, params or {}, number) if self.on_told else None
        if taken is None and self._on_notify is not None:
            taken = self._on_notify(Asked(self, method, params, None), method, params)
        return taken

    def _answering(self, asked: Asked, number: Number) -> Awaitable[Json]:
        """The answer to come, of the first who has one.

        Raises:
            MCPError: nobody has.
        """
        taken = self.on_asked(asked.method, dict(asked.params or {}), number) if self.on_asked else None
        if taken is None and self._on_request is not None:
            taken = self._on_request(asked, asked.method, asked.params)
        if taken is None:
            raise MCPError(code=METHOD_NOT_FOUND, message="Method not found")
        return taken

    def _refused(self, number: RequestId, error: Exception) -> tuple[Text, ...]:
        """What a request is answered with that ended in `error`. Raises Unsent if its own number cannot be written."""
        if isinstance(error, Unsent):
            self.lost(f"the answer to {number!a:.80} {error}")
        return error_line(number, error_data(error))
