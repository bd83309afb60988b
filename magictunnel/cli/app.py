"""The root command: its subcommands, its exit codes, and the version."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from magictunnel.cli import inspect, visibility
from magictunnel.cli.doctor import doctor
from magictunnel.cli.eval import evaluate
from magictunnel.cli.history import diff
from magictunnel.cli.search import search
from magictunnel.cli.serve import serve
from magictunnel.cli.servers import servers
from magictunnel.cli.stats import stats
from magictunnel.cli.status import status

app = typer.Typer(
    name="magictunnel",
    help="One MCP server in front of many.",
    epilog="Exit codes: 0 done; 1 done, and it failed (a tool's error, a server that is down); 2 it could not be done "
    "(a wrong option, an unusable config, no such name).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(serve)
app.command("list")(inspect.list_)
app.command()(inspect.inspect)
app.command()(inspect.call)
app.command()(inspect.read)
app.command()(inspect.prompt)
app.command()(inspect.check)
app.command()(diff)
app.add_typer(servers, name="servers")
app.command()(status)
app.command()(doctor)
app.command()(search)
app.command()(stats)
app.command()(visibility.show)
app.command()(visibility.hide)
app.command()(visibility.enable)
app.command()(visibility.disable)
app.command("eval")(evaluate)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"magictunnel {version('magictunnel')}")
        raise typer.Exit


@app.callback()
def root(
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """One MCP server in front of many: every tool, resource and prompt of all of them, merged and live."""
    del show_version  # its callback has done all there is to do


def main() -> None:
    """Run the command line."""
    app()
