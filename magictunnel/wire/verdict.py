"""What the answer to a request is, as JSON-RPC: read from messages and from whole HTTP responses. Pure."""

from __future__ import annotations

from typing import Any

from mcp.shared.dispatcher import coerce_request_id
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    RequestId,
)

from magictunnel.catalog.model import Json
from magictunnel.wire import codec
from magictunnel.wire.http1.head import Head
from magictunnel.wire.messages import error_of_answer
from magictunnel.wire.stale import FORGOTTEN, is_stale

JSON_TYPE = "application/json"
EVENTS_TYPE = "text/event-stream"
_RESULT = {"jsonrpc", "id", "result"}


def parsed(text: bytes) -> Json:
    """One JSON-RPC message: a request, a notification or an answer.

    Raises:
        ValueError: it is none of them.
    """
    message = codec.message(text)
    if message.get("jsonrpc") != "2.0":
        raise ValueError("not JSON-RPC 2.0")
    if is_answer(message):
        return message
    if not isinstance(message.get("method"), str) or not (message.get("id") is None or _is_id(message["id"])):
        raise ValueError("neither a request nor an answer")
    if not isinstance(message.get("params"), dict | None):
        raise ValueError("its params are no object")
    return message


def is_answer(message: Json) -> bool:
    """Whether it is a result or an error."""
    return "method" not in message and (isinstance(message.get("result"), dict) or _is_error(message.get("error")))


def result_of(message: Json) -> Json:
    """What an answer says.

    Raises:
        MCPError: an error.
    """
    if (error := error_of_answer(message)) is not None:
        raise error
    result: Json = message["result"]
    return result


def unreadable(where: str, error: ValueError) -> MCPError:
    """What a request is answered with whose answer cannot be read."""
    return MCPError(PARSE_ERROR, f"Failed to parse {where}: {error!s:.200}")


def broken(message: str) -> MCPError:
    """What a request is answered with whose answer cannot come."""
    return MCPError(CONNECTION_CLOSED, message)


def verdict(number: RequestId, head: Head, body: bytes, *, named_session: bool, has_session: bool) -> Json | MCPError:
    """What a response that is no stream answers to the request `number`.

    `named_session`: the request was sent within a session. `has_session`: there is one by now.
    """
    if head.status == 202:
        return MCPError(INVALID_REQUEST, "server answered a request with 202 Accepted")
    if head.is_error:
        return _refusal(head, body, named_session=named_session, has_session=has_session)
    if not head.content_type.startswith(JSON_TYPE):
        return MCPError(INVALID_REQUEST, f"Unexpected content type: {head.content_type:.200}")
    try:
        message = parsed(body)
    except ValueError as error:
        return unreadable("JSON response", error)
    if not is_answer(message) or not _is_for(number, message):
        return unreadable("JSON response", ValueError("it is not the answer to what was asked"))
    return message


def plain_result(number: RequestId, head: Head, body: bytes) -> Json | None:
    """The result, where a response is as nearly all are; None: it is for `verdict` to say what it is."""
    if head.status != 200 or not head.content_type.startswith(JSON_TYPE):
        return None
    try:
        message = codec.message(body)
    except ValueError:
        return None
    result = message.get("result")
    is_plain = isinstance(result, dict) and message.keys() == _RESULT and message["jsonrpc"] == "2.0"
    return result if is_plain and _is_for(number, message) else None


def _refusal(head: Head, body: bytes, *, named_session: bool, has_session: bool) -> MCPError:
    if named_session and is_stale(head.status, body):
        return broken(FORGOTTEN)
    if head.content_type.startswith(JSON_TYPE) and (told := _error_in(body)):
        return told
    if head.status != 404:
        return MCPError(INTERNAL_ERROR, "Server returned an error response")
    return MCPError(INVALID_REQUEST, "Session terminated") if has_session else MCPError(METHOD_NOT_FOUND, "Not Found")


def _error_in(body: bytes) -> MCPError | None:
    """The JSON-RPC error that a body is, under whichever number."""
    try:
        message = parsed(body)
    except ValueError:
        return None
    return error_of_answer(message) if is_answer(message) else None


def _is_error(error: Any) -> bool:
    return isinstance(error, dict) and _is_integer(error.get("code")) and isinstance(error.get("message"), str)


def _is_for(number: RequestId, answer: Json) -> bool:
    """Whether it answers this request; an error whose number could not be read may."""
    given = answer.get("id")
    if given == number and type(given) is type(number):
        return True
    if given is None:
        return "error" in answer
    return _is_id(given) and coerce_request_id(given) == coerce_request_id(number)


def _is_id(value: Any) -> bool:
    return isinstance(value, str) or _is_integer(value)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
