"""Grandchildren survive (8): however we end, and however a server ends, all that it started ends within 5 s."""

from __future__ import annotations

import os
import signal
import socket
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from tests.support.process import HAS_PROC, Tunnel, config_file, entry, gone, marked, shell, tunnel
from tests.support.raw import Json, Script, tool
from tests.support.watchdogs import has_ended, parent_of, watchdogs_of
from tests.support.world import PATIENCE

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(not HAS_PROC, reason="looks processes up in /proc")]

WITHIN = 5.0
"""Seconds for all of them to be gone."""

WAYS = {
    # As uvx, npx and scripts do. (A job in the background has no stdin of its own: it gets ours by another number.)
    "through a shell": 'exec 3<&0; "$@" <&3 & wait',
    "ignores SIGTERM": 'trap "" TERM INT HUP; "$@"; sleep 600; sleep 600',
    # As what drives a browser does; and the browser starts others, and one of them leaves again.
    "left the group": 'setsid sh -c "setsid sleep 600 & sleep 600 & wait" & exec "$@"',
    "left the group, ignores SIGTERM": 'setsid sh -c \'trap "" TERM INT HUP; sleep 600; sleep 600\' & exec "$@"',
    "left the group while the shell waits": 'exec 3<&0; setsid sleep 600 & "$@" <&3 & wait $!',
}
LEAST = {"through a shell": 2, "left the group": 4, "left the group while the shell waits": 3}
"""How many processes that is; two, if not said."""

ANOTHER = ("-c", "from magictunnel.cli.app import main; main()", "serve")
"""Another gateway; started so that it is not seen to be one, and skipped."""


def servers(folder: Path, mark: str) -> dict[str, Json]:
    """A server for each way; each, and all that it starts, carries `mark-` and its number."""
    found: dict[str, Json] = {}
    for number, line in enumerate(WAYS.values()):
        it = entry(Script(name=f"s{number}", offers={"tools": [tool("die")]}, crash_on=["tools/call die"]), folder)
        found[f"s{number}"] = shell(line, it["command"], *it["args"], env={"TEST_MARK": f"{mark}-{number}."})
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def inner(mark: str) -> dict[str, str]:
    """The environment of a gateway behind another: servers get ours in parts only."""
    return {"TEST_MARK": mark, "MAGICTUNNEL_STORE": "off"}


def at_its_url(folder: Path, mark: str, transport: str) -> Json:
    """The entry of a server that is started for its URL, through a shell: a gateway of its own over all the others."""
    port = free_port()
    config = config_file(folder, servers(folder, mark), start_wait="20s")
    words = [sys.executable, *ANOTHER, "--http", f"127.0.0.1:{port}", "-c", str(config)]
    return shell('setsid sleep 600 & "$@" & wait', *words, env=inner(mark), cwd=str(Path.cwd())) | {
        "type": transport,
        "url": f"http://127.0.0.1:{port}/{'mcp' if transport == 'http' else 'sse'}",
    }


def behind(folder: Path, mark: str) -> Json:
    """The entry of a gateway of its own over all the others, over stdio."""
    config = config_file(folder, servers(folder, mark), start_wait="20s")
    words = [*ANOTHER, "--stdio", "-c", str(config)]
    return {"command": sys.executable, "args": words, "cwd": str(Path.cwd()), "env": inner(mark)}


@asynccontextmanager
async def serving(folder: Path, entries: dict[str, Json], mark: str) -> AsyncIterator[Tunnel]:
    """A gateway over these servers, which are all up; whatever a failed test leaves goes at the end."""
    with anyio.fail_after(4 * PATIENCE):
        try:
            config = config_file(folder, entries, start_wait="20s")
            async with tunnel("serve", "--stdio", "-c", str(config)) as host:
                await host.open()
                listed = (await host.request("tools/list"))["result"]["tools"]
                assert {item["name"].split("__")[0] for item in listed} == set(entries), host.talk
                yield host
        finally:
            with anyio.CancelScope(shield=True):
                await gone(mark, within=0.0)


