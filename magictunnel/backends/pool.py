"""All supervisors by name: started side by side, asked by name."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from functools import partial

import anyio
from anyio.abc import TaskGroup

from magictunnel.backends.base import Link
from magictunnel.backends.states import Status
from magictunnel.backends.stats import Stats
from magictunnel.backends.supervisor import Supervisor
from magictunnel.catalog.model import Json
from magictunnel.errors import BackendUnavailable, CallError
from magictunnel.wire.caller import Caller

_PATIENCE = 5.0
"""Seconds that a server may take to be told something that no call waits for."""

_GLANCE = 0.05
"""Seconds between two looks at whether calls are still under way."""
_DRAIN = 5.0
"""Seconds that the calls of a backend have to end that is removed, or started anew."""

logger = logging.getLogger(__name__)


class _Run:
    """A supervisor that is being run."""

    def __init__(self) -> None:
        self.scope = anyio.CancelScope()
        self.over = anyio.Event()


class Pool:
    """The backends of one gateway. They may come and go while it runs."""

    def __init__(self, supervisors: Iterable[Supervisor] = ()) -> None:
        self._supervisors = {supervisor.name: supervisor for supervisor in supervisors}
        self._tasks: TaskGroup | None = None
        self._runs: dict[Supervisor, _Run] = {}

    def __repr__(self) -> str:
        return f"Pool({list(self._supervisors.values())!r})"

    async def run(self) -> None:
        """Keep all of them alive until cancelled; none can hold up or end another."""
        try:
            async with anyio.create_task_group() as self._tasks:
                for supervisor in self._supervisors.values():
                    self._tasks.start_soon(self._keep, supervisor, name=f"supervisor {supervisor.name}")
                await anyio.sleep_forever()
        finally:
            self._tasks = None

    def add(self, supervisor: Supervisor) -> None:
        """Keep one more, or one in the place of another of its name: calls wait until that has ended."""
        former = self._supervisors.get(supervisor.name)
        self._supervisors[supervisor.name] = supervisor
        if former is not None:
            supervisor.followed.take_over(former.followed)
            supervisor.listed.recall(former.listed.current)
            former.give_up(is_run=former in self._runs)
        if self._tasks is not None:
            self._tasks.start_soon(self._succeed, supervisor, name=f"supervisor {supervisor.name}")

    def remove(self, backend: str) -> None:
        """Keep it no longer; its calls in flight have a moment to end."""
        supervisor = self._supervisors.pop(backend)
        supervisor.give_up(is_run=supervisor in self._runs)
        if self._tasks is not None:
            self._tasks.start_soon(self._end, supervisor)

    def order(self, names: Iterable[str]) -> None:
        """The order in which they are shown; those that are not named come last."""
        rank = {name: position for position, name in enumerate(names)}
        found = sorted(self._supervisors.items(), key=lambda item: rank.get(item[0], len(rank)))
        self._supervisors = dict(found)

    async def _succeed(self, supervisor: Supervisor) -> None:
        """Keep one when nobody of its name is kept any more, unless another one is wanted by then."""
        while former := next((one for one in self._runs if one.name == supervisor.name), None):
            await self._end(former)
        if self._supervisors.get(supervisor.name) is supervisor:
            await self._keep(supervisor)

    async def _keep(self, supervisor: Supervisor) -> None:
        self._runs[supervisor] = run = _Run()
        try:
            with run.scope:
                await supervisor.run()
        except Exception:
            logger.exception("%s is not kept any more: this is a defect of MagicTunnel, report it", supervisor.name)
        finally:
            del self._runs[supervisor]
            run.over.set()

    async def _end(self, supervisor: Supervisor) -> None:
        run = self._runs.get(supervisor)
        if run is None:
            return
        with anyio.move_on_after(_DRAIN):
            while supervisor.stats.in_flight:
                await anyio.sleep(_GLANCE)
        run.scope.cancel()
        await run.over.wait()

    @property
    def is_known(self) -> bool:
        """Whether it is known of each what it offers."""
        return all(supervisor.is_known for supervisor in self._supervisors.values())

    async def settled(self, within: float) -> None:
        """Wait until it is known of each what it offers, or that it fails; at most `within` seconds."""
        with anyio.move_on_after(within):
            for supervisor in tuple(self._supervisors.values()):
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

    def link_now(self, backend: str, caller: Caller) -> Link | None:
        """The same as `link_for`, if it is there at once. See `Supervisor.link_now`."""
        supervisor = self._supervisors.get(backend)
        return None if supervisor is None else supervisor.link_now(caller)

    async def link_for(self, backend: str, caller: Caller) -> Link:
        """The link to one backend that a call of `caller` takes. See `Supervisor.link_for`."""
        while True:
            supervisor = self.get(backend)
            try:
                return await supervisor.link_for(caller)
            except BackendUnavailable:
                if self._supervisors.get(backend) in (supervisor, None):
                    raise  # else another one keeps it now

    def missed(self, backend: str) -> None:
        """A call of that one has run into its deadline."""
        if supervisor := self._supervisors.get(backend):
            supervisor.missed()

    def is_welcome(self, *, stateless: bool) -> bool:
        """Whether `welcome` would learn nothing more."""
        return all(supervisor.is_welcome(stateless=stateless) for supervisor in self._supervisors.values())

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

    @property
    def stats(self) -> Mapping[str, Stats]:
        """What the calls of each backend came to, by name."""
        return {name: supervisor.stats for name, supervisor in self._supervisors.items()}
