"""What an answer looks like in its caller's era. Pure."""

from __future__ import annotations

from mcp_types import SERVER_INFO_META_KEY

from magictunnel.catalog.model import Json
from magictunnel.errors import RESOURCE_NOT_FOUND, CallError, UnknownEntry
from magictunnel.front.decode import LISTS
from magictunnel.wire.codec import joined, without

CACHEABLE = frozenset({*LISTS, "resources/read"})
_HINTS = {"ttlMs": 0, "cacheScope": "private"}
"""What the stateless era adds to the results of these; the handshake era has no such fields."""


def encoded(result: Json, method: str, *, stateless: bool, server_info: Json) -> Json:
    """A result as the caller's era has it: the stateless one says what kind of result it is, and who answers."""
    if not stateless:
        return _without_hints(result) if method in CACHEABLE else result
    added: Json = {} if "resultType" in result else {"resultType": "complete"}
    if method in CACHEABLE and result.get("resultType", "complete") == "complete":
        added |= {name: hint for name, hint in _HINTS.items() if name not in result}
    meta = result.get("_meta")
    added["_meta"] = (meta if isinstance(meta, dict) else {}) | {SERVER_INFO_META_KEY: server_info}
    return joined(without(result, "_meta"), added)


def error_code(error: CallError, method: str, *, stateless: bool) -> int:
    """The JSON-RPC code that `error` has in the caller's era."""
    if isinstance(error, UnknownEntry) and method == "resources/read" and not stateless:
        return RESOURCE_NOT_FOUND
    return error.code


def _without_hints(result: Json) -> Json:
    for hint in _HINTS:
        result = without(result, hint)
    return result
