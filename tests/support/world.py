"""A gateway in front of scripted servers, and clients in front of the gateway: over any transport, in either era."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from mcp.client.client import Client
from mcp.client.session import IncomingMessage
from mcp.client.sse import sse_client

from magictunnel.backends.base import Backend
from magictunnel.backends.states import State
from magictunnel.catalog.model import Json
from magictunnel.config.discovery import DiscoveryConfig, Mode
from magictunnel.config.model import Config, Era, Naming, ServerConfig, Transport
from magictunnel.front.http import listen_on, serve_http
from magictunnel.front.server import FrontServer
from magictunnel.gateway import Gateway, build, running
from magictunnel.wire.caller import Rights, no_limits
from tests.support.raw import RawServer, Script, command
from tests.support.web import raw_http

TRANSPORTS = ("stdio", "http", "sse")
"""How a scripted server is reached."""
FRONTS = ("memory", "http", "sse")
"""How a client reaches the gateway in the test's own process. Over stdio: see `tests.support.process`."""
ERAS = ("handshake", "stateless")
CLIENT_MODE = {"handshake": "legacy", "stateless": "2026-07-28"}

LIST_ALL: Json = {"discovery": DiscoveryConfig(mode=Mode.OFF)}
"""For `world`: clients are shown everything, however much it is."""

PATIENCE = 15.0
"""Seconds that any wait of a test may take."""


@dataclass
class World:
    """A running gateway, and the scripted servers behind it that live in this process (those over HTTP and SSE)."""

    gateway: Gateway
    front: FrontServer
    servers: dict[str, RawServer] = field(default_factory=dict)
    port: int = 0

    @asynccontextmanager
    async def client(
        self, era: str = "stateless", front: str = "memory", on_message: Callable[[IncomingMessage], Any] | None = None
    ) -> AsyncIterator[Client]:
        """A real SDK client of the gateway; `on_message` hears every notification."""

        async def heard(message: IncomingMessage) -> None:
            if on_message is not None:
                on_message(message)

        targets: dict[str, Any] = {
            "memory": lambda: self.front,
            "http": lambda: f"http://127.0.0.1:{self.port}/mcp",
            "sse": lambda: sse_client(f"http://127.0.0.1:{self.port}/sse"),
        }
        async with Client(targets[front](), mode=CLIENT_MODE[era], cache=None, message_handler=heard) as client:  # type: ignore[arg-type]
            yield client

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait, boundedly, for something that other tasks make true."""
        with anyio.fail_after(PATIENCE):
            while not condition():
                await anyio.sleep(0.01)

    async def until_ready(self, *names: str) -> None:
        """Wait until these servers (all, if none is named) are ready."""
        wanted = names or tuple(self.gateway.status)
        await self.until(lambda: all(self.gateway.status[name].state is State.READY for name in wanted))


@asynccontextmanager
async def world(
    scripts: Sequence[Script] = (),
    tmp_path: Path | None = None,
    *,
    over: str = "stdio",
    backends: Sequence[Backend] = (),
    settings: dict[str, Json] | None = None,
    naming: Naming | None = None,
    page_size: int = 1_000,
    start_wait: float = 5.0,
    more: dict[str, ServerConfig] | None = None,
    rights: Rights = no_limits,
    **keys: Any,
) -> AsyncIterator[World]:
    """A gateway in front of `scripts` (each reached `over` stdio, http or sse), `backends` in process, and `more`.

    `settings` adds keys to the config entries of scripts, by name; `keys` are those of the top level of a config.
    """
    async with AsyncExitStack() as stack:
        servers: dict[str, RawServer] = {}
        entries = dict(more or {})
        for script in scripts:
            own = (settings or {}).get(script.name, {})
            if over == "stdio":
                assert tmp_path is not None
                words = command(script, tmp_path)
                entries[script.name] = ServerConfig(
                    type=Transport.STDIO, command=words[0], args=tuple(words[1:]), **own
                )
                continue
            server, port = await stack.enter_async_context(raw_http(script))
            servers[script.name] = server
            path = "sse" if over == "sse" else "mcp"
            entries[script.name] = ServerConfig(type=Transport(over), url=f"http://127.0.0.1:{port}/{path}", **own)
        config = Config(servers=entries, naming=naming or Naming(), start_wait=start_wait, **keys)
        gateway = build(config, backends=backends, rights=rights)
        await stack.enter_async_context(running(gateway))
        front = FrontServer(gateway, page_size)
        listener = listen_on("127.0.0.1", 0)
        stack.callback(listener.close)
        tasks = await stack.enter_async_context(anyio.create_task_group())
        tasks.start_soon(serve_http, front, listener)
        stack.callback(tasks.cancel_scope.cancel)
        yield World(gateway, front, servers, listener.getsockname()[1])


def python_server(path: str | Path, *args: str, **keys: Any) -> ServerConfig:
    """The config entry of a server that is a Python file."""
    return ServerConfig(type=Transport.STDIO, command=sys.executable, args=(str(path), *args), **keys)


def era_of(name: str) -> Era:
    """The config's word for an era."""
    return Era(name)
