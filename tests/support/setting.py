"""A gateway of a whole Config: for keys that `world` does not set, in this process or as one of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from magictunnel.config.model import Config, ServerConfig
from magictunnel.front.http import listen_on, serve_http
from magictunnel.front.server import FrontServer
from magictunnel.gateway import build, running
from tests.support.process import Tunnel, config_file, tunnel
from tests.support.raw import Json
from tests.support.world import World

NO_STORE = {"MAGICTUNNEL_STORE": "off"}


@asynccontextmanager
async def set_up(servers: Mapping[str, ServerConfig], **keys: Any) -> AsyncIterator[World]:
    """A gateway in this process, over HTTP and in memory; `keys` of the top level of a config."""
    async with AsyncExitStack() as stack:
        config = Config(servers=servers, **keys)
        gateway = await stack.enter_async_context(running(build(config)))
        front = FrontServer(gateway)
        listener = listen_on("127.0.0.1", 0)
        stack.callback(listener.close)
        tasks = await stack.enter_async_context(anyio.create_task_group())
        tasks.start_soon(serve_http, front, listener, config.session_idle_timeout)
        stack.callback(tasks.cancel_scope.cancel)
        yield World(gateway, front, {}, listener.getsockname()[1])


def written(config: ServerConfig) -> Json:
    """A server's entry as it stands in a file."""
    return config.model_dump(mode="json", exclude_unset=True)


@asynccontextmanager
async def over_http(
    folder: Path, servers: Mapping[str, Json], env: Mapping[str, str] | None = None, **keys: Any
) -> AsyncIterator[tuple[Tunnel, int]]:
    """`magictunnel serve --http` as a process of its own, and its port; nothing is stored unless `env` says where."""
    config = config_file(folder, servers, **keys)
    async with tunnel("serve", "--http", "127.0.0.1:0", "-c", str(config), env={**NO_STORE, **(env or {})}) as host:
        yield host, int((await host.said(r"http://127\.0\.0\.1:(\d+)/mcp"))[1])
