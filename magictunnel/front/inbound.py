"""Inbound: one request or notification of a client, whichever way it came in.

The SDK gives raw access to a request's own channel, and to a connection, only under private names; they are touched
here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.shared.dispatcher import Outbound
from mcp_types import RequestId
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from magictunnel.catalog.model import EMPTY, Json
from magictunnel.errors import BadParams
from magictunnel.wire.begun import Begun

Context = ServerRequestContext[Any, Any]


class Inbound:
    """Made for every message, so it is plain."""

    __slots__ = ("begun", "channel", "connection", "headers", "let_go", "method", "params", "request_id", "stateless")

    def __init__(
        self,
        method: str,
        params: Mapping[str, Any] | None,
        request_id: RequestId | None,
        channel: Outbound,
        connection: Connection | None,
        *,
        stateless: bool,
        headers: Mapping[str, str] = EMPTY,
        let_go: Callable[[], Awaitable[None]] | None = None,
        begun: Begun | None = None,
    ) -> None:
        """`channel`: the request's own; over streamable HTTP, the stream on which it is answered.

        `connection`: that of a session of the handshake era. `begun`: what it has led to already.

        Raises:
            BadParams: the params' `_meta` is no object.
        """
        self.method = method
        self.params: Json = params if type(params) is dict else dict(params or {})
        self.request_id = request_id
        self.channel = channel
        self.connection = connection
        self.stateless = stateless
        self.headers = headers
        self.let_go = let_go
        self.begun = begun
        if "_meta" in self.params and not isinstance(self.params["_meta"], dict):
            raise BadParams("_meta must be an object")


def is_stateless(ctx: Context) -> bool:
    """Whether a request belongs to the stateless era."""
    return ctx.protocol_version in MODERN_PROTOCOL_VERSIONS


def of_context(ctx: Context) -> Inbound:
    """What the SDK's server has read. Raises BadParams as `Inbound` does."""
    return Inbound(
        ctx.method,
        ctx.params,
        ctx.request_id,
        ctx.session._request_outbound,
        ctx.session._connection,
        stateless=is_stateless(ctx),
        headers=getattr(ctx.request, "headers", EMPTY),
        let_go=ctx.close_sse_stream,
    )
