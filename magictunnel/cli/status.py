"""`magictunnel status`: how the servers of running gateways are, once or again and again."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import anyio
import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from magictunnel.admin.reach import Running
from magictunnel.catalog.model import Json
from magictunnel.cli.facts import found_by, lines, row
from magictunnel.cli.options import AsJson, Config
from magictunnel.cli.session import ENDED, FAILED, run
from magictunnel.cli.show import is_terminal, show_json, show_rows
from magictunnel.cli.steer import meant, no_such_server
from magictunnel.cli.times import span
from magictunnel.errors import ConfigError

EVERY = 2.0
"""Seconds between two looks."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One gateway, and its servers as they were at one moment."""

    gateway: Running
    at: float
    """Seconds of the epoch, by the clock of that gateway."""
    servers: list[Json]
    discovery: Json
    """What its clients are shown of many tools."""

    @property
    def as_json(self) -> Json:
        gateway = self.gateway
        about = {"pid": gateway.pid, "since": gateway.since, "config": gateway.config, "serves": gateway.serves}
        return about | {"at": self.at, "servers": self.servers, "discovery": self.discovery}


Look = Callable[[], Awaitable[list[Sight]]]


def status(
    server: Annotated[str | None, typer.Argument(help="Only this one.")] = None,
    config: Config = None,
    every_one: Annotated[bool, typer.Option("--all", help="Of every gateway, whatever its config.")] = False,
    as_json: AsJson = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Look again and again, until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option("--every", help="Seconds between two looks.", min=0.1)] = EVERY,
) -> None:
    """Show how the servers of running gateways are; exit code 1 if one is down, 2 if no gateway runs."""

    async def look() -> list[Sight]:
        return await _seen(server, config, every_one=every_one)

    async def main() -> int:
        sights = await look()
        if watch:
            await (_watched(look, every) if is_terminal() and not as_json else _repeated(look, every, as_json))
        _show(sights, as_json)
        return FAILED if any(facts["is_down"] for sight in sights for facts in sight.servers) else 0

    run(main, when_ended=0 if watch else ENDED)


async def _seen(server: str | None, config: Path | None, *, every_one: bool) -> list[Sight]:
    """Every gateway that is meant. Raises ConfigError: there is none, or none has that server."""
    sights = [sight for gateway in await meant(config, every=every_one) if (sight := await _sight(gateway))]
    if server is None:
        return sights
    known = [facts["server"] for sight in sights for facts in sight.servers]
    if server not in known:
        raise no_such_server(server, known)
    chosen = [
        replace(sight, servers=[facts for facts in sight.servers if facts["server"] == server]) for sight in sights
    ]
    return [sight for sight in chosen if sight.servers]


async def _sight(gateway: Running) -> Sight | None:
    try:
        told = await gateway.ask("status")
    except ConfigError:
        return None  # it has ended just now
    return Sight(gateway, told["at"], told["servers"], told.get("discovery") or {})


async def _watched(look: Look, every: float) -> None:
    """Show them again and again in the same place of a terminal."""
    with Live(console=_wrapping(), auto_refresh=False) as live:
        while True:
            try:
                live.update(Group(*_page(await look())), refresh=True)
            except ConfigError as error:
                live.update(Text(str(error), style="yellow"), refresh=True)
            await anyio.sleep(every)


async def _repeated(look: Look, every: float, as_json: bool) -> None:
    """Show them again and again for a program: a line of JSON each time, or a block that ends in an empty line."""
    while True:
        sights: list[Sight] = []
        with suppress(ConfigError):  # none runs any more, or not yet again
            sights = await look()
        if as_json:
            sys.stdout.write(json.dumps([sight.as_json for sight in sights]) + "\n")
        else:
            show_rows((), [*_rows(sights), ()])
        sys.stdout.flush()
        await anyio.sleep(every)


def _show(sights: list[Sight], as_json: bool) -> None:
    if as_json:
        show_json([sight.as_json for sight in sights])
    elif is_terminal():
        _wrapping().print(Group(*_page(sights)))
    else:
        show_rows((), _rows(sights))


def _wrapping() -> Console:
    """The terminal, on which lines are wrapped between words."""
    return Console(highlight=False)


def _rows(sights: list[Sight]) -> list[tuple[str, ...]]:
    return [row(sight.gateway.pid, facts) for sight in sights for facts in sight.servers]


def _page(sights: list[Sight]) -> Iterator[RenderableType]:
    for number, sight in enumerate(sights):
        gateway = sight.gateway
        up = span(time.time() - gateway.since)
        head = f"gateway {gateway.pid}, up {up}: {gateway.serves}, {gateway.config}"
        yield Text(("\n" if number else "") + head, style="dim")
        if sight.discovery:
            yield Text(found_by(sight.discovery), style="dim")
        if sight.servers:
            yield from lines(sight.servers, sight.at)
        else:
            yield Text("it has no servers", style="yellow")
