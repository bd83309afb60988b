"""Failure mode 14: a server that is slow to start slows every client.

Once it is known what it offers, nobody waits for it to be told that.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.support.office import Site, site
from tests.support.process import config_file, over_stdio
from tests.support.rawclient import raw_client
from tests.support.setting import over_http, set_up, written
from tests.support.worker import worker, worker_entry
from tests.support.world import PATIENCE

pytestmark = pytest.mark.anyio

SOON = 6.0
"""Seconds that a client on a busy machine may need for its first list; START_WAIT is what it would wait in vain."""
START_WAIT = "20s"
ASLEEP = {"initialize": 30.0, "server/discover": 30.0}
SESSIONS = 10


def names(answer: Any) -> list[str]:
    return [item["name"] for item in answer["result"]["tools"]]


def fall_asleep(srv: Site, folder: Path) -> None:
    """From now on the server takes its time to open a session."""
    if srv.office is None:
        worker_entry(worker("srv", folder, delay_on=ASLEEP), folder)
    else:
        srv.office.script.delay_on.update(ASLEEP)


@asynccontextmanager
async def asleep(over: str, folder: Path) -> AsyncIterator[tuple[Site, list[str], dict[str, str]]]:
    """A slow server of which an earlier life of the gateway knew the tools."""
    env = {"MAGICTUNNEL_STORE": str(folder / "store.sqlite")}
    with anyio.fail_after(2 * PATIENCE):
        async with site(over, folder, era="handshake" if over == "sse" else "both") as srv:
            config_file(folder, {"srv": written(srv.config)}, start_wait=START_WAIT)
            async with over_stdio(folder / "magictunnel.json", env=env) as host:
                await host.open()
                before = names(await host.request("tools/list"))
                assert before
                await host.close_stdin()
                await host.ended()
            fall_asleep(srv, folder)
            srv.transcript.path.unlink()
            yield srv, before, env


def has_opened(srv: Site) -> bool:
    """Whether the server has answered the first word that was said to it."""
    return any(message["method"] != "started" for message in srv.transcript.messages)


@pytest.mark.parametrize(("over", "client_era"), [("stdio", "stateless"), ("http", "handshake"), ("sse", "stateless")])
async def test_a_host_lists_at_once_what_a_slow_server_offers(client_era: str, over: str, tmp_path: Path) -> None:
    async with (
        asleep(over, tmp_path) as (srv, before, env),
        over_stdio(tmp_path / "magictunnel.json", env=env) as host,
    ):
        with anyio.fail_after(SOON):
            await host.open(client_era)
            assert names(await host.request("tools/list")) == before
        assert not has_opened(srv)


@pytest.mark.parametrize(("over", "client_era"), [("stdio", "handshake"), ("http", "stateless")])
async def test_no_session_over_http_waits_for_a_slow_server(client_era: str, over: str, tmp_path: Path) -> None:
    async with asleep(over, tmp_path) as (srv, before, env):
        servers = {"srv": written(srv.config)}
        async with over_http(tmp_path, servers, env, start_wait=START_WAIT) as (_host, port):
            with anyio.fail_after(SOON):
                for _ in range(SESSIONS):
                    async with raw_client(port, client_era) as client:
                        assert names(await client.request("tools/list")) == before
            assert not has_opened(srv)


async def test_what_the_first_session_waited_for_no_other_waits_for_again(client_era: str, tmp_path: Path) -> None:
    """Nothing is known of the server yet, so the first list waits for it, for a while; that is over then."""
    with anyio.fail_after(PATIENCE):
        async with site("http", tmp_path, delay_on=ASLEEP) as srv:
            async with set_up({"srv": srv.config}, start_wait=1.0) as w:
                async with w.client(client_era) as client:
                    assert (await client.list_tools()).tools == []
                with anyio.fail_after(SESSIONS * 0.5):
                    for _ in range(SESSIONS):
                        async with w.client(client_era, "http") as client:
                            assert (await client.list_tools()).tools == []
            assert not has_opened(srv)
