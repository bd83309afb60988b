"""Ids of sessions as clients know them where there are workers: an ASGI layer that adds the worker and takes it off."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from magictunnel.front.workers import Worker

_NAME = b"mcp-session-id"


class PinnedSessions:
    """Around an application that knows nothing of workers."""

    def __init__(self, app: ASGIApp, worker: Worker) -> None:
        self._app = app
        self._worker = worker

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See `starlette.types.ASGIApp`."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def pinned(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [self._outer(*one) for one in message.get("headers", ())]}
            await send(message)

        await self._app({**scope, "headers": [self._inner(*one) for one in scope["headers"]]}, receive, pinned)

    def _outer(self, name: bytes, value: bytes) -> tuple[bytes, bytes]:
        if name.lower() != _NAME:
            return name, value
        return name, self._worker.outer(value.decode("latin-1")).encode("latin-1")

    def _inner(self, name: bytes, value: bytes) -> tuple[bytes, bytes]:
        if name != _NAME:
            return name, value
        return name, self._worker.inner(value.decode("latin-1")).encode("latin-1")
