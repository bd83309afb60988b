"""A server over stdio that echoes what it is called with: at once, after telling its progress, or after others."""

from __future__ import annotations

import json
import sys
from typing import Any

TOOLS = ("echo", "told", "slow")
"""Answers at once; tells its progress first; answers after the next call."""


def main() -> None:
    kept: list[dict[str, Any]] = []
    for line in sys.stdin.buffer:
        message = json.loads(line)
        method, params = message.get("method"), message.get("params") or {}
        if "id" not in message or method is None:
            continue
        if method == "tools/call" and params["name"] == "slow" and not kept:
            kept.append(message)
            continue
        if method == "tools/call" and params["name"] == "told":
            tell(params.get("_meta", {}).get("progressToken"))
        for one in (*kept, message) if method == "tools/call" else (message,):
            say({"jsonrpc": "2.0", "id": one["id"], **answer(one["method"], one.get("params") or {})})
        if method == "tools/call":
            kept.clear()


def tell(token: Any) -> None:
    if token is not None:
        said = {"progressToken": token, "progress": 1}
        say({"jsonrpc": "2.0", "method": "notifications/progress", "params": said})


def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
    if method == "initialize":
        about = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}}
        return {"result": about | {"serverInfo": {"name": "echo", "version": "1"}}}
    if method == "tools/list":
        return {"result": {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]}}
    if method == "tools/call":
        said = json.dumps(params.get("arguments"))
        return {"result": {"content": [{"type": "text", "text": said}]}}
    return {"result": {}} if method == "ping" else {"error": {"code": -32601, "message": "Method not found"}}


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


main()
