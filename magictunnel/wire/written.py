"""Every message is written as JSON in its sender's own step: what cannot be written is its sender's failure alone.

A writer that finds out later, on its own, can only end the connection, and with it the calls of everybody else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from anyio.abc import ObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import (
    INTERNAL_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)
from pydantic import BaseModel, PrivateAttr

from magictunnel.errors import BadParams
from magictunnel.wire import messages
from magictunnel.wire.typed import as_json


class _Written(BaseModel):
    _line: bytes = PrivateAttr(b"")

    def model_dump(self, *, mode: str = "python", **options: Any) -> Any:
        """See `BaseModel.model_dump`. As JSON it is what was written, which `CallClient` sends as it is: the SDK's
        transport over HTTP asks for it, and would write it again, where nobody can catch that this fails.
        """
        return self._line if mode == "json" else super().model_dump(mode=mode, **options)


class _Request(_Written, JSONRPCRequest):
    pass


class _Notification(_Written, JSONRPCNotification):
    pass


class _Response(_Written, JSONRPCResponse):
    pass


class _Error(_Written, JSONRPCError):
    pass


_AS: dict[type[BaseModel], type[_Written]] = {
    JSONRPCRequest: _Request,
    JSONRPCNotification: _Notification,
    JSONRPCResponse: _Response,
    JSONRPCError: _Error,
}


def written(message: JSONRPCMessage) -> JSONRPCMessage:
    """`message` with its JSON, which `line_of` gives from now on. Raises ValueError: it has none."""
    try:
        line = as_json(message)
    except RecursionError as error:
        raise ValueError("depth exceeded") from error
    found = _AS[type(message)].model_construct(message.model_fields_set, **message.__dict__)
    found._line = line
    return found  # type: ignore[return-value]


def line_of(message: JSONRPCMessage) -> bytes:
    """The JSON of a message, on one line without a newline."""
    return message._line if isinstance(message, _Written) else as_json(message)


def unsent(error: ValueError) -> BadParams:
    """What a request that could not be written is answered with."""
    return messages.unsent(_why(error))


class Outlet(Protocol):
    """Where a transport takes what is to be sent."""

    async def send(self, item: SessionMessage, /) -> None: ...

    async def aclose(self) -> None: ...


class Writer(ObjectSendStream[SessionMessage]):
    """The sending side of a dispatcher; what comes out at the other end of `stream` is written already."""

    def __init__(self, stream: Outlet, on_lost: Callable[[str], None]) -> None:
        """`on_lost`: told of what could not be written where nobody waits to hear of it."""
        self._stream = stream
        self._on_lost = on_lost

    async def send(self, item: SessionMessage) -> None:
        """Send a message. An answer that cannot be written is sent as an error; such a notification is dropped.

        Raises:
            BadParams: a request cannot be written. Nothing was sent.
        """
        try:
            message: JSONRPCMessage | None = written(item.message)
        except ValueError as error:
            message = self._instead(item.message, error)
        if message is not None:
            await self._stream.send(SessionMessage(message, item.metadata))

    async def aclose(self) -> None:
        """See `AsyncResource.aclose`."""
        await self._stream.aclose()

    def _instead(self, message: JSONRPCMessage, error: ValueError) -> JSONRPCMessage | None:
        if isinstance(message, JSONRPCRequest):
            raise unsent(error) from error
        why = f"cannot be written as JSON: {_why(error)}"
        if isinstance(message, JSONRPCNotification):
            self._on_lost(f"{message.method!a:.80} {why}")
            return None
        self._on_lost(f"the answer to {message.id!a:.80} {why}")
        told = ErrorData(code=INTERNAL_ERROR, message=f"the answer {why}")
        try:
            return written(JSONRPCError(jsonrpc="2.0", id=message.id, error=told))
        except ValueError:  # not even its number can be written
            return None


def _why(error: ValueError) -> str:
    text = str(error)
    if "surrogate" in text:
        return "a text holds half a character (a lone surrogate)"
    return "it is nested too deep" if "depth" in text else ascii(text[:200])
