"""Failure mode 5: state leaks between clients, or is lost between calls. Who shares a server's state is said once."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest
from mcp.client.client import Client

from tests.support.office import site
from tests.support.process import config_file, over_stdio
from tests.support.setting import NO_STORE, written
from tests.support.world import PATIENCE, TRANSPORTS, world

pytestmark = pytest.mark.anyio

CALLS = 10
PER_CLIENT = {"session": "per_client"}
FRONTS = ("memory", "http", "sse")


async def counts(client: Client) -> list[str]:
    """What the server's counter says to that many calls."""
    return [(await client.call_tool("srv__count")).content[0].text for _ in range(CALLS)]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def numbers(first: int, last: int) -> list[str]:
    return [str(number) for number in range(first, last + 1)]


@pytest.mark.parametrize("front", FRONTS)
async def test_each_client_has_a_state_of_its_own_and_keeps_it(over: str, front: str, tmp_path: Path) -> None:
    with anyio.fail_after(PATIENCE):
        async with site(over, tmp_path, keys=PER_CLIENT, era="handshake") as srv, world(more={"srv": srv.config}) as w:
            await w.until_ready()
            async with w.client("handshake", front) as one, w.client("handshake", front) as two:
                assert await counts(one) == numbers(1, CALLS)
                assert await counts(two) == numbers(1, CALLS)
                assert await counts(one) == numbers(CALLS + 1, 2 * CALLS)


@pytest.mark.parametrize("era", ["handshake", "both"])
async def test_without_that_key_all_clients_share_one_state(over: str, era: str, tmp_path: Path) -> None:
    if (over, era) == ("http", "both"):
        pytest.skip("over HTTP, the stateless era of such a server is served by none of its sessions")
    era = "handshake" if over == "sse" else era
    with anyio.fail_after(PATIENCE):
        async with site(over, tmp_path, era=era) as srv, world(more={"srv": srv.config}) as w:
            await w.until_ready()
            async with w.client("handshake") as one, w.client("handshake", "http") as two:
                assert await counts(one) == numbers(1, CALLS)
                assert await counts(two) == numbers(CALLS + 1, 2 * CALLS)


async def test_clients_of_the_stateless_era_share_what_they_cannot_have_alone(tmp_path: Path) -> None:
    """They have no session, so nothing tells one from the other; the count does not start again with each call."""
    with anyio.fail_after(PATIENCE):
        async with site("stdio", tmp_path, keys=PER_CLIENT) as srv, world(more={"srv": srv.config}) as w:
            await w.until_ready()
            async with w.client("stateless", "http") as one, w.client("stateless", "http") as two:
                assert await counts(one) == numbers(1, CALLS)
                assert await counts(two) == numbers(CALLS + 1, 2 * CALLS)


async def test_two_hosts_that_start_us_over_stdio_have_two_states(client_era: str, tmp_path: Path) -> None:
    with anyio.fail_after(PATIENCE):
        async with site("stdio", tmp_path, keys=PER_CLIENT) as srv:
            config = config_file(tmp_path, {"srv": written(srv.config)})
            async with over_stdio(config, env=NO_STORE) as one, over_stdio(config, env=NO_STORE) as two:
                for host in (one, two):
                    await host.open(client_era)
                    said = [
                        (await host.request("tools/call", {"name": "srv__count"}))["result"]["content"][0]["text"]
                        for _ in range(CALLS)
                    ]
                    assert said == numbers(1, CALLS)


@pytest.mark.parametrize("over", [way for way in TRANSPORTS if way != "stdio"])
async def test_the_state_of_a_client_is_freed_with_it(over: str, tmp_path: Path) -> None:
    with anyio.fail_after(PATIENCE):
        async with site(over, tmp_path, keys=PER_CLIENT, era="handshake") as srv, world(more={"srv": srv.config}) as w:
            assert srv.office is not None
            await w.until_ready()
            before = len(srv.office.sessions)
            async with w.client("handshake") as one, w.client("handshake") as two:
                await counts(one)
                await counts(two)
                assert len(srv.office.sessions) == before + 2
            await w.until(lambda: srv.office is not None and len(srv.office.sessions) == before)


async def test_the_process_of_a_client_ends_with_it(tmp_path: Path) -> None:
    with anyio.fail_after(PATIENCE):
        async with (
            site("stdio", tmp_path, keys=PER_CLIENT, era="handshake") as srv,
            world(more={"srv": srv.config}) as w,
        ):
            await w.until_ready()
            async with w.client("handshake") as one:
                await counts(one)
                started = [message["pid"] for message in srv.transcript.messages if message["method"] == "started"]
                assert len(started) == 2
            await w.until(lambda: not is_alive(started[-1]))
            assert is_alive(started[0])
