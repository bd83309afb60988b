"""A run of all probes: in each column by one client, of one server, directly or through MagicTunnel."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from tests.conformance.plan import BARE
from tests.conformance.probes.answers import ANSWERS
from tests.conformance.probes.probe import ERAS, PASSED, Probe
from tests.conformance.probes.seat import Seat
from tests.conformance.probes.talk import TALK
from tests.conformance.world import configured, everything, piped, reached, tunnel

BOTH = "both"
SERVERS = (*ERAS, BOTH)
"""The eras that the server under test speaks, by a switch of its own."""
DIRECT, HTTP, STDIO, PIPED = "direct", "http", "stdio", "piped"
WAYS = (HTTP, STDIO, PIPED)
"""Through MagicTunnel: http and stdio are how clients reach it. PIPED: over HTTP, and it starts the server itself."""
PROBES = ANSWERS.all | TALK.all


@dataclass(frozen=True)
class Column:
    """Who speaks to what: `way` is DIRECT or one of WAYS."""

    way: str
    client: str
    server: str

    @property
    def eras(self) -> str:
        return f"{self.client[0]}>{self.server[0]}"

    def __str__(self) -> str:
        return f"{self.way} {self.eras}"


Outcomes = dict[Column, dict[str, str]]
"""By column, then by probe: PASSED, or why not. A probe that has nothing to look at there is left out."""
Connect = Callable[[], AbstractAsyncContextManager[Any]]
"""A new connection, as the SDK's clients take one."""


async def ran(folder: Path, ways: Sequence[str]) -> Outcomes:
    """All probes, in all columns."""
    found: Outcomes = {}
    for server in SERVERS:
        async with everything(folder / server, server) as url:
            for client in ERAS:
                if server in (client, BOTH):
                    column = Column(DIRECT, client, server)
                    found[column] = await _column(column, lambda: streamable_http_client(url))
            for way in ways:
                found |= await _through(way, server, url, folder / server / way)
    return dict(sorted(found.items(), key=lambda item: _place(item[0])))


def _place(column: Column) -> tuple[int, int, int]:
    return (DIRECT, *WAYS).index(column.way), SERVERS.index(column.server), ERAS.index(column.client)


async def _through(way: str, server: str, url: str, folder: Path) -> Outcomes:
    columns = [Column(way, client, server) for client in ERAS]
    if way == STDIO:
        return {column: await _column(column, _started(url, folder / column.client)) for column in columns}
    async with tunnel(piped(server) if way == PIPED else reached(url), BARE, folder) as there:
        return {column: await _column(column, lambda: streamable_http_client(there)) for column in columns}


def _started(url: str, folder: Path) -> Connect:
    """A MagicTunnel of its own for each connection."""
    serve = ["-m", "magictunnel", "serve", "--stdio", "--log-level", "debug"]
    command = [*serve, "-c", str(configured(reached(url), BARE, folder))]

    @asynccontextmanager
    async def connected() -> AsyncIterator[Any]:
        with (folder / "magictunnel.log").open("a", encoding="utf-8") as log:
            async with stdio_client(StdioServerParameters(command=sys.executable, args=command), log) as streams:
                yield streams

    return connected


async def _column(column: Column, connect: Connect) -> dict[str, str]:
    left = [probe for probe in PROBES.values() if column.client in probe.eras]
    found: dict[str, str] = {}
    while left:
        try:
            async with Seat(column.client).opened(connect()) as seat:
                found |= await _until_one_fails(seat, left)
        except Exception as error:  # noqa: BLE001 a client that cannot even connect is an outcome too
            found.setdefault(left.pop(0).name, f"no connection: {error!r}")
    passed = sum(outcome == PASSED for outcome in found.values())
    print(f"probes   {column!s:18} {passed} of {len(found)}", file=sys.stderr, flush=True)
    return found


async def _until_one_fails(seat: Seat, left: list[Probe]) -> dict[str, str]:
    """The outcomes of probes, which are taken off the list. After a failure the next one is to have a new client."""
    found: dict[str, str] = {}
    while left:
        probe = left.pop(0)
        found[probe.name] = await probe.outcome(seat)
        if found[probe.name] != PASSED:
            break
    return found
