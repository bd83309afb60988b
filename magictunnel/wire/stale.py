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
_WORDS = re.compile(
    r"session.{0,80}(not found|unknown|invalid|expired|terminated|does not exist|no longer)"
    r"|(no valid|invalid|unknown|missing|expired|could not find|no active|no such|not find).{0,40}session"
    r"|server not initialized",
    re.IGNORECASE | re.DOTALL,
)


def is_stale(status: int, body: bytes) -> bool:
    """Whether a server refused a request that named a session because it does not know that session.

    Such a request was not executed: it was refused before anybody looked at what it is.
    """
    text = body[:_LOOKED_AT].decode("utf-8", "replace")
    answer = _answer(text)
    if _object(answer.get("error")).get("code") in _ABOUT_THE_CALL:
        return False
    if status in _GONE and not isinstance(answer.get("id"), int):  # with our id, it was looked at what was asked
        return True
    return status in (*_GONE, *_IN_WORDS) and bool(_WORDS.search(text))


def _answer(text: str) -> dict[str, Any]:
    try:
        return _object(json.loads(text))
    except (ValueError, RecursionError):
        return {}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
