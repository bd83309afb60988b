"""`python -m tests.conformance.everything`: serve on a free port of loopback, and print where."""

from __future__ import annotations

import logging
import socket
import warnings

import anyio
import uvicorn
from mcp.shared.exceptions import MCPDeprecationWarning

from tests.conformance.everything.events import Events
from tests.conformance.everything.server import Everything
from tests.conformance.everything.tasks import Tasks

HOST = "127.0.0.1"
_RETRY = 100
"""Milliseconds after which a client whose stream was closed is to come back."""


async def serve(listener: socket.socket) -> None:
    """Serve until a signal."""
    async with anyio.create_task_group() as group:
        app = Everything(Tasks(group)).streamable_http_app(event_store=Events(), retry_interval=_RETRY)
        # h11 strips the blanks around header values, as HTTP asks; httptools, where it is installed, does not.
        config = uvicorn.Config(app, http="h11", log_level="warning", timeout_graceful_shutdown=1)
        await uvicorn.Server(config).serve([listener])
        group.cancel_scope.cancel()


def main() -> None:
    """Take a port, say which, serve."""
    # Half of what the suite asks for is deprecated in the newest revision.
    warnings.filterwarnings("ignore", category=MCPDeprecationWarning)
    logging.getLogger("mcp").setLevel(logging.ERROR)
    # Named as TCP, or asyncio would not set TCP_NODELAY on what it accepts.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind((HOST, 0))
    print(f"http://{HOST}:{listener.getsockname()[1]}/mcp", flush=True)
    anyio.run(serve, listener)


if __name__ == "__main__":
    main()
