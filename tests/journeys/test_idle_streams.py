"""Failure mode 33: something between us and a server cuts idle connections. The next call works all the same."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from tests.support.office import site
from tests.support.world import PATIENCE, world

pytestmark = pytest.mark.anyio

CUT_AFTER = 0.3
IDLE = 1.0
"""Seconds without a call."""
WAYS = [
    ("http", "handshake", "handshake"),
    ("http", "stateless", "handshake"),
    ("http", "both", "stateless"),
    ("sse", "handshake", "stateless"),
    ("sse", "handshake", "handshake"),
]
"""How a server is reached, its era, and that of the client."""


@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_the_first_call_after_a_while_of_silence_works(way: tuple[str, str, str], tmp_path: Path) -> None:
    over, era, client_era = way
    with anyio.fail_after(PATIENCE):
        async with site(over, tmp_path, era=era) as srv, world(more={"srv": srv.config}) as w:
            assert srv.office is not None
            await w.until_ready()
            async with w.client(client_era) as client:
                await client.call_tool("srv__echo")
                srv.office.proxy.idle = CUT_AFTER
                for times in (1, 2):
                    with anyio.move_on_after(IDLE):  # so long does nobody call
                        await anyio.sleep_forever()
                    result = await client.call_tool("srv__count")
                    assert not result.is_error
                    assert srv.transcript.ran("count") == times


@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_a_change_is_heard_of_though_streams_are_cut_when_they_are_idle(
    way: tuple[str, str, str], tmp_path: Path
) -> None:
    """The server says it as often as it takes: it cannot know that nobody listens just then."""
    over, era, client_era = way
    with anyio.fail_after(PATIENCE):
        async with site(over, tmp_path, era=era) as srv, world(more={"srv": srv.config}) as w:
            office = srv.office
            assert office is not None
            await w.until_ready()
            accepted = office.proxy.accepted
            office.proxy.idle = CUT_AFTER
            await w.until(lambda: office.proxy.accepted > accepted)
            async with w.client(client_era) as client:
                names: set[str] = set()
                while "srv__new" not in names:
                    for worker in office.workers:
                        worker.change("tools", [{"name": "new", "inputSchema": {"type": "object"}}])
                    office.script.offers["tools"] = [{"name": "new", "inputSchema": {"type": "object"}}]
                    await anyio.sleep(0.1)
                    names = {item.name for item in (await client.list_tools()).tools}
