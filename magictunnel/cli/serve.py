"""`magictunnel serve`: over stdio for the host that started us, or over HTTP for many."""

from __future__ import annotations

from typing import Annotated

import typer

from magictunnel.cli.options import Config
from magictunnel.cli.session import LOOPS
from magictunnel.telemetry import LEVELS


def serve(
    ctx: typer.Context,
    config: Config = None,
    stdio: Annotated[bool, typer.Option("--stdio", help="Serve the host that started us.")] = False,
    http: Annotated[
        str | None, typer.Option("--http", help="Serve many clients.", metavar="HOST:PORT", envvar="MAGICTUNNEL_HTTP")
    ] = None,
    log_level: Annotated[
        str, typer.Option("--log-level", help="/".join(LEVELS), envvar="MAGICTUNNEL_LOG_LEVEL")
    ] = "info",
    loop: Annotated[
        str, typer.Option("--loop", help=f"The event loop: {'/'.join(LOOPS)}.", envvar="MAGICTUNNEL_LOOP")
    ] = "auto",
    workers: Annotated[
        int,
        typer.Option("--workers", help="Processes that serve over HTTP side by side.", envvar="MAGICTUNNEL_WORKERS"),
    ] = 1,
) -> None:
    """Serve everything behind one MCP server. Without --stdio: over HTTP on 127.0.0.1:8420."""
    from magictunnel.cli.serving import DEFAULT_ADDRESS, serve_host, serve_many  # its help goes without

    if not stdio:
        raise typer.Exit(serve_many(config, log_level, loop, http or DEFAULT_ADDRESS, workers))
    too = next((f"--{option}" for option in ("http", "workers") if _was_typed(ctx, option)), "")
    raise typer.Exit(serve_host(config, log_level, loop, too=too))


def _was_typed(ctx: typer.Context, option: str) -> bool:
    """Whether an option stands on the command line; a command line wins over the environment."""
    source = ctx.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"
