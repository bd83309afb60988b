"""What a request carries besides its params, per era: the `_meta` envelope and the HTTP headers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from mcp.shared.inbound import (
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    NAME_BEARING_METHODS,
    encode_header_value,
    mcp_param_headers,
)
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    LOG_LEVEL_META_KEY,
    PROTOCOL_VERSION_META_KEY,
    SERVER_INFO_META_KEY,
)

from magictunnel import __version__
from magictunnel.catalog.model import Json
from magictunnel.wire.caller import Caller, progress_token
from magictunnel.wire.codec import joined, without
from magictunnel.wire.http1.head import Fields
from magictunnel.wire.written import unsent

CLIENT_INFO = {"name": "magictunnel", "title": "MagicTunnel", "version": __version__}
"""Who we are to a backend."""

HeaderMap = Mapping[tuple[str, ...], str]
"""Path of an argument -> the header it is mirrored in, for tools with `x-mcp-header` annotations."""

_OWNED_BY_ONE_CONNECTION = frozenset(
    {
        "progressToken",
        "io.modelcontextprotocol/subscriptionId",
        PROTOCOL_VERSION_META_KEY,
        CLIENT_INFO_META_KEY,
        CLIENT_CAPABILITIES_META_KEY,
        LOG_LEVEL_META_KEY,
        SERVER_INFO_META_KEY,
    }
)


def forwardable(meta: Any) -> Json:
    """The part of a `_meta` object that is meant for the other end, not for the connection it came over."""
    if not isinstance(meta, dict):
        return {}
    return {key: value for key, value in meta.items() if key not in _OWNED_BY_ONE_CONNECTION}


def enveloped(params: Json, version: str, caller: Caller, number: int, *, stateless: bool) -> Json:
    """`params` as this connection sends them: without the caller's envelope, with ours where the era has one.

    Progress is asked for where the caller asked for it, under our own request's number.
    """
    if not stateless and "_meta" not in params:
        return params
    stated = params.get("_meta")
    meta = {} if isinstance(stated, dict) and stated.keys() <= _OWNED_BY_ONE_CONNECTION else forwardable(stated)
    if progress_token(params) is not None:
        meta["progressToken"] = number
    if stateless:
        meta[PROTOCOL_VERSION_META_KEY] = version
        meta[CLIENT_INFO_META_KEY] = CLIENT_INFO
        meta[CLIENT_CAPABILITIES_META_KEY] = caller.capabilities
        if level := caller.log_level or (None if caller.stateless or not caller.session else "debug"):
            meta[LOG_LEVEL_META_KEY] = level
    if meta:
        return {**params, "_meta": meta}
    return {key: value for key, value in params.items() if key != "_meta"}


def headers(method: str, params: Json, version: str, *, stateless: bool, mirrored: HeaderMap) -> Mapping[str, str]:
    """The HTTP headers that go with a request; transports without headers ignore them.

    Raises:
        BadParams: what is mirrored in them is no whole text.
    """
    if not stateless:
        return _routing(version, "", None)
    name = params.get("taskId" if method.startswith("tasks/") else NAME_BEARING_METHODS.get(method, ""))
    try:
        sent = _routing(version, method, name if isinstance(name, str) else None)
        arguments = params.get("arguments")
        if mirrored and isinstance(arguments, dict):
            return sent | mcp_param_headers(mirrored, arguments)
    except UnicodeEncodeError as error:
        raise unsent(error) from error
    return sent


@lru_cache(maxsize=256)
def _routing(version: str, method: str, name: str | None) -> Fields:
    """What stands in a message, for whoever reads only headers."""
    sent = Fields({MCP_PROTOCOL_VERSION_HEADER: version})
    if method:
        sent[MCP_METHOD_HEADER] = method
    if name is not None:
        sent[MCP_NAME_HEADER] = encode_header_value(name)
    return sent


def inner_result(result: Json) -> Json:
    """A backend's result without what belongs to its connection: the same from a server of either era."""
    kept: Json = {}
    meta = result.get("_meta")
    if isinstance(meta, dict) and not _OWNED_BY_ONE_CONNECTION.isdisjoint(meta):
        result, kept = without(result, "_meta"), forwardable(meta)
    if result.get("resultType") == "complete":
        result = without(result, "resultType")
    return joined(result, {"_meta": kept}) if kept else result
