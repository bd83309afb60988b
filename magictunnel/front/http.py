"""Many clients over HTTP: `/mcp` in both eras, `/sse` for clients of the first revisions, `/health`."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import anyio
import uvicorn
from mcp.server.runner import serve_dual_era_loop
from mcp.server.sse import SseServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from magictunnel.config.model import DEFAULT_SESSION_IDLE_TIMEOUT
from magictunnel.errors import ConfigError
from magictunnel.front.events import SessionManager
from magictunnel.front.server import FrontServer

MAX_BODY = 64 * 1024 * 1024
"""Bytes in one request."""
_LOOPBACK = TransportSecuritySettings(
    enable_dns_rebinding_protection=True,
    allowed_hosts=["127.0.0.1:*", "localhost:*", "[::1]:*", "127.0.0.1", "localhost", "[::1]"],
    allowed_origins=["http://127.0.0.1:*", "http://localhost:*", "http://[::1]:*"],
)
"""Requests that a web page of another origin made a browser send are refused."""
_RETRY_INTERVAL = 500
"""Milliseconds after which a client whose stream was closed comes back."""
_SHUTDOWN = 1
"""Seconds that open connections have to end."""
_KEEP_ALIVE = 75
"""Seconds that an idle connection is kept for the client's next request."""


def http_app(server: FrontServer, session_idle_timeout: float = DEFAULT_SESSION_IDLE_TIMEOUT) -> Starlette:
    """The ASGI application: all that we serve over HTTP. Sessions without a request for so many seconds are ended."""
    manager = SessionManager(
        server,
        security_settings=_LOOPBACK,
        max_request_body_size=MAX_BODY,
        retry_interval=_RETRY_INTERVAL,
        session_idle_timeout=session_idle_timeout,
    )
    sse = SseServerTransport("/messages/", security_settings=_LOOPBACK, max_request_body_size=MAX_BODY)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with manager.run(), anyio.create_task_group() as tasks:
            tasks.start_soon(server.run_aside)
            yield
            tasks.cancel_scope.cancel()

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    return Starlette(
        routes=[
            Route("/mcp", StreamableHTTPASGIApp(manager)),
            Route("/sse", _SseEndpoint(server, sse), methods=["GET"]),
            Mount("/messages/", app=sse.handle_post_message),
            Route("/health", health, methods=["GET"]),
        ],
        lifespan=lifespan,
    )


class _SseEndpoint:
    """One session of the HTTP+SSE transport, for as long as its stream is open."""

    def __init__(self, server: FrontServer, sse: SseServerTransport) -> None:
        self._server = server
        self._sse = sse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A refused request has been answered when this ValueError comes.
        with contextlib.suppress(ValueError):
            async with self._sse.connect_sse(scope, receive, send) as (read, write):
                await serve_dual_era_loop(self._server, read, write, lifespan_state=None)


async def serve_http(
    server: FrontServer, listener: socket.socket, session_idle_timeout: float = DEFAULT_SESSION_IDLE_TIMEOUT
) -> None:
    """Serve on `listener` until cancelled. See `http_app`."""
    config = uvicorn.Config(
        http_app(server, session_idle_timeout),
        http="h11",  # unlike httptools it takes the white space off header values, as the protocol wants
        log_config=None,
        access_log=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_SHUTDOWN,
        lifespan="on",
    )
    web = _Uvicorn(config)
    async with anyio.create_task_group() as tasks:

        async def stop_when_cancelled() -> None:
            try:
                await anyio.sleep_forever()
            finally:
                web.should_exit = True

        tasks.start_soon(stop_when_cancelled)
        with anyio.CancelScope(shield=True):
            await web.serve([listener])
        tasks.cancel_scope.cancel()


class _Uvicorn(uvicorn.Server):
    """Leaves signals to whoever runs the whole process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen_on(host: str, port: int) -> socket.socket:
    """A bound, listening socket.

    Raises:
        ConfigError: the address is taken, is not ours, or can be reached by others.
    """
    if not _is_loopback(host):
        raise ConfigError(
            f"refusing to serve on {host}: whoever reaches it could use every tool",
            hint="serve on 127.0.0.1; to let others in, put a proxy that authenticates in front",
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, or asyncio would not set TCP_NODELAY on what it accepts, and each answer would take 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1_024)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror}",
            hint="choose another with --http HOST:PORT or MAGICTUNNEL_HTTP",
        ) from error
    return listener


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
