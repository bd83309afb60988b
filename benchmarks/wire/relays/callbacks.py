"""The leanest relay: what a gateway costs in Python that is all callbacks, without a task or a future for a call.

`python -m benchmarks.wire.relays.callbacks CONFIG [--http PORT] [--uvloop]`. It lists all servers of CONFIG on each
`tools/list`, prefixes their names, and does nothing else that a gateway does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from benchmarks.wire.relays.callbacks_pipes import PipeBack, serve_pipes
from benchmarks.wire.relays.shared import Json, about, answer, connected, merged, routed, run

Reply = Callable[[Json], None]


class Back(Protocol):
    """A connection to one backend."""

    async def open(self) -> None:
        """Be ready to send."""
        ...

    def send(self, message: Json, reply: Reply) -> None:
        """Send a request; its answer comes with the id that it was sent with."""
        ...


class Relay:
    """Routes calls, merges lists."""

    def __init__(self, backs: dict[str, Back]) -> None:
        self._backs = backs
        self._ready = False
        self._early: list[tuple[Json, Reply]] = []

    async def open(self) -> None:
        """Open all backends; requests that come before wait."""
        await asyncio.gather(*(back.open() for back in self._backs.values()))
        self._ready = True
        for message, reply in self._early:
            self.handle(message, reply)

    def handle(self, message: Json, reply: Reply) -> None:
        """Answer one request, now or later."""
        method = message["method"]
        if method == "tools/call" and self._ready:
            self._backs[routed(message)].send(message, reply)
        elif method in ("tools/call", "tools/list") and not self._ready:
            self._early.append((message, reply))
        elif method == "tools/list":
            self._list(message, reply)
        else:
            reply(answer(message, about(method)))

    def _list(self, message: Json, reply: Reply) -> None:
        lists: dict[str, Json] = {}

        def one(alias: str, answered: Json) -> None:
            lists[alias] = answered["result"]
            if len(lists) == len(self._backs):
                reply(answer(message, merged({alias: lists[alias] for alias in self._backs})))

        for alias, back in self._backs.items():
            back.send(dict(message), lambda answered, alias=alias: one(alias, answered))  # type: ignore[misc]  # a default


def backs(config: Json) -> dict[str, Back]:
    """One connection for each server."""

    def over_http(url: str, opening: Json | None) -> Back:
        from benchmarks.wire.relays.callbacks_web import HttpBack  # what has no HTTP behind starts without

        return HttpBack(url, opening)

    return connected(config, over_http, PipeBack)


async def main(config: Json, port: int | None) -> None:
    """Serve until the client hangs up."""
    relay = Relay(backs(config))
    if port is not None:
        from benchmarks.wire.relays.callbacks_web import serve_web

        await relay.open()
        await serve_web(relay.handle, port)
    else:
        serving = asyncio.get_running_loop().create_task(serve_pipes(relay.handle))
        await relay.open()
        await serving


if __name__ == "__main__":
    run(main)
