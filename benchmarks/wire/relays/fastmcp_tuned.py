"""FastMCP with what its API offers for speed: one session kept for each server, lists cached, plain JSON answers; over
HTTP with httptools, which uvicorn takes by itself where it is installed.

`python fastmcp_tuned.py CONFIG [--http PORT] [--uvloop]`, with the Python that FastMCP is installed in.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import fastmcp
import uvloop
from fastmcp import Client, FastMCP
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport
from fastmcp.server.providers.proxy import ProxyProvider

MODES = {"handshake": "legacy", "stateless": "2026-07-28"}
KEPT = 3600.0
"""Seconds that a list is kept."""


def client(server: dict[str, Any]) -> Client[Any]:
    """A client of one server."""
    if "url" in server:
        return Client(StreamableHttpTransport(server["url"]), mode=MODES[server["era"]])
    return Client(StdioTransport(server["command"], server["args"]), mode=MODES[server["era"]])


async def main(words: list[str], config: dict[str, Any]) -> None:
    """Serve as the command line says."""
    servers = config["mcpServers"]
    fastmcp.settings.json_response = True
    front: FastMCP[Any] = FastMCP("tuned")
    async with AsyncExitStack() as stack:
        for alias, server in servers.items():
            kept = await stack.enter_async_context(client(server))
            front.add_provider(ProxyProvider(lambda kept=kept: kept, cache_ttl=KEPT), namespace=alias)
        if "--http" in words:
            port = int(words[words.index("--http") + 1])
            await front.run_http_async(port=port, show_banner=False, log_level="error")
        else:
            await front.run_stdio_async(show_banner=False, log_level="error")


def read(path: str) -> dict[str, Any]:
    """A config."""
    found: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    run = uvloop.run if "--uvloop" in sys.argv else asyncio.run
    run(main(sys.argv[1:], read(sys.argv[1])))
