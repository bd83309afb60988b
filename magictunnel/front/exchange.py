"""What the SDK is shown of one HTTP exchange: once that is over, it holds on to nothing of it.

A session of the SDK keeps the last message it has read, so its request, and so the whole connection.
"""

from __future__ import annotations

from mcp.server.streamable_http_manager import RequestBodyLimitMiddleware, StreamableHTTPSessionManager
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from magictunnel.front.carried import KEY


def forgetful(manager: StreamableHTTPSessionManager) -> RequestBodyLimitMiddleware:
    """The application of `manager`, with such exchanges."""
    app = manager.asgi_app.app

    async def exchange(scope: Scope, receive: Receive, send: Send) -> None:
        shown = {**scope, "headers": list(scope["headers"])}
        line = _Line(receive, send)
        try:
            await app(shown, line.receive, line.send)
        except ClientDisconnect:
            return  # in the middle of its request: there is nobody to answer
        finally:
            line.cut()
            _empty(shown)

    return RequestBodyLimitMiddleware(exchange, manager.max_request_body_size)


class _Line:
    """The two ways of an exchange, until it is over."""

    __slots__ = ("_receive", "_send")

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive: Receive | None = receive
        self._send: Send | None = send

    async def receive(self) -> Message:
        return {"type": "http.disconnect"} if self._receive is None else await self._receive()

    async def send(self, message: Message) -> None:
        if self._send is not None:
            await self._send(message)

    def cut(self) -> None:
        self._receive = self._send = None


def _empty(scope: Scope) -> None:
    """Leave what answers the request already: a message is at times handled after its exchange."""
    carried = scope.get(KEY)
    scope["headers"].clear()
    scope.clear()
    if carried is not None:
        scope[KEY] = carried
