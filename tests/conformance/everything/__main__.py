"""`python -m tests.conformance.everything`: serve on a free port of loopback and print where, or serve over stdio."""

from __future__ import annotations

import argparse
import logging
import socket
import warnings
from typing import Any

import anyio
import uvicorn
from anyio.streams.memory import MemoryObjectSendStream
from mcp.server.runner import serve_dual_era_loop, serve_loop
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCRequest

from tests.conformance.everything.events import Events
from tests.conformance.everything.server import Everything, wrong_version
from tests.conformance.everything.tasks import Tasks

HOST = "127.0.0.1"
ERAS = ("both", "handshake", "stateless")
_RETRY = 100
"""Milliseconds after which a client whose stream was closed is to come back."""


async def serve(era: str, listener: socket.socket) -> None:
    """Serve until a signal."""
    async with anyio.create_task_group() as group:
        app = Everything(Tasks(group), era).streamable_http_app(event_store=Events(), retry_interval=_RETRY)
        # h11 strips the blanks around header values, as HTTP asks; httptools, where it is installed, does not.
        config = uvicorn.Config(app, http="h11", log_level="warning", timeout_graceful_shutdown=1)
        await uvicorn.Server(config).serve([listener])
        group.cancel_scope.cancel()


async def serve_stdio(era: str) -> None:
    """Serve until stdin ends."""
    async with anyio.create_task_group() as group, stdio_server() as (read, write):
        server = Everything(Tasks(group), era)
        if era == "handshake":
            await serve_loop(server, read, write, lifespan_state=None)
        elif era == "stateless":
            # The loop would stay in the era of an opening, even of one that is refused.
            kept, received = anyio.create_memory_object_stream[SessionMessage | Exception](0)
            group.start_soon(_refuse_handshakes, read, write, kept)
            await serve_dual_era_loop(server, received, write, lifespan_state=None)
        else:
            await serve_dual_era_loop(server, read, write, lifespan_state=None)
        group.cancel_scope.cancel()


async def _refuse_handshakes(read: Any, write: Any, kept: MemoryObjectSendStream[SessionMessage | Exception]) -> None:
    async with kept:
        async for item in read:
            message = item.message if isinstance(item, SessionMessage) else None
            if isinstance(message, JSONRPCRequest) and message.method == "initialize":
                error = wrong_version(str((message.params or {}).get("protocolVersion"))).error
                await write.send(SessionMessage(JSONRPCError(jsonrpc="2.0", id=message.id, error=error)))
            else:
                await kept.send(item)


def main() -> None:
    """Do as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--era", choices=ERAS, default=ERAS[0], help="the only one it speaks (default: %(default)s)")
    parser.add_argument("--stdio", action="store_true")
    options = parser.parse_args()
    # Half of what the suite asks for is deprecated in the newest revision.
    warnings.filterwarnings("ignore", category=MCPDeprecationWarning)
    logging.getLogger("mcp").setLevel(logging.ERROR)
    if options.stdio:
        anyio.run(serve_stdio, options.era)
        return
    # Named as TCP, or asyncio would not set TCP_NODELAY on what it accepts.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind((HOST, 0))
    print(f"http://{HOST}:{listener.getsockname()[1]}/mcp", flush=True)
    anyio.run(serve, options.era, listener)


if __name__ == "__main__":
    main()
