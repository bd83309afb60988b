"""A gateway as the SDK's documentation shows it: its low-level server in front, its clients behind, nothing tuned.

`python -m benchmarks.wire.relays.sdk CONFIG [--http PORT]`; each server of CONFIG has an `era`. Without servers, it is
the plain SDK server.
"""

from __future__ import annotations

import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
import uvicorn
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

Json = dict[str, Any]
MODES = {"handshake": "legacy", "stateless": "2026-07-28"}


def client(server: Json) -> Client:
    """A client of one server."""
    target = server.get("url") or StdioServerParameters(command=server["command"], args=server["args"])
    return Client(target, mode=MODES[server["era"]])


async def clients(servers: Json, stack: AsyncExitStack) -> dict[str, Client]:
    """All clients, connected."""
    return {alias: await stack.enter_async_context(client(server)) for alias, server in servers.items()}


def relay(found: dict[str, Client]) -> Server[Any]:
    """The server in front."""

    async def lists(_context: Any, _params: Any) -> types.ListToolsResult:
        tools = []
        for alias, behind in found.items():
            own = (await behind.session.list_tools()).tools
            tools += [tool.model_copy(update={"name": f"{alias}__{tool.name}"}) for tool in own]
        return types.ListToolsResult(tools=tools)

    async def calls(_context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        alias, _, name = params.name.partition("__")
        return await found[alias].session.call_tool(name, params.arguments or {})

    return Server("relay", on_list_tools=lists, on_call_tool=calls)


async def main(words: list[str], config: Json) -> None:
    """Serve as the command line says."""
    servers = config["mcpServers"]
    async with AsyncExitStack() as stack:
        server = relay(await clients(servers, stack))
        if "--http" in words:
            port = int(words[words.index("--http") + 1])
            app = server.streamable_http_app()
            await uvicorn.Server(uvicorn.Config(app, port=port, log_level="error")).serve()
            return
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())


def read(path: str) -> Json:
    """A config."""
    found: Json = json.loads(Path(path).read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    anyio.run(main, sys.argv[1:], read(sys.argv[1]))
