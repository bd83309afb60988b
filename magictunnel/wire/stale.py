"""How servers say that they do not know our session (any more): each in its own words. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

FORGOTTEN = "the server does not know our session any more, nothing was done"
"""The message of the error that stands in for such an answer."""

_GONE = frozenset({404, 410})
"""Statuses by which the protocol says it, where a request named a session."""
_IN_WORDS = frozenset({400, 503})
"""Statuses by which servers say it whose words have to say so too. A tool that ran and failed has others."""
_LOOKED_AT = 4_096
_ABOUT_THE_CALL = (-32601, -32602)
"""Codes of errors by somebody who has looked at what was asked: no such method, or wrong params."""
_EXACTLY = frozenset({FORGOTTEN, "Session terminated", "Session not found", "Invalid Request: Session not found"})
"""What we and the SDK say, and servers that answer with it under a status of success."""
_WORDS = re.compile(
    r"session.{0,80}(not found|unknown|invalid|expired|terminated|does not exist|no longer)"
    r"|(no valid|invalid|unknown|missing|expired|could not find|no active|no such|not find).{0,40}session"
    r"|server not initialized",
    re.IGNORECASE | re.DOTALL,
)


def names_lost_session(message: str) -> bool:
    """Whether the message of a JSON-RPC error can only mean this: the error of a tool may read much alike."""
    return message in _EXACTLY


def is_stale(status: int, body: bytes) -> bool:
    """Whether a server refused a request that named a session because it does not know that session.

    Such a request was not executed: it was refused before anybody looked at what it is.
    """
    text = body[:_LOOKED_AT].decode("utf-8", "replace")
    if _error(text).get("code") in _ABOUT_THE_CALL:
        return False
    return status in _GONE or (status in _IN_WORDS and bool(_WORDS.search(text)))


def _error(text: str) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    error = answer.get("error") if isinstance(answer, dict) else None
    return error if isinstance(error, dict) else {}
