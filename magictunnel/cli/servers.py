"""`magictunnel servers`: servers in, out, on, off, opened anew and listed anew, while gateways run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from magictunnel.catalog.model import Json
from magictunnel.cli import inspect
from magictunnel.cli.again import again
from magictunnel.cli.change import changed
from magictunnel.cli.options import AsJson, Config
from magictunnel.cli.session import run
from magictunnel.cli.show import say
from magictunnel.cli.steer import config_in_use, config_to_write
from magictunnel.cli.trial import Done, brought_up, let_go
from magictunnel.config.edit import with_enabled, with_server, without_server
from magictunnel.config.model import Era, Start, Transport
from magictunnel.config.rules import is_needed
from magictunnel.errors import ConfigError

Keep = Annotated[bool, typer.Option("--keep", help="Leave it in the config even if it does not come up now.")]
Pairs = list[str] | None

servers = typer.Typer(
    name="servers",
    help="Add, remove, switch and restart servers while gateways run; alone: list them.",
    add_completion=False,
)


@servers.callback(invoke_without_command=True)
def alone(ctx: typer.Context, config: Config = None, as_json: AsJson = False) -> None:
    """Add, remove, switch and restart servers while gateways run; alone: list them."""
    if ctx.invoked_subcommand is None:
        inspect.list_("servers", config, as_json)
    elif config is not None or as_json:
        raise typer.BadParameter("write options behind the subcommand", ctx)


@servers.command("list")
def list_(config: Config = None, as_json: AsJson = False) -> None:
    """The same as `list servers`."""
    inspect.list_("servers", config, as_json)


@servers.command(no_args_is_help=True)
def add(
    name: str,
    command: Annotated[list[str] | None, typer.Argument(help="-- COMMAND ARGS..., of a server to start.")] = None,
    url: Annotated[str | None, typer.Option("--url", help="Of a server to reach over HTTP.")] = None,
    header: Annotated[Pairs, typer.Option("--header", metavar="K=V", help="Sent to it with each request.")] = None,
    env: Annotated[Pairs, typer.Option("--env", metavar="K=V", help="For its environment.")] = None,
    cwd: Annotated[str | None, typer.Option("--cwd", metavar="DIR", help="Where it is started.")] = None,
    type_: Annotated[Transport | None, typer.Option("--type", help="How it is reached.")] = None,
    era: Annotated[Era | None, typer.Option("--era", help="Which era of the protocol to speak with it.")] = None,
    start: Annotated[Start | None, typer.Option("--start", help="With us, or by its first call.")] = None,
    keep: Keep = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Write a server into the config, if it comes up: in every gateway that serves it, at once."""

    async def main() -> int:
        entry: Json = {"url": url, "headers": _pairs("--header", header), "type": type_ and type_.value}
        entry |= dict(zip(("command", "args"), (command[0], command[1:]), strict=True)) if command else {}
        entry |= {"env": _pairs("--env", env), "cwd": _folder(cwd)}
        entry |= {"era": era and era.value, "start": start and start.value}
        entry = {key: value for key, value in entry.items() if value}
        file = config_to_write(config)
        change = changed(file, name, lambda text, of: with_server(text, of, name, entry), to_serve=True, or_new=True)
        if change.before is None:
            say(f"note: there is no {file} yet; it is made", "dim")
        return await brought_up(change, name, Done.ADDED, keep=keep, as_json=as_json)

    run(main)


@servers.command(no_args_is_help=True)
def enable(name: str, keep: Keep = False, config: Config = None, as_json: AsJson = False) -> None:
    """Switch a server on in the config, if it comes up."""

    async def main() -> int:
        return await switched_on(config_in_use(config), name, keep=keep, as_json=as_json)

    run(main)


@servers.command(no_args_is_help=True)
def disable(name: str, config: Config = None, as_json: AsJson = False) -> None:
    """Switch a server off in the config; what its calls need to end, they have."""

    async def main() -> int:
        return await switched_off(config_in_use(config), name, as_json=as_json)

    run(main)


@servers.command(no_args_is_help=True)
def remove(name: str, config: Config = None, as_json: AsJson = False) -> None:
    """Take a server out of the config."""

    async def main() -> int:
        file = config_in_use(config)
        change = changed(file, name, lambda text, of: without_server(text, of, name), to_serve=False)
        if name in change.config.servers:
            say(f"note: {change.config.file_of(name)} has one of that name, which is served now", "yellow")
        return await let_go(change, name, Done.REMOVED, as_json=as_json)

    run(main)


@servers.command(no_args_is_help=True)
def restart(name: str, config: Config = None, as_json: AsJson = False) -> None:
    """Open a server anew in every gateway that has it."""
    run(lambda: again(config, name, "restart", as_json=as_json))


@servers.command(no_args_is_help=True)
def refresh(name: str, config: Config = None, as_json: AsJson = False) -> None:
    """List a server anew in every gateway that has it."""
    run(lambda: again(config, name, "refresh", as_json=as_json))


# --- on and off


async def switched_on(file: Path, name: str, *, keep: bool, as_json: bool = False) -> int:
    """Switch a server on in `file`, if it comes up, or to `keep` it anyway; the exit code."""
    change = changed(file, name, lambda text, of: with_enabled(text, of, name, enabled=True), to_serve=True)
    return await brought_up(change, name, Done.ENABLED, keep=keep, as_json=as_json)


async def switched_off(file: Path, name: str, *, as_json: bool = False) -> int:
    """Switch a server off in `file`, for all who serve it; the exit code."""
    change = changed(file, name, lambda text, of: with_enabled(text, of, name, enabled=False), to_serve=False)
    server = change.config.servers.get(name)
    if server and is_needed(server, change.config):
        say(f"note: {name} goes on for its tools that are enabled by themselves", "yellow")
    return await let_go(change, name, Done.DISABLED, as_json=as_json)


# --- what is typed


def _pairs(option: str, given: Sequence[str] | None) -> dict[str, str]:
    pairs = [word.partition("=") for word in given or ()]
    for key, sign, _ in pairs:
        if not (key and sign):
            raise ConfigError(f"{option} {key!r} is not K=V", hint=f"write it like {option} NAME=VALUE")
    return {key: value for key, _, value in pairs}


def _folder(cwd: str | None) -> str | None:
    """A folder as it is seen from here, for a file that may lie elsewhere."""
    return cwd if not cwd or cwd.startswith(("~", "${")) else os.path.abspath(cwd)
