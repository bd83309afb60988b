"""What gateways have counted: `stats`, from the store alone."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import anyio
import typer

from magictunnel.catalog.model import Json
from magictunnel.cli.session import load_config, run
from magictunnel.cli.show import say, show_json, show_rows
from magictunnel.cli.steer import no_such_server
from magictunnel.cli.times import ago, stamp
from magictunnel.config.model import Config
from magictunnel.discovery.usage import Event
from magictunnel.errors import ConfigError
from magictunnel.store.database import open_database
from magictunnel.store.place import store_path
from magictunnel.store.usage import Counters, Counts, Key
from magictunnel.telemetry import start_logging

Usages = Mapping[Key, Counts]


def stats(
    what: Annotated[str, typer.Argument(help="tools")] = "tools",
    server: Annotated[str | None, typer.Option("--server", help="Only of this one.")] = None,
    sort: Annotated[Event, typer.Option("--sort", help="What there is most of comes first.")] = Event.CALLED,
    limit: Annotated[int | None, typer.Option("--limit", help="So many at most.", min=1)] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The config, or any host's mcpServers file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how often each tool was found, shown, chosen and called through discovery, and failed. Starts no server."""

    async def main() -> int:
        if what != "tools":
            raise ConfigError(f"nothing is counted of {what!r}", hint="magictunnel stats tools")
        read = load_config(config)
        start_logging("warning", lambda text: text)  # nothing here has ever seen a secret
        chosen = ranked(await _meant(read, server), sort)[:limit]
        if as_json:
            show_json([_facts(*one) for one in chosen])
        else:
            now = time.time()
            show_rows(("server", "tool", *Event, "last"), [_row(*one, now) for one in chosen])
        return 0

    run(main)


def ranked(usages: Usages, sort: Event) -> list[tuple[Key, Counts]]:
    """The tools with the highest counts of `sort` first; by name where they are equal."""
    return sorted(usages.items(), key=lambda one: (-getattr(one[1], sort.value), one[0]))


async def _meant(config: Config, server: str | None) -> Usages:
    """What is counted of `server`, or of all servers of the config; why there is nothing is said.

    Raises:
        ConfigError: neither config nor store know a `server` of that name.
        StoreError: the store cannot be used.
    """
    path = store_path(config, os.environ)
    if path is None:
        say("note: the store is off, so nothing is kept of what tools are used", "yellow")
    kept = await _kept(path)
    known = config.servers.keys() | {name for name, _ in kept}
    if server is not None and server not in known:
        raise no_such_server(server, sorted(known))
    wanted = config.servers.keys() if server is None else {server}
    usages = {key: counts for key, counts in kept.items() if key[0] in wanted}
    if path is not None:
        _tell_what_is_missing(usages, known - wanted if server is None else set(), server)
    return usages


async def _kept(path: Path | None) -> Usages:
    if path is None or not await anyio.Path(path).exists():
        return {}
    async with open_database(path) as database:
        return await Counters(database).read()


def _tell_what_is_missing(usages: Usages, others: set[str], server: str | None) -> None:
    if not usages:
        whose = f" of {server}" if server else ""
        say(
            f"note: nothing has been counted yet{whose} (a gateway counts what its clients find and call:"
            " `magictunnel serve`)",
            "yellow",
        )
    if others:
        say(f"note: left out is {', '.join(sorted(others))}, not in this config (--server NAME shows it)", "dim")


def _row(key: Key, counts: Counts, now: float) -> tuple[str, ...]:
    return (*key, *(str(getattr(counts, event.value)) for event in Event), ago(counts.last, now))


def _facts(key: Key, counts: Counts) -> Json:
    server, tool = key
    return {"server": server, "tool": tool} | asdict(counts) | {"last": stamp(counts.last)}
