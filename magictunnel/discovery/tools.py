"""The tools by which clients find others: their definitions. Short, because a client that searches reads them all."""

from __future__ import annotations

from magictunnel.catalog.model import Json, Kind, Listing
from magictunnel.config.discovery import DiscoveryConfig, Mode
from magictunnel.discovery.effects import Effect

MAX_LIMIT = 50
MAX_NAMES = 20
_REQUEST: Json = {"type": "string", "description": "What you want to do, in plain words"}
_SERVER: Json = {"type": "string", "description": "Only this server"}

FIND: Json = {
    "name": "find_tools",
    "description": "Find the tools that do what you want. Gives the best first, with how sure that is and by what each "
    "is called. Ask again in other words, or with `server`, if none fits.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "request": _REQUEST,
            "server": _SERVER,
            "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": 5},
            "detail": {
                "enum": ["name", "summary", "full"],
                "default": "summary",
                "description": "full: with input schemas",
            },
            "kind": {"enum": ["tool", "prompt", "resource", "any"], "default": "tool"},
            "tag": {"type": "string", "description": "Only what has this tag"},
        },
        "required": ["request"],
    },
    "annotations": {"title": "Find tools", "readOnlyHint": True, "openWorldHint": False},
}
DESCRIBE: Json = {
    "name": "describe_tools",
    "description": "The whole definitions of tools, by name: input schemas, annotations, and what their servers say.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "names": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MAX_NAMES},
        },
        "required": ["names"],
    },
    "annotations": {"title": "Describe tools", "readOnlyHint": True, "openWorldHint": False},
}
SMART: Json = {
    "name": "smart_tool_discovery",
    "description": "Find the right tool for a request, take its arguments from the words, and call it, once. If it is "
    "not clear which tool is meant, nothing is called, and you get the candidates and a question.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "request": _REQUEST,
            "arguments": {"type": "object", "description": "Arguments you know already; they win"},
            "context": {"type": "string", "description": "Earlier words in which values may stand"},
            "confidence_threshold": {"type": "number", "minimum": 0, "maximum": 1},
            "dry_run": {"type": "boolean", "description": "Only tell what would be called"},
        },
        "required": ["request"],
    },
    "annotations": {"title": "Find and call", "readOnlyHint": False, "destructiveHint": True, "openWorldHint": True},
}
_DOORS = {
    Effect.READ: ("Call a tool that only reads", {"readOnlyHint": True}),
    Effect.WRITE: (
        "Call a tool that changes things, but destroys none",
        {"readOnlyHint": False, "destructiveHint": False},
    ),
    Effect.DESTRUCTIVE: (
        "Call a tool that may destroy, or does not say",
        {"readOnlyHint": False, "destructiveHint": True},
    ),
}


def door(effect: Effect) -> Json:
    """The tool by which tools of one sort are called."""
    title, hints = _DOORS[effect]
    return {
        "name": effect.door,
        "description": f"{title}, by its name. Others are refused.",
        "inputSchema": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "arguments": {"type": "object"}},
            "required": ["name"],
        },
        "annotations": {"title": title, **hints, "openWorldHint": True},
    }


def script(about: str) -> Json:
    """The tool that runs scripts; `about`: how they are written, and what they may take."""
    return {
        "name": "run_script",
        "description": f"Run a script that calls tools under their names (describe_tools has signatures). {about}",
        "inputSchema": {"type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"]},
        "annotations": {
            "title": "Run a script",
            "readOnlyHint": False,
            "destructiveHint": True,
            "openWorldHint": True,
        },
    }


def listing(config: DiscoveryConfig, scripts: str = "") -> Listing:
    """What discovery offers. `scripts`: how they are written, if they can be run here."""
    tools = [FIND, DESCRIBE, *map(door, Effect), SMART, *([script(scripts)] if scripts else [])]
    promised: Json = {"tools": {"listChanged": True}} if config.mode is Mode.SEARCH else {}
    return Listing(dict.fromkeys(Kind, ()) | {Kind.TOOL: tuple(tools)}, promised)
