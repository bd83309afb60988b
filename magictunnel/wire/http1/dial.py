"""A connected socket to a host that may have several addresses, not all of which work."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import Any

import anyio

HEAD_START = 0.25
"""Seconds that one address has to answer before the next is tried beside it (RFC 8305)."""

Info = tuple[int, int, int, str, Any]
"""One address, as `getaddrinfo` gives it."""


def in_turns(infos: Sequence[Info]) -> list[Info]:
    """The addresses in an order in which the families take turns, the first one first. Pure."""
    first = [info for info in infos if info[0] == infos[0][0]]
    others = [info for info in infos if info[0] != infos[0][0]]
    return [info for info in chain.from_iterable(zip_longest(first, others)) if info is not None]


async def dial(host: str, port: int) -> socket.socket:
    """A socket that is connected to the first address of `host` which answers.

    Raises:
        OSError: none does.
    """
    infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return await first_to_answer(in_turns(infos))


async def first_to_answer(infos: Sequence[Info]) -> socket.socket:
    """See `dial`."""
    race = _Race(infos)
    await race.run()
    if race.winner is None:
        raise race.errors[0] if race.errors else OSError("it has no address")
    return race.winner


class _Race:
    def __init__(self, infos: Sequence[Info]) -> None:
        self._infos = infos
        self.winner: socket.socket | None = None
        self.errors: list[OSError] = []

    async def run(self) -> None:
        try:
            async with anyio.create_task_group() as tasks:
                for info in self._infos:
                    failed = anyio.Event()
                    tasks.start_soon(self._try, info, failed, tasks.cancel_scope)
                    with anyio.move_on_after(HEAD_START):
                        await failed.wait()
        except BaseException:
            if self.winner is not None:
                self.winner.close()
            raise

    async def _try(self, info: Info, failed: anyio.Event, race: anyio.CancelScope) -> None:
        family, kind, protocol, _, address = info
        try:
            tried = socket.socket(family, kind, protocol)
        except OSError as error:  # this system does not have that family
            self.errors.append(error)
            failed.set()
            return
        try:
            tried.setblocking(False)
            tried.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(tried, address)
            if self.winner is None:
                self.winner, tried = tried, None  # type: ignore[assignment]  # it is the caller's now
                race.cancel()
        except OSError as error:
            self.errors.append(error)
            failed.set()
        finally:
            if tried is not None:
                tried.close()
