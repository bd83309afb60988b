"""What an answer looks like in its caller's era. Pure."""

from __future__ import annotations

from mcp_types import SERVER_INFO_META_KEY

from magictunnel.catalog.model import Json
from magictunnel.errors import RESOURCE_NOT_FOUND, CallError, UnknownEntry
from magictunnel.front.decode import LISTS

CACHEABLE = frozenset({*LISTS, "resources/read"})
_HINTS = frozenset({"ttlMs", "cacheScope"})
"""What the stateless era adds to the results of these; the handshake era has no such fields."""


def encoded(result: Json, method: str, *, stateless: bool, server_info: Json) -> Json:
    """A result as the caller's era has it: the stateless one says what kind of result it is, and who answers."""
    if not stateless:
        return _without_hints(result) if method in CACHEABLE else result
    result = {"resultType": "complete"} | result
    if method in CACHEABLE and result["resultType"] == "complete":
        result = {"ttlMs": 0, "cacheScope": "private"} | result
    meta = result.get("_meta")
    return result | {"_meta": (meta if isinstance(meta, dict) else {}) | {SERVER_INFO_META_KEY: server_info}}


def error_code(error: CallError, method: str, *, stateless: bool) -> int:
    """The JSON-RPC code that `error` has in the caller's era."""
    if isinstance(error, UnknownEntry) and method == "resources/read" and not stateless:
        return RESOURCE_NOT_FOUND
    return error.code


def _without_hints(result: Json) -> Json:
    if _HINTS.isdisjoint(result):
        return result
    return {key: value for key, value in result.items() if key not in _HINTS}
