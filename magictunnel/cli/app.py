"""The root command: its subcommands, its exit codes, and the version."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import Annotated, Any

import typer
import typer.core
import typer.main

from magictunnel import __version__

_WHERE = {
    "serve": "serve:serve",
    "list": "inspect:list_",
    "inspect": "inspect:inspect",
    "call": "inspect:call",
    "read": "inspect:read",
    "prompt": "inspect:prompt",
    "check": "inspect:check",
    "diff": "history:diff",
    "status": "status:status",
    "doctor": "doctor:doctor",
    "search": "search:search",
    "stats": "stats:stats",
    "show": "visibility:show",
    "hide": "visibility:hide",
    "enable": "visibility:enable",
    "disable": "visibility:disable",
    "eval": "eval:evaluate",
    "servers": "servers:servers",
    "generate": "generate:generate",
    "capabilities": "capabilities:capabilities",
}
"""Command -> where it is, as `module:name` in this package."""


class _Commands(MutableMapping[str, Any]):
    """Commands by name, each imported when it is first looked at: most of them need much that the others do not."""

    def __init__(self) -> None:
        self._built: dict[str, Any] = dict.fromkeys(_WHERE)

    def __getitem__(self, name: str) -> Any:
        self._built[name] = self._built[name] or _built(name)
        return self._built[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._built[name] = command

    def __delitem__(self, name: str) -> None:
        del self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._built)

    def __len__(self) -> int:
        return len(self._built)


def _built(name: str) -> Any:
    module, _, attribute = _WHERE[name].partition(":")
    found = getattr(import_module(f"magictunnel.cli.{module}"), attribute)
    if isinstance(found, typer.Typer):
        return typer.main.get_command(found)
    alone = typer.Typer(add_completion=False)
    alone.command(name)(found)
    return typer.main.get_command(alone)


class _Root(typer.core.TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands()


app = typer.Typer(
    cls=_Root,
    name="magictunnel",
    help="One MCP server in front of many.",
    epilog="Exit codes: 0 done; 1 done, and it failed (a tool's error, a server that is down); 2 it could not be done "
    "(a wrong option, an unusable config, no such name).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"magictunnel {__version__}")
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
