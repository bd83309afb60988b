"""`magictunnel serve`: over stdio for the host that started us, or over HTTP for many."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from pathlib import Path
from typing import Annotated

import anyio
import typer

from magictunnel.admin.channel import Channel
from magictunnel.backends.states import State
from magictunnel.catalog.model import Kind
from magictunnel.cli.facts import found_by
from magictunnel.cli.paste import pastes
from magictunnel.cli.session import load_config, run
from magictunnel.cli.show import counted, say
from magictunnel.errors import ConfigError
from magictunnel.front.http import listen_on, serve_http
from magictunnel.front.server import FrontServer
from magictunnel.front.stdio import serve_stdio
from magictunnel.gateway import Gateway, build, own_secrets, running
from magictunnel.reload import Reloader
from magictunnel.store.place import store_path
from magictunnel.telemetry import LEVELS, start_logging

_MOMENT = 1.0
"""Seconds for servers whose listing is known from before to come up, before it is said how they are."""
DEFAULT_ADDRESS = "127.0.0.1:8420"


def serve(
    ctx: typer.Context,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The config, or any host's mcpServers file.")
    ] = None,
    stdio: Annotated[bool, typer.Option("--stdio", help="Serve the host that started us.")] = False,
    http: Annotated[
        str | None, typer.Option("--http", help="Serve many clients.", metavar="HOST:PORT", envvar="MAGICTUNNEL_HTTP")
    ] = None,
    log_level: Annotated[
        str, typer.Option("--log-level", help="/".join(LEVELS), envvar="MAGICTUNNEL_LOG_LEVEL")
    ] = "info",
) -> None:
    """Serve everything behind one MCP server. Without --stdio: over HTTP on 127.0.0.1:8420."""
    both = stdio and _was_typed(ctx, "http")
    address = None if stdio else http or DEFAULT_ADDRESS
    run(lambda: _serve(config, address, log_level, both=both), when_ended=0)


def _was_typed(ctx: typer.Context, option: str) -> bool:
    """Whether an option stands on the command line; a command line wins over the environment."""
    source = ctx.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


async def _serve(path: Path | None, address: str | None, log_level: str, *, both: bool) -> int:
    if both:
        raise ConfigError("--stdio and --http exclude each other", hint="start one process for each")
    if log_level not in LEVELS:
        raise ConfigError(f"there is no log level {log_level!r}", hint=f"use one of {', '.join(LEVELS)}")
    config = load_config(path)
    secrets = own_secrets()
    start_logging(log_level, secrets.mask)
    for problem in config.problems:
        say(f"skipped: {problem}", "yellow")
    listener = listen_on(*_host_and_port(address)) if address else None
    gateway = build(config, secrets=secrets, store=store_path(config, os.environ))
    if listener is None:
        gateway.greet()
    async with running(gateway), anyio.create_task_group() as tasks:
        server = FrontServer(gateway)
        reloader = Reloader(gateway)
        url = _url(listener) if listener else ""
        tasks.start_soon(reloader.watch)
        tasks.start_soon(Channel(gateway, reloader, url or "stdio").serve)
        if listener is None:
            await serve_stdio(server)
        else:
            tasks.start_soon(_announce, gateway, config.file, url)
            await serve_http(server, listener, config.session_idle_timeout)
        tasks.cancel_scope.cancel()
    return 0


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/mcp"


async def _announce(gateway: Gateway, file: str, url: str) -> None:
    """Say what is merged and how to reach it, once the servers are up."""
    await gateway.settled()
    with anyio.move_on_after(_MOMENT):
        for name in gateway.status:
            await gateway.tried(name)
    catalog = gateway.live.current
    totals = counted({kind: len(catalog.of(kind)) for kind in Kind})
    say(f"\nMagicTunnel serves {totals or 'nothing yet'}:", "bold")
    for name, status in gateway.status.items():
        counts = counted(status.counts)
        is_down = status.failure is not None and status.state is not State.READY
        state = f"down: {status.failure.told}" if is_down and status.failure else status.state.value
        say(f"  {name}: {state}{f', {counts}' if counts else ''}")
    say(f"  {found_by(gateway.discovery_facts)}")
    say(f"\nAt {url} (and {url.removesuffix('/mcp')}/sse for older clients). To paste:", "bold")
    for host, text in pastes(_own_command(file), url):
        say(f"  {host}:\n    {text}")
    say("\nCtrl-C ends it.", "dim")


def _own_command(file: str) -> tuple[str, ...]:
    """What a host runs to start us with this config, from wherever it starts us."""
    program = shutil.which(sys.argv[0]) or sys.argv[0]
    return str(Path(program).absolute()), "serve", "--stdio", "-c", str(Path(file).absolute())


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not port.isdigit() or not 0 <= int(port) <= 65_535:
        raise ConfigError(f"{address!r} is not HOST:PORT", hint=f"write it like {DEFAULT_ADDRESS}")
    return host.strip("[]") or "127.0.0.1", int(port)
