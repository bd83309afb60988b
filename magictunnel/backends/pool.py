"""All supervisors by name: started side by side, asked by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import anyio

from magictunnel.backends.base import Link
from magictunnel.backends.supervisor import Status, Supervisor
from magictunnel.errors import BackendUnavailable


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

    async def ready(self, backend: str) -> Link:
        """The link to one backend. See `Supervisor.ready`."""
        supervisor = self._supervisors.get(backend)
        if supervisor is None:
            raise BackendUnavailable(backend, "it is not configured any more")
        return await supervisor.ready()

    @property
    def status(self) -> Mapping[str, Status]:
        """Each backend's status, by name, in configured order."""
        return {name: supervisor.status for name, supervisor in self._supervisors.items()}
