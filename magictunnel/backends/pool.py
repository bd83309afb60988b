"""All supervisors by name: started side by side, asked by name."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from functools import partial

import anyio

from magictunnel.backends.base import Link
from magictunnel.backends.states import Status
from magictunnel.backends.supervisor import Supervisor
from magictunnel.catalog.model import Json
from magictunnel.errors import BackendUnavailable, CallError
from magictunnel.wire.caller import Caller

_PATIENCE = 5.0
"""Seconds that a server may take to be told something that no call waits for."""

logger = logging.getLogger(__name__)


class Pool:
    """The backends of one gateway."""

    def __init__(self, supervisors: Iterable[Supervisor]) -> None:
        self._supervisors = {supervisor.name: supervisor for supervisor in supervisors}

    def __repr__(self) -> str:
        return f"Pool({list(self._supervisors.values())!r})"

    async def run(self) -> None:
        """Keep all of them alive until cancelled; none can hold up or end another."""
        async with anyio.create_task_group() as tasks:
            for supervisor in self._supervisors.values():
                tasks.start_soon(supervisor.run, name=f"supervisor {supervisor.name}")

    async def settled(self, within: float) -> None:
        """Wait until each has made its first attempt, at most `within` seconds."""
        with anyio.move_on_after(within):
            for supervisor in self._supervisors.values():
                await supervisor.settled()

    def get(self, backend: str) -> Supervisor:
        """The supervisor of one backend.

        Raises:
            BackendUnavailable: there is none of that name.
        """
        supervisor = self._supervisors.get(backend)
        if supervisor is None:
            raise BackendUnavailable(backend, "it is not configured any more")
        return supervisor

    async def link_for(self, backend: str, caller: Caller) -> Link:
        """The link to one backend that a call of `caller` takes. See `Supervisor.link_for`."""
        return await self.get(backend).link_for(caller)

    async def welcome(self, *, stateless: bool) -> None:
        """Learn what servers that speak both eras promise in the one of a client that comes."""
        async with anyio.create_task_group() as tasks:
            for supervisor in self._supervisors.values():
                tasks.start_soon(partial(supervisor.welcome, stateless=stateless))

    async def settle_levels(self, session: str) -> None:
        """Have the servers of a client's session send the log messages that are wanted now."""
        await self._for_each(session, lambda link: link.settle_level())

    async def tell(self, session: str, method: str, params: Json, to: Collection[str] | None = None) -> None:
        """Send a notification of a client's session to the servers of its own era that serve it; only `to` these."""
        await self._for_each(session, lambda link: link.tell(method, params), to)

    async def _for_each(
        self, session: str, do: Callable[[Link], Awaitable[None]], names: Collection[str] | None = None
    ) -> None:
        """Over every open connection of the handshake era that serves this session; one that fails stops no other."""

        async def one(name: str, link: Link) -> None:
            try:
                with anyio.move_on_after(_PATIENCE):
                    await do(link)
            except CallError as error:
                logger.debug("%s: %s", name, error)

        async with anyio.create_task_group() as tasks:
            for name, supervisor in self._supervisors.items():
                for link in supervisor.links(session):
                    if not link.stateless and (names is None or name in names):
                        tasks.start_soon(one, name, link)

    @property
    def status(self) -> Mapping[str, Status]:
        """Each backend's status, by name, in configured order."""
        return {name: supervisor.status for name, supervisor in self._supervisors.items()}
