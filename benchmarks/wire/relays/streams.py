"""The floor: the shortest relay on asyncio's streams, written as asyncio's documentation teaches it.

`python -m benchmarks.wire.relays.streams CONFIG [--http PORT] [--uvloop]`. Each request runs in a task, and
awaits its answer. It lists all servers of CONFIG on each `tools/list`, prefixes their names, and does nothing else that
a gateway does.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from benchmarks.wire.relays.shared import Json, about, answer, connected, merged, routed, run
from benchmarks.wire.relays.streams_pipes import PipeBack, serve_pipes
from benchmarks.wire.relays.streams_web import HttpBack, serve_web


class Back(Protocol):
    """A connection to one backend."""

    async def open(self) -> None:
        """Be ready to be asked."""
        ...

    async def ask(self, message: Json) -> Json:
        """The answer to a request, with the id that it came with."""
        ...


class Relay:
    """Routes calls, merges lists."""

    def __init__(self, backs: dict[str, Back]) -> None:
        self._backs = backs

    async def open(self) -> None:
        """Open all backends."""
        await asyncio.gather(*(back.open() for back in self._backs.values()))

    async def handle(self, message: Json) -> Json:
        """The answer to one request."""
        method = message["method"]
        if method == "tools/call":
            return await self._backs[routed(message)].ask(message)
        if method == "tools/list":
            answers = await asyncio.gather(*(back.ask(dict(message)) for back in self._backs.values()))
            lists = (one["result"] for one in answers)
            return answer(message, merged(dict(zip(self._backs, lists, strict=True))))
        return answer(message, about(method))


def backs(config: Json) -> dict[str, Back]:
    """One connection for each server."""
    return connected(config, HttpBack, PipeBack)


async def main(config: Json, port: int | None) -> None:
    """Serve until the client hangs up."""
    relay = Relay(backs(config))
    await relay.open()
    if port is None:
        await serve_pipes(relay.handle)
    else:
        await serve_web(relay.handle, port)


if __name__ == "__main__":
    run(main)
