"""Lines -> the SDK's JSON-RPC messages, and these -> bytes."""

from __future__ import annotations

import json
from collections.abc import Callable

from mcp.shared.dispatcher import as_request_id
from mcp.shared.message import SessionMessage
from mcp_types import PARSE_ERROR, ErrorData, JSONRPCError, JSONRPCMessage, jsonrpc_message_adapter
from pydantic import ValidationError


def decode(line: bytes, on_junk: Callable[[bytes], None]) -> SessionMessage | None:
    """The message in a line, or None after telling `on_junk`: what is not JSON-RPC is skipped, not fatal.

    An answer that cannot be read (half a character, too deep) becomes an error for whoever waits for it.
    """
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValidationError as error:
        if (number := _answered_id(line)) is not None:
            told = ErrorData(code=PARSE_ERROR, message=f"the answer cannot be read: {error.errors()[0]['msg']}")
            return SessionMessage(JSONRPCError(jsonrpc="2.0", id=number, error=told))
        on_junk(line)
        return None


def _answered_id(line: bytes) -> int | str | None:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0" or not message.keys() & {"result", "error"}:
        return None
    return as_request_id(message.get("id"))


def encode(message: SessionMessage) -> bytes:
    """One line, newline included. Raises ValueError as `as_json` does."""
    return as_json(message.message) + b"\n"


def as_json(message: JSONRPCMessage) -> bytes:
    """A message as the JSON that goes over any wire, on one line; numbers that JSON does not have become null.

    Raises:
        ValueError: it holds half a character, or is nested too deep.
    """
    return message.model_dump_json(by_alias=True, exclude_unset=True).encode()
