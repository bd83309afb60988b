"""Many clients over HTTP: `/mcp` in both eras, `/sse` for clients of the first revisions, `/health`."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, NamedTuple

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
from starlette.types import ASGIApp, Receive, Scope, Send

from magictunnel.config.model import DEFAULT_SESSION_IDLE_TIMEOUT
from magictunnel.front.events import SessionManager
from magictunnel.front.handoff import Handoff
from magictunnel.front.hot import HotRequests
from magictunnel.front.listener import listen_on as listen_on
from magictunnel.front.pinned import PinnedSessions
from magictunnel.front.protocol import hot_protocol
from magictunnel.front.server import FrontServer
from magictunnel.front.workers import Worker
from magictunnel.wire.ours import is_ours

MAX_BODY = 64 * 1024 * 1024
"""Bytes in one request."""
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_PATH = "/mcp"
_RETRY_INTERVAL = 500
"""Milliseconds after which a client whose stream was closed comes back."""
_SHUTDOWN = 1
"""Seconds that open connections have to end."""
_KEEP_ALIVE = 75
"""Seconds that an idle connection is kept for the client's next request."""


def http_app(server: FrontServer, manager: SessionManager, worker: Worker | None = None) -> ASGIApp:
    """The ASGI application: all that we serve over HTTP. `worker`: which one of several we are."""
    messages = worker.messages if worker else "/messages/"
    sse = SseServerTransport(messages, security_settings=manager.security_settings, max_request_body_size=MAX_BODY)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with manager.run(), anyio.create_task_group() as tasks:
            tasks.start_soon(server.run_aside)
            yield
            tasks.cancel_scope.cancel()

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    app = Starlette(
        routes=[
            Route(_PATH, StreamableHTTPASGIApp(manager)),
            Route("/sse", _SseEndpoint(server, sse), methods=["GET"]),
            Mount(messages, app=sse.handle_post_message),
            Route("/health", health, methods=["GET"]),
        ],
        lifespan=lifespan,
    )
    return PinnedSessions(app, worker) if worker else app


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


class Among(NamedTuple):
    """A worker's dealings with the others."""

    handoff: Handoff
    hear: Callable[[bytes], None]
    """Told what another one has to tell."""
    up: Callable[[], None]
    """Told when connections are served."""


async def serve_http(
    server: FrontServer,
    listener: socket.socket,
    session_idle_timeout: float = DEFAULT_SESSION_IDLE_TIMEOUT,
    among: Among | None = None,
) -> None:
    """Serve on `listener` until cancelled. Sessions that are not in use for so many seconds are ended.

    `among`: there are several workers.
    """
    handoff = among.handoff if among else None
    manager = SessionManager(
        server,
        security_settings=_own_web(listener.getsockname()[0]),
        max_request_body_size=MAX_BODY,
        retry_interval=_RETRY_INTERVAL,
        session_idle_timeout=session_idle_timeout,
    )
    config = uvicorn.Config(
        http_app(server, manager, handoff.worker if handoff else None),
        http=_protocol(HotRequests(server, manager.touch), handoff),
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
                server.handlers.streams.close()  # while there is somebody to say so
                web.should_exit = True

        tasks.start_soon(stop_when_cancelled)
        if among is not None:
            tasks.start_soon(_deal, among, web)
        with anyio.CancelScope(shield=True):
            await web.serve([listener])
        tasks.cancel_scope.cancel()


async def _deal(among: Among, web: _Uvicorn) -> None:
    """Serve what other workers hand over, as if it had come in here."""
    await web.up.wait()
    among.up()

    async def adopt(connection: socket.socket, request: bytes) -> None:
        try:
            protocol = partial(web.protocol, first=request)
            await asyncio.get_running_loop().connect_accepted_socket(protocol, connection)
        except BaseException:
            connection.close()
            raise

    await among.handoff.serve(adopt, among.hear)


def _own_web(host: str) -> TransportSecuritySettings:
    """Requests that a web page of another origin made a browser send are refused."""
    hosts = sorted({*_LOOPBACK, f"[{host}]" if ":" in host else host})
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=[*hosts, *(f"{one}:*" for one in hosts)],
        allowed_origins=[f"http://{one}:*" for one in hosts],
    )


def _protocol(hot: HotRequests, handoff: Handoff | None) -> Any:
    """What reads requests and writes answers; of uvicorn's own, the one that takes white space off header values."""
    if not (is_ours() or handoff):
        return "h11"
    return hot_protocol(hot, MAX_BODY, _KEEP_ALIVE, handoff)


class _Uvicorn(uvicorn.Server):
    """Leaves signals to whoever runs the whole process, and says when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = anyio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See `uvicorn.Server.startup`."""
        await super().startup(sockets)
        self.up.set()

    def protocol(self, first: bytes) -> asyncio.Protocol:
        """What serves a connection that did not come in here."""
        make: Any = self.config.http_protocol_class
        made: asyncio.Protocol = make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state, first=first
        )
        return made

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
