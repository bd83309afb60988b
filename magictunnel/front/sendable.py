"""What the SDK is given to send, made such that it can: it stumbles over what others have written in odd ways."""

from __future__ import annotations

from mcp.shared.exceptions import MCPError

from magictunnel.catalog.model import Json
from magictunnel.wire.codec import is_writable, writable
from magictunnel.wire.messages import Unsent, error_data


def sendable(result: Json) -> Json:
    """A result. Raises MCPError: it is nested too deep."""
    try:
        return writable(result)
    except ValueError as error:
        raise error_data(Unsent(str(error))) from error


def sendable_error(error: MCPError) -> MCPError:
    """An error, without its data if these are nested too deep; itself, if nothing is odd about it."""
    told = error.error
    if is_writable({"message": told.message, "data": told.data}):
        return error
    message = str(writable({"message": told.message})["message"])
    try:
        return MCPError(told.code, message, writable({"data": told.data})["data"])
    except ValueError:
        return MCPError(told.code, message)
