"""Failure mode 9: first calls that come together each start a copy of the server.

It is started once, when it is needed.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.support.office import Site, site
from tests.support.process import HAS_PROC, Tunnel, config_file, gone, marked, over_stdio
from tests.support.setting import written
from tests.support.world import PATIENCE

pytestmark = pytest.mark.anyio

CALLS = 50
MARK = "MAGICTUNNEL_TEST_MARK"
WAYS = [
    ("stdio", "handshake", "stateless"),
    ("stdio", "stateless", "handshake"),
    ("stdio", "both", "handshake"),
    ("http", "handshake", "handshake"),
    ("http", "stateless", "stateless"),
    ("sse", "handshake", "stateless"),
]
"""How the server is reached, its era, and that of the client."""
SLOW_START = {"initialize": 0.3, "server/discover": 0.3}


@asynccontextmanager
async def lazy(way: tuple[str, str, str], folder: Path) -> AsyncIterator[tuple[Site, Tunnel, str]]:
    """A gateway that knows from its last life what the server offers, and has not started it in this one."""
    over, era, client_era = way
    mark = uuid.uuid4().hex
    keys: dict[str, Any] = {"start": "lazy"} | ({"env": {MARK: mark}} if over == "stdio" else {})
    env = {"MAGICTUNNEL_STORE": str(folder / "store.sqlite")}
    with anyio.fail_after(2 * PATIENCE):
        async with site(over, folder, keys=keys, era=era, delay_on=SLOW_START) as srv:
            config = config_file(folder, {"srv": written(srv.config)}, start_wait="10s")
            async with over_stdio(config, env=env) as host:
                await host.open(client_era)
                before = (await host.request("tools/list"))["result"]["tools"]
                await host.close_stdin()
                await host.ended()
            srv.transcript.path.unlink(missing_ok=True)
            async with over_stdio(config, env=env) as host, ended(mark):
                await host.open(client_era)
                tools = (await host.request("tools/list"))["result"]["tools"]
                assert [item["name"] for item in tools] == [item["name"] for item in before] != []
                assert srv.transcript.messages == []
                yield srv, host, mark


@asynccontextmanager
async def ended(mark: str) -> AsyncIterator[None]:
    """Whatever a failed test leaves, leave nothing."""
    try:
        yield
    finally:
        with anyio.CancelScope(shield=True):
            await gone(mark, within=0.0)


def starts(way: tuple[str, str, str], srv: Site) -> int:
    """How often the server was started, or a session with it opened."""
    over, era, _client_era = way
    opening = "initialize" if era == "handshake" else "server/discover"
    return srv.transcript.count("started" if over == "stdio" else opening)


async def answered(host: Tunnel, numbers: list[int]) -> list[Any]:
    """Wait for the answers to these requests."""
    by_id: Callable[[], dict[Any, Any]] = lambda: {one.get("id"): one for one in host.messages}  # noqa: E731
    await host.until(lambda: set(numbers) <= set(by_id()))
    return [by_id()[number] for number in numbers]


@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_first_calls_that_come_together_start_it_once(way: tuple[str, str, str], tmp_path: Path) -> None:
    async with lazy(way, tmp_path) as (srv, host, _mark):
        calls = [await host.ask("tools/call", {"name": "srv__count"}) for _ in range(CALLS)]
        answers = await answered(host, calls)
        assert all("result" in answer for answer in answers), answers
        assert sorted(int(one["result"]["content"][0]["text"]) for one in answers) == list(range(1, CALLS + 1))
        assert starts(way, srv) == 1


@pytest.mark.parametrize("way", WAYS[1:4], ids="-".join)
async def test_to_cancel_half_of_them_while_it_starts_changes_nothing_for_the_others(
    way: tuple[str, str, str], tmp_path: Path
) -> None:
    async with lazy(way, tmp_path) as (srv, host, mark):
        calls = [await host.ask("tools/call", {"name": "srv__count"}) for _ in range(CALLS)]
        for number in calls[::2]:
            await host.send({"method": "notifications/cancelled", "params": {"requestId": number}})
        answers = await answered(host, calls[1::2])
        assert all("result" in answer for answer in answers), answers
        assert starts(way, srv) == 1
        if way[0] == "stdio" and HAS_PROC:
            assert len(marked(mark)) == 1
            await host.close_stdin()
            await host.ended()
            assert await gone(mark, within=5.0) == {}
