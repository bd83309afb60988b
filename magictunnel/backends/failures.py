"""What the error that answers a request means: the server's own, or a word for a connection that broke. Pure."""

from __future__ import annotations

from typing import Any

from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED, URL_ELICITATION_REQUIRED

from magictunnel.errors import BackendError, BackendUnavailable, CallError, OutcomeUnknown
from magictunnel.wire.http import CUT_OFF, NOT_SENT, TOO_LARGE
from magictunnel.wire.stale import FORGOTTEN

_CLOSED = "Connection closed"
_BROKEN = (
    CUT_OFF,
    TOO_LARGE,
    "SSE stream ended without a response",
    "SSE stream ended and reconnection",
    "SSE stream failed: ",
)
"""What our HTTP client and the SDK's say when an answer can never come."""


def failure(server: str, what: str, error: MCPError) -> CallError:
    """`error` as one of ours; `what` was asked of `server`."""
    if error.code == CONNECTION_CLOSED and error.message == NOT_SENT:
        return BackendUnavailable(server, NOT_SENT, hint="start that server, or correct `url`")
    if error.code == CONNECTION_CLOSED and error.message == FORGOTTEN:
        return BackendUnavailable(server, FORGOTTEN)
    if error.code == CONNECTION_CLOSED and (error.message == _CLOSED or error.message.startswith(_BROKEN)):
        return OutcomeUnknown(server, what, error.message)
    return BackendError(error.code, error.message, error.error.data)


def dooms(error: CallError) -> bool:
    """Whether the connection can carry no new call after this."""
    return isinstance(error, BackendUnavailable)


def visits(error: CallError) -> list[Any]:
    """The URLs that a client must visit before it calls again, as the server wrote them (`-32042`)."""
    if not isinstance(error, BackendError) or error.code != URL_ELICITATION_REQUIRED:
        return []
    listed = error.data.get("elicitations") if isinstance(error.data, dict) else None
    return listed if isinstance(listed, list) else []
