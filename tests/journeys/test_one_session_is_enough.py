"""Failure mode 7: each refresh, or look at its health, opens one more session with a server."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from tests.support.office import Site, site
from tests.support.raw import tool
from tests.support.world import PATIENCE, World, world

pytestmark = pytest.mark.anyio

TIMES = 100
HEARTBEAT = 0.05
SIGNS = 10
"""Signs of life that are waited for."""


def signs(srv: Site) -> int:
    """How often the server was asked anything but a call since it was opened."""
    return sum(srv.transcript.count(method) for method in ("ping", "tools/list"))


async def refresh(w: World, srv: Site, client_era: str) -> None:
    """Have the lists asked for by a client, and by ourselves since they changed."""
    async with w.client(client_era, "http") as client:
        for number in range(TIMES):
            await client.list_tools()
            if number % 10 == 0 and srv.office is not None:
                for session in srv.office.workers:
                    session.change("tools", [*session.offers["tools"], tool(f"new{number}")])


async def test_refreshing_and_probing_opens_no_further_session(over: str, client_era: str, tmp_path: Path) -> None:
    """Of servers that have sessions, or are processes."""
    with anyio.fail_after(PATIENCE):
        async with (
            site(over, tmp_path, keys={"heartbeat": HEARTBEAT}, era="handshake") as srv,
            world(more={"srv": srv.config}) as w,
        ):
            await w.until_ready()
            before = signs(srv)
            await refresh(w, srv, client_era)
            await w.until(lambda: signs(srv) >= before + SIGNS)
            if srv.office is None:
                assert srv.transcript.count("started") == 1
            else:
                assert (srv.office.peak, srv.office.opened, srv.office.lost) == (1, 1, 0)
            assert srv.transcript.count("initialize") == 1


@pytest.mark.parametrize("over", ["stdio", "http"])
async def test_refreshing_and_probing_a_server_of_the_stateless_era_opens_nothing_at_all(
    over: str, client_era: str, tmp_path: Path
) -> None:
    with anyio.fail_after(PATIENCE):
        async with (
            site(over, tmp_path, keys={"heartbeat": HEARTBEAT}, era="stateless") as srv,
            world(more={"srv": srv.config}) as w,
        ):
            await w.until_ready()
            await refresh(w, srv, client_era)
            with anyio.move_on_after(SIGNS * HEARTBEAT):  # it may well be asked for none
                await anyio.sleep_forever()
            assert srv.transcript.count("subscriptions/listen") <= 1
            assert srv.transcript.count("started") == (1 if over == "stdio" else 0)
