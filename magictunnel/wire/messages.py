"""JSON-RPC messages as bytes, and what their errors mean. Pure."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from mcp.shared.dispatcher import as_request_id, coerce_request_id
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, RequestId
from pydantic import ValidationError

from magictunnel.catalog.model import Json
from magictunnel.errors import BadParams
from magictunnel.wire.codec import Raw, Text, dumps, is_writable

logger = logging.getLogger(__name__)


class Unsent(Exception):
    """A message cannot be written as JSON."""


def request_line(number: RequestId, method: str, params: Mapping[str, Any] | None) -> bytes:
    """A request, newline included.

    Raises:
        BadParams: it cannot be written.
    """
    message: Json = {"jsonrpc": "2.0", "id": number, "method": method}
    if params:
        message["params"] = params
    try:
        return dumps(message) + b"\n"
    except ValueError as error:
        raise unsent(str(error)) from error


def unsent(why: str) -> BadParams:
    """What a request that could not be written is answered with."""
    return BadParams(
        f"the request cannot be written as JSON, and was not sent: {why}",
        hint="send whole Unicode characters, nested less than 200 deep",
    )


def notification_line(method: str, params: Mapping[str, Any] | None) -> bytes:
    """A notification, newline included. Raises Unsent."""
    message: Json = {"jsonrpc": "2.0", "method": method}
    return _written(message | {"params": params} if params is not None else message) + b"\n"


def result_line(number: RequestId, result: Json) -> tuple[Text, ...]:
    """An answer in pieces, newline included; a result that knows its own text goes out as that. Raises Unsent."""
    text, tail = (result.text, result.tail) if type(result) is Raw else (_written(result), b"")
    id_ = b"%d" % number if type(number) is int else _written(number)
    return b'{"jsonrpc":"2.0","id":' + id_ + b',"result":', text, tail + b"}\n"


def error_line(number: RequestId, error: MCPError) -> tuple[Text, ...]:
    """An error as an answer, newline included; without its data, if that cannot be written."""
    told = {"code": error.code, "message": error.message}
    envelope: Json = {"jsonrpc": "2.0", "id": number}
    try:
        data = {} if error.error.data is None else {"data": error.error.data}
        return (_written(envelope | {"error": told | data}) + b"\n",)
    except Unsent:
        return (_written(envelope | {"error": told | {"message": ascii(error.message)}}) + b"\n",)


def _written(value: Any) -> bytes:
    try:
        return dumps(value)
    except ValueError as error:
        raise Unsent(f"cannot be written as JSON: {error}") from error


def error_of_answer(message: Json) -> MCPError | None:
    """The error that a message answers with; None if with a result."""
    error = message.get("error")
    if error is None:
        return None
    error = error if isinstance(error, dict) else {}
    code, text = error.get("code"), error.get("message")
    is_code = isinstance(code, int) and not isinstance(code, bool)
    return MCPError(
        code=code if is_code else INTERNAL_ERROR,  # type: ignore[arg-type]
        message=text if isinstance(text, str) else "an error without a message",
        data=error.get("data"),
    )


def error_data(error: Exception) -> MCPError:
    """What a request is answered with that raised `error`; only what is meant for the other side is told to it."""
    if isinstance(error, MCPError):
        return error
    if isinstance(error, ValidationError):
        return MCPError(code=INVALID_PARAMS, message="Invalid request parameters", data="")
    if isinstance(error, Unsent):
        return MCPError(code=INTERNAL_ERROR, message=f"the answer {error}")
    logger.error("a request could not be answered", exc_info=error)
    return MCPError(code=INTERNAL_ERROR, message="Internal server error")


def is_answerable(message: Json) -> bool:
    """Whether a message can be handled: its params are named, and its id, if any, can be written in an answer."""
    number = message.get("id", 0)
    params = message.get("params")
    if params is not None and not isinstance(params, dict):
        return False
    return type(number) is int or (isinstance(number, str) and (number.isascii() or is_writable(number)))


def key_of(number: Any) -> RequestId | None:
    """By what a request is known, since some write back its id as another type; None if it is no id."""
    if type(number) is int:
        return number
    known = as_request_id(number)
    return None if known is None else coerce_request_id(known)
