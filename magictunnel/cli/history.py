"""What servers came to offer, and when: `diff`, from the store alone."""

from __future__ import annotations

import difflib
import os
import re
import time
from collections.abc import Iterable, Iterator, Set
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import anyio
import typer

from magictunnel.catalog.compare import compare
from magictunnel.catalog.model import Json, Kind, Listing
from magictunnel.cli.session import load_config, run
from magictunnel.cli.show import counted, say, show_json, show_rows
from magictunnel.config.changes import identity
from magictunnel.config.model import Config
from magictunnel.config.rules import is_needed
from magictunnel.config.values import parse_duration
from magictunnel.errors import ConfigError, UnknownEntry
from magictunnel.store.database import open_database
from magictunnel.store.listings import Listings, Version, steps
from magictunnel.store.place import store_path
from magictunnel.telemetry import start_logging

_DAYS = re.compile(r"(?P<days>\d+(?:\.\d+)?)\s*d")
_DAY = 86_400.0

Step = tuple[Version | None, Version]
"""A change: the version before it (None: nothing is known from before), and the one it led to."""

_Told = tuple[Version | None, Version, Listing | None, Listing]
"""A change, and what was offered before and after."""


def diff(
    server: Annotated[str | None, typer.Argument(help="Only this server.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="All changes since then: 2h, 3d, 2026-11-20, 2026-11-20T09:30.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The config, or any host's mcpServers file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what changed in what servers offer: the last change of each, or all since a time. Starts no server."""

    async def main() -> int:
        begin = None if since is None else parse_when(since, time.time())
        read = load_config(config)
        start_logging("warning", lambda text: text)  # nothing here has ever seen a secret
        told = await _told(store_path(read, os.environ), server, read, begin)
        if as_json:
            show_json([_facts(*one) for one in told])
        else:
            show_rows(("when", "server", "change", "of", "how"), [row for one in told for row in _rows(*one)])
        return 0

    run(main)


def parse_when(text: str, now: float) -> float:
    """Seconds of the epoch: an ISO date or time (local, if it names no zone), or as long before `now` as `3d` says.

    Raises:
        ConfigError: it is neither.
    """
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError, OSError):
        days = _DAYS.fullmatch(text.strip())
        ago = float(days["days"]) * _DAY if days else parse_duration(text)
    if not isinstance(ago, float):
        raise ConfigError(f"--since {text!r} is no time", hint="write it like 2h, 3d, 2026-11-20 or 2026-11-20T09:30")
    return now - ago


def choose(known: Iterable[Step], begin: float | None) -> list[Step]:
    """Of the steps, oldest first, those since `begin` (seconds of the epoch); without it, the last of each server."""
    if begin is not None:
        return [step for step in known if step[1].at >= begin]
    last = {step[1].server: step for step in known}
    return sorted(last.values(), key=lambda step: step[1].id)


async def _told(path: Path | None, server: str | None, config: Config, begin: float | None) -> list[_Told]:
    """What there is to tell, oldest first; why there is less than was asked for is said.

    Raises:
        UnknownEntry: neither config nor store know a `server` of that name.
        StoreError: the store cannot be used.
    """
    if path is None:
        say("note: the store is off, so nothing is kept of what servers offered", "yellow")
        return []
    if not await anyio.Path(path).exists():
        _wanted(server, config, frozenset())
        return []
    async with open_database(path) as database:
        listings = Listings(database)
        history = await listings.history()
        wanted = _wanted(server, config, {version.server for version in history})
        chosen = choose(_own(steps(version for version in history if version.server in wanted), config), begin)
        found = await listings.read({version for step in chosen for version in step if version})
    if wanted and not chosen and begin is not None:
        say("note: nothing has changed since then", "yellow")
    readable = [step for step in chosen if all(version is None or version.id in found for version in step)]
    return [(before, after, found[before.id] if before else None, found[after.id]) for before, after in readable]


def _wanted(server: str | None, config: Config, kept: Set[str]) -> list[str]:
    """The servers that are asked about and of which something is kept. The others are named on stderr."""
    known = config.servers.keys() | kept
    if server is not None and server not in known:
        close = difflib.get_close_matches(server, sorted(known), n=2)
        meant = f"did you mean {' or '.join(close)}?" if close else "see `magictunnel list servers`"
        raise UnknownEntry("server", server, hint=meant)
    needed = [name for name, entry in config.servers.items() if is_needed(entry, config)]
    asked = needed if server is None else [server]
    if missing := [name for name in asked if name not in kept]:
        hint = "a gateway keeps what it lists: `magictunnel serve`"
        say(f"note: nothing is kept yet of what {', '.join(missing)} offered ({hint})", "yellow")
    return [name for name in asked if name in kept]


def _own(known: Iterable[Step], config: Config) -> Iterator[Step]:
    """Without those of servers that other configs call by the same name, or that we once did."""
    known = list(known)
    ways = {(name, identity(entry)) for name, entry in config.servers.items()}
    found = {after.server for _, after in known if (after.server, after.identity) in ways}
    return (step for step in known if step[1].server not in found or (step[1].server, step[1].identity) in ways)


def _rows(_before: Version | None, after: Version, old: Listing | None, new: Listing) -> Iterator[tuple[str, ...]]:
    when = (_local(after.at), after.server)
    if old is None:
        yield (*when, "listed", "", counted(_counts(new)) or "nothing")
    else:
        yield from ((*when, *row) for row in compare(old, new).rows())


def _facts(before: Version | None, after: Version, old: Listing | None, new: Listing) -> Json:
    return {
        "server": after.server,
        "at": _iso(after.at),
        "before": before and _iso(before.at),
        "counts": {kind.value: count for kind, count in _counts(new).items()},
        "changes": None if old is None else compare(old, new).as_json(),
    }


def _counts(listing: Listing) -> dict[Kind, int]:
    return {kind: len(listing.entries.get(kind, ())) for kind in Kind}


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def _local(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")