@pytest.mark.parametrize("end", ["SIGTERM", "SIGKILL", "end of stdin"])
async def test_no_descendant_of_any_server_outlives_the_gateway(end: str, tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    async with serving(tmp_path, servers(tmp_path, mark), mark) as host:
        for number, way in enumerate(WAYS):
            await host.until(lambda number=number, way=way: len(marked(f"{mark}-{number}.")) >= LEAST.get(way, 2))
        assert len(watchdogs_of(host.process.pid)) == 1
        await assert_all_end(host, mark, end)


@pytest.mark.parametrize("end", ["SIGTERM", "SIGKILL"])
@pytest.mark.parametrize("over", ["stdio", "http", "sse"])
async def test_of_a_gateway_behind_a_gateway_nobody_is_left_either(over: str, end: str, tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    inner = tmp_path / "inner"
    inner.mkdir()
    it = behind(inner, mark) if over == "stdio" else at_its_url(inner, mark, over)
    async with serving(tmp_path, {"inner": it}, mark) as host:
        assert len(marked(mark)) >= 12
        await assert_all_end(host, mark, end)


async def test_no_descendant_of_a_server_that_crashed_is_left(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    async with serving(tmp_path, servers(tmp_path, mark), mark) as host:
        old = set(marked(mark))
        with anyio.fail_after(WITHIN):
            async with anyio.create_task_group() as tasks:
                for number in range(len(WAYS)):
                    tasks.start_soon(host.request, "tools/call", {"name": f"s{number}__die"})
                # In one of these ways the shell lives on when the server has crashed: that is no crash to be seen.
                deaf = set(marked(f"{mark}-{list(WAYS).index('ignores SIGTERM')}."))
                await host.until(lambda: not (old - deaf) & set(marked(mark)))
                tasks.cancel_scope.cancel()
        await assert_all_end(host, mark, "SIGKILL")


async def test_no_descendant_of_a_server_that_was_killed_is_left(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    async with serving(tmp_path, servers(tmp_path, mark), mark) as host:
        old = set(marked(mark))
        with anyio.fail_after(WITHIN):
            for pid in [pid for pid in old if parent_of(pid) == host.process.pid]:
                os.kill(pid, signal.SIGKILL)
            await host.until(lambda: not old & set(marked(mark)))


async def test_a_gateway_that_is_killed_while_servers_start_leaves_none(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    env = {"TEST_MARK": mark}
    slow = {
        f"s{number}": shell(f"setsid sleep 600 & {line}", "sleep", "600", env=env)
        for number, line in enumerate(WAYS.values())
    }
    with anyio.fail_after(PATIENCE):
        async with tunnel("serve", "--stdio", "-c", str(config_file(tmp_path, slow))) as host:
            await host.until(lambda: bool(marked(mark)))
            await assert_all_end(host, mark, "SIGKILL")


async def test_a_watchdog_that_was_killed_before_is_replaced_in_time(tmp_path: Path) -> None:
    """Those that took the mark off are found by their group: the new watchdog was told of all of them."""
    mark = uuid.uuid4().hex
    unmarked = shell('env -i sh -c "sleep 600; sleep 600" "$0" & exec "$@"')
    entries = servers(tmp_path, mark)
    it = entry(Script(name="bare", offers={"tools": [tool("echo")]}), tmp_path)
    entries["bare"] = unmarked | {"args": [*unmarked["args"][:2], mark, it["command"], *it["args"]]}
    async with serving(tmp_path, entries, mark) as host:
        [first] = watchdogs_of(host.process.pid)
        os.kill(first, signal.SIGKILL)
        os.kill(next(pid for pid in marked(f"{mark}-0.") if parent_of(pid) == host.process.pid), signal.SIGKILL)
        await host.until(lambda: set(watchdogs_of(host.process.pid)) not in ({first}, set()))
        assert [line for line in marked(mark).values() if line.startswith("sh -c sleep")]
        await assert_all_end(host, mark, "SIGKILL")


async def assert_all_end(host: Tunnel, mark: str, end: str) -> None:
    """End a gateway: it, its watchdog and all with `mark` are gone in time."""
    watching = watchdogs_of(host.process.pid)
    with anyio.fail_after(WITHIN):
        if end == "end of stdin":
            await host.close_stdin()
        else:
            host.process.send_signal(signal.Signals[end])
        code = await host.ended()
        assert code == (-signal.SIGKILL if end == "SIGKILL" else 0), host.talk
        while marked(mark) or not all(has_ended(pid) for pid in watching):
            await anyio.sleep(0.02)
