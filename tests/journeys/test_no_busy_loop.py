"""Failure mode 28: after some trouble with connections a core is busy for ever, or a scope was left in another task."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.lowlevel
import httpx2
import pytest
from mcp.client.client import Client
from mcp.shared.exceptions import MCPError

from tests.support.office import Office, site
from tests.support.rawclient import RawClient, local_http
from tests.support.world import PATIENCE, World, world

pytestmark = pytest.mark.anyio

TIMES = 200
AT_ONCE = 20
IDLE = 0.5
"""Seconds for which nothing is asked of us."""
MOST = 0.3
"""The part of it for which we, and the servers of the test beside us, may be at work; a loop that spins takes all."""
SLACK = 12
"""Tasks by which a quiet gateway may differ from one that has just begun."""


@dataclass
class Scene:
    w: World
    office: Office
    client: Client
    http: httpx2.AsyncClient

    async def calls(self, name: str) -> None:
        """Call that often, whatever comes of it."""
        for _ in range(TIMES):
            try:
                await self.client.call_tool(name)
            except MCPError:
                await anyio.lowlevel.checkpoint()

    async def bad_gateway(self) -> None:
        self.office.status = 502
        await self.calls("srv__echo")
        self.office.status = 0

    async def refused(self) -> None:
        await self.office.proxy.refuse()
        await self.calls("srv__echo")
        await self.office.proxy.listen()

    async def reset(self) -> None:
        await self.calls("srv__reset")

    async def client_vanishes(self) -> None:
        """Clients that hang up while their call is under way."""

        async def vanish() -> None:
            for _ in range(TIMES // AT_ONCE):
                with anyio.move_on_after(0.05):
                    await RawClient(self.http, "stateless", {}).request("tools/call", {"name": "srv__count"})

        await self.at_once(vanish)

    async def cancelled_in_connect(self) -> None:
        """Clients that hang up, again and again, while a connection is made for them alone, and nobody answers."""
        self.office.proxy.swallows = True
        await self.at_once(self._give_up)
        self.office.proxy.swallows = False

    async def at_once(self, work: Callable[[], Awaitable[None]]) -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(AT_ONCE):
                tasks.start_soon(work)

    async def _give_up(self) -> None:
        client = RawClient(self.http, "handshake", {})
        await client.open()
        for _ in range(TIMES // AT_ONCE):
            with anyio.move_on_after(0.05):
                await client.request("tools/call", {"name": "srv__count"})
        await self.http.delete("/mcp", headers={"mcp-session-id": client._session})


TROUBLES: dict[str, Callable[[Scene], Awaitable[None]]] = {
    "502": Scene.bad_gateway,
    "refused": Scene.refused,
    "RST mid-stream": Scene.reset,
    "client vanishes": Scene.client_vanishes,
    "cancel during connect": Scene.cancelled_in_connect,
}


@asynccontextmanager
async def scene(trouble: str, server_era: str, folder: Path) -> AsyncIterator[Scene]:
    keys = {"session": "per_client", "start_timeout": 5.0} if trouble == "cancel during connect" else {}
    hangs = {"tools/call count": 1.0}
    with anyio.fail_after(2 * PATIENCE):
        async with (
            site("http", folder, keys=keys, era=server_era, delay_on=hangs) as srv,
            world(more={"srv": srv.config}) as w,
            w.client("stateless") as client,
            local_http(w.port, timeout=10.0) as http,
        ):
            assert srv.office is not None
            await w.until_ready()
            yield Scene(w, srv.office, client, http)


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_trouble_leaves_neither_work_nor_tasks_behind(
    trouble: str, server_era: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene(trouble, server_era, tmp_path) as here:
        await works(here.client)
        before = ours()
        await TROUBLES[trouble](here)
        await works(here.client)
        await here.w.until(lambda: ours() <= before + SLACK)
        begun = time.process_time()
        await anyio.sleep(IDLE)
        assert time.process_time() - begun < MOST * IDLE
        assert ours() <= before + SLACK
    assert "different task" not in caplog.text
    assert not [record for record in caplog.records if record.exc_info and record.name.startswith("magictunnel")]


async def works(client: Client) -> None:
    """Call until it works; the test bounds how long."""
    while True:
        try:
            await client.call_tool("srv__echo")
            return
        except MCPError:
            await anyio.sleep(0.02)


def ours() -> int:
    """How many tasks there are, but for those of the test's own proxy."""
    return len([task for task in asyncio.all_tasks() if not task.get_name().startswith("tests.")])
