"""Failure mode 15: a host lists once at its start, gets an empty list, and keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.support.office import site
from tests.support.process import Tunnel, config_file, over_stdio, shell
from tests.support.setting import NO_STORE, written
from tests.support.worker import worker, worker_entry
from tests.support.world import PATIENCE

pytestmark = pytest.mark.anyio


def names(answer: Any) -> list[str]:
    return sorted(item["name"] for item in answer["result"]["tools"])


async def listed(host: Tunnel, era: str) -> list[str]:
    """What a host sees that lists once, as soon as it can."""
    about = await host.open(era)
    if era == "handshake":
        assert about["capabilities"]["tools"]["listChanged"] is True
    return names(await host.request("tools/list"))


async def test_a_host_sees_all_tools_although_no_server_is_up(client_era: str, tmp_path: Path) -> None:
    """They were seen before; now one ends as it is started, one refuses, and one is never heard of."""
    env = {"MAGICTUNNEL_STORE": str(tmp_path / "store.sqlite")}
    with anyio.fail_after(2 * PATIENCE):
        async with site("http", tmp_path, "two") as two, site("sse", tmp_path, "three", era="handshake") as three:
            assert two.office is not None
            assert three.office is not None
            entries = {
                "one": worker_entry(worker("one", tmp_path), tmp_path),
                "two": written(two.config),
                "three": written(three.config),
            }
            config = config_file(tmp_path, entries, start_wait="20s")
            async with over_stdio(config, env=env) as host:
                before = await listed(host, "handshake")
                assert {name.split("__")[0] for name in before} == {"one", "two", "three"}
                await host.close_stdin()
                await host.ended()
            worker_entry(worker("one", tmp_path, exit_at_once=3), tmp_path)
            await two.office.proxy.refuse()
            three.office.proxy.swallows = True
            async with over_stdio(config, env=env) as host:
                assert await listed(host, client_era) == before


async def test_a_host_sees_the_tools_of_all_that_are_up_in_time_and_hears_of_the_others(
    client_era: str, tmp_path: Path
) -> None:
    flag = tmp_path / "flag"
    late = worker_entry(worker("late", tmp_path), tmp_path)
    waits = 'flag=$1; shift; until [ -e "$flag" ]; do sleep 0.05; done; exec "$@"'
    entries = {
        "quick": worker_entry(worker("quick", tmp_path), tmp_path),
        "soon": worker_entry(worker("soon", tmp_path, delay_on={"server/discover": 0.5, "initialize": 0.5}), tmp_path),
        "late": shell(waits, str(flag), late["command"], *late["args"], cwd=late["cwd"]),
    }
    with anyio.fail_after(2 * PATIENCE):
        async with over_stdio(config_file(tmp_path, entries, start_wait="3s"), env=NO_STORE) as host:
            first = await listed(host, client_era)
            assert {name.split("__")[0] for name in first} == {"quick", "soon"}
            if client_era == "stateless":
                await host.ask("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
                await host.until(lambda: bool(host.heard("notifications/subscriptions/acknowledged")))
            flag.touch()
            await host.until(lambda: bool(host.heard("notifications/tools/list_changed")))
            then = names(await host.request("tools/list"))
            assert {name.split("__")[0] for name in then} == {"quick", "soon", "late"}
            assert "result" in await host.request("tools/call", {"name": "late__echo"})
