"""What both raw relays do alike: how they open, route calls, merge lists, and are started. Pure but for the start."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import orjson

Json = dict[str, Any]
T = TypeVar("T")
HANDSHAKE, STATELESS = "2025-11-25", "2026-07-28"
ABOUT: Json = {"name": "relay", "version": "1"}
INITIALIZE: Json = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": ABOUT}
INITIALIZED: Json = {"jsonrpc": "2.0", "method": "notifications/initialized"}
STATED: Json = {"capabilities": {"tools": {}}, "serverInfo": ABOUT}


def request(method: str, params: Json) -> Json:
    """A request of the relay's own."""
    return {"jsonrpc": "2.0", "id": 0, "method": method, "params": params}


def line(message: Json) -> bytes:
    """A message as it goes over a pipe."""
    return orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE)


def connected(
    config: Json, over_http: Callable[[str, Json | None], T], over_pipes: Callable[[list[str], Json | None], T]
) -> dict[str, T]:
    """One connection for each server, made from its URL or the words that start it, and how it is opened."""
    found = {}
    for alias, server in config["mcpServers"].items():
        opening = INITIALIZE if server["era"] == "handshake" else None
        is_http = "url" in server
        words = [] if is_http else [server["command"], *server["args"]]
        found[alias] = over_http(server["url"], opening) if is_http else over_pipes(words, opening)
    return found


def routed(message: Json) -> str:
    """The server that a call is for; the call then has the name that the tool has there."""
    params = message["params"]
    alias, _, params["name"] = params["name"].partition("__")
    return str(alias)


def answer(message: Json, result: Json) -> Json:
    """The answer to a request."""
    return {"jsonrpc": "2.0", "id": message["id"], "result": result}


def about(method: str) -> Json:
    """What is answered without asking a server."""
    if method == "initialize":
        return STATED | {"protocolVersion": HANDSHAKE}
    if method == "server/discover":
        cache = {"ttlMs": 0, "cacheScope": "private", "resultType": "complete"}
        return STATED | cache | {"supportedVersions": [STATELESS]}
    return {}


def merged(lists: dict[str, Json]) -> Json:
    """One result of the results of all servers, whose tools get names that tell whose they are."""
    tools = []
    for alias, result in lists.items():
        for tool in result["tools"]:
            tool["name"] = f"{alias}__{tool['name']}"
        tools += result["tools"]
    return next(iter(lists.values())) | {"tools": tools}


def run(main: Callable[[Json, int | None], Coroutine[Any, Any, None]]) -> None:
    """`CONFIG [--http PORT] [--uvloop]`: serve it, on that port or stdin and stdout."""
    words = sys.argv[1:]
    config = json.loads(Path(words[0]).read_text(encoding="utf-8"))
    serving = main(config, int(words[words.index("--http") + 1]) if "--http" in words else None)
    if "--uvloop" in words:
        import uvloop

        uvloop.run(serving)
    else:
        asyncio.run(serving)
