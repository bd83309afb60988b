"""One request or notification of whoever is at the other end of a connection, with the ways back that belong to it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

import anyio
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import NoBackChannelError
from mcp.shared.transport_context import TransportContext
from mcp_types import RequestId

from magictunnel.wire.begun import Begun
from magictunnel.wire.caller import progress_token

_PIPE = TransportContext(kind="jsonrpc", can_send_request=True)


class Sender(Protocol):
    """What a message can be answered over."""

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]: ...

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None: ...


class Asked:
    """See `mcp.shared.dispatcher.DispatchContext`. Made for every message: what few of them need is made later."""

    __slots__ = (
        "_event",
        "_sender",
        "begun",
        "has_begun",
        "is_cancelled",
        "is_over",
        "key",
        "method",
        "params",
        "request_id",
        "task",
    )

    message_metadata = None
    transport = _PIPE

    def __init__(
        self, sender: Sender, method: str, params: Mapping[str, Any] | None, request_id: RequestId | None
    ) -> None:
        self._sender = sender
        self.method = method
        self.params = params
        self.request_id = request_id
        self.key: RequestId | None = None
        """By what it is known while it is under way."""
        self.has_begun = False
        """Somebody is at work on its answer."""
        self.is_over = False
        """It is answered: what is told or asked now belongs to no request."""
        self.is_cancelled = False
        """Nobody waits for its answer any more."""
        self.task: asyncio.Task[None] | None = None
        """In which it is answered."""
        self.begun: Begun | None = None
        """What its answer is for, where no task was needed to begin it."""
        self._event: anyio.Event | None = None

    @property
    def can_send_request(self) -> bool:
        """See `DispatchContext`."""
        return not self.is_over

    @property
    def cancel_requested(self) -> anyio.Event:
        """See `DispatchContext`."""
        if self._event is None:
            self._event = anyio.Event()
            if self.is_cancelled:
                self._event.set()
        return self._event

    def cancel(self) -> None:
        """Its sender has given it up."""
        self.is_cancelled = True
        if self._event is not None:
            self._event.set()

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        """See `Outbound`."""
        if self.is_over:
            raise NoBackChannelError(method)
        return await self._sender.send_raw_request(method, params, opts)

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        """See `Outbound`."""
        if not self.is_over:
            await self._sender.notify(method, params, opts)

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """See `DispatchContext`."""
        token = progress_token(self.params or {})
        if token is not None:
            told = {"progressToken": token, "progress": progress, "total": total, "message": message}
            await self.notify(
                "notifications/progress", {key: value for key, value in told.items() if value is not None}
            )
