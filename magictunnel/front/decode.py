"""What a request says: its era, its caller, its params, and what it is for. Raw JSON in, checked values out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_NAME_HEADER, decode_header_value
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    HEADER_MISMATCH,
    LOG_LEVEL_META_KEY,
    PROTOCOL_VERSION_META_KEY,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from magictunnel.catalog.find import MAX_NAME
from magictunnel.catalog.model import Json, Kind
from magictunnel.errors import BadParams
from magictunnel.front.inbound import Inbound
from magictunnel.front.sessions import MAX_NAME as MAX_CLIENT_NAME
from magictunnel.front.sessions import pipe
from magictunnel.wire.caller import LEVELS, QUESTIONS, Caller

LISTS = {
    "tools/list": Kind.TOOL,
    "prompts/list": Kind.PROMPT,
    "resources/list": Kind.RESOURCE,
    "resources/templates/list": Kind.TEMPLATE,
}
CALLS = {"tools/call": Kind.TOOL, "prompts/get": Kind.PROMPT, "resources/read": Kind.RESOURCE}
COMPLETE = "completion/complete"
_ASKABLE = frozenset(QUESTIONS.values())
_REFERENCES = {"ref/prompt": (Kind.PROMPT, "name"), "ref/resource": (Kind.TEMPLATE, "uri")}


def stateless_caller(params: Json) -> Caller:
    """Who sent a request of the stateless era: all there is to know stands in the request itself."""
    meta = params.get("_meta", {})
    info, capabilities = meta.get(CLIENT_INFO_META_KEY), meta.get(CLIENT_CAPABILITIES_META_KEY)
    name = info.get("name") if isinstance(info, dict) else None
    level = meta.get(LOG_LEVEL_META_KEY)
    return Caller(  # by position, which takes half as long
        name[:MAX_CLIENT_NAME] if name and isinstance(name, str) else "unnamed client",
        pipe.get(),
        True,
        capabilities if isinstance(capabilities, dict) else {},
        level if level is not None and level in LEVELS else None,
    )


def is_enveloped(params: Mapping[str, Any] | None) -> bool:
    """Whether these are the params of a request of the stateless era that is in order, as the SDK sees it."""
    meta = params.get("_meta") if params else None
    if not isinstance(meta, dict) or CLIENT_CAPABILITIES_META_KEY not in meta:
        return False
    return meta.get(PROTOCOL_VERSION_META_KEY) in MODERN_PROTOCOL_VERSIONS


def may_be_asked(caller: Caller, method: str) -> bool:
    """Whether this request of the stateless era can be answered with questions that its client can answer."""
    return caller.stateless and method in CALLS and not _ASKABLE.isdisjoint(caller.capabilities)


def addressee(method: str, params: Json) -> tuple[Kind, str]:
    """What kind of entry a request is for, and under which public name.

    Raises:
        BadParams: it does not say.
    """
    if method == COMPLETE:
        ref = params.get("ref")
        kind_and_key = _REFERENCES.get(str(ref.get("type"))) if isinstance(ref, dict) else None
        if not isinstance(ref, dict) or kind_and_key is None:
            raise BadParams("ref must be a ref/prompt or a ref/resource", hint="see completion/complete in the spec")
        kind, key = kind_and_key
        return kind, text(ref, key)
    kind = CALLS[method]
    if not isinstance(arguments := params.get("arguments"), dict) and arguments is not None:
        raise BadParams("arguments must be an object")
    return kind, text(params, kind.key)


def text(params: Json, key: str) -> str:
    """A string in `params`.

    Raises:
        BadParams: there is none, or it is too long.
    """
    value = params.get(key)
    if not isinstance(value, str):
        raise BadParams(f"{key} must be a string")
    if len(value) > MAX_NAME:
        raise BadParams(f"{key} is longer than {MAX_NAME} characters")
    return value


def level(params: Json) -> str:
    """The level in the params of `logging/setLevel`.

    Raises:
        BadParams: there is no such level.
    """
    wanted = text(params, "level")
    if wanted not in LEVELS:
        raise BadParams(f"level must be one of {', '.join(LEVELS)}")
    return wanted


def task_id(inbound: Inbound) -> str:
    """The task that a request is for; empty where it is for all. The SDK checks the name in the header only for what
    the core knows, so here it is checked as well.

    Raises:
        BadParams: it names none.
        MCPError: the header names another one.
    """
    if inbound.method == "tasks/list":
        return ""
    name = text(inbound.params, "taskId")
    stated = inbound.headers.get(MCP_NAME_HEADER) if inbound.stateless else None
    if stated is not None and decode_header_value(stated) != name:
        raise MCPError(HEADER_MISMATCH, "Header mismatch: Mcp-Name is not the task that the request is for")
    return name
