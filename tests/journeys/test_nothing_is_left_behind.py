"""Grandchildren survive, the bridge outlives its host (8, 12): when we end, all that we started has ended."""

from __future__ import annotations

import os
import signal
import socket
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from tests.support.process import HAS_PROC, Tunnel, config_file, entry, gone, marked, shell, tunnel
from tests.support.raw import Json, Script, tool
from tests.support.world import PATIENCE

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(not HAS_PROC, reason="looks processes up in /proc")]

TOOLS = {"tools": [tool("echo"), tool("die")]}
CLOCK = Path(__file__).parents[2] / "examples" / "clock_server.py"


def servers(folder: Path, mark: str) -> dict[str, Json]:
    """Servers that are hard to end, each in a way of its own; all of them, and all theirs, carry `mark`."""
    env = {"MAGICTUNNEL_TEST_MARK": mark}

    def started(name: str, line: str) -> Json:
        it = entry(Script(name=name, offers=TOOLS, crash_on=["tools/call die"]), folder)
        return shell(line, it["command"], *it["args"], env=env)

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return {
        "plain": started("plain", 'exec "$@"'),
        "wrapped": started("wrapped", 'exec 3<&0; "$@" <&3 & wait'),
        "stubborn": started("stubborn", 'trap "" TERM INT HUP; "$@"; sleep 600; sleep 600'),
        "parent": started("parent", 'sleep 600 & (trap "" TERM; sleep 600) & exec "$@"'),
        "clock": {
            "type": "http",
            "command": "/bin/sh",
            "args": ["-c", '"$@" & wait', "sh", sys.executable, str(CLOCK), "--port", str(port)],
            "url": f"http://127.0.0.1:{port}/mcp",
            "env": env,
        },
    }


OVER_STDIO = ("plain", "wrapped", "stubborn", "parent")


ENDS = ("end of stdin", "SIGTERM", "SIGINT")


async def test_nothing_outlives_us_over_stdio(tmp_path: Path) -> None:
    async def check(end: str, folder: Path) -> None:
        async with over_stdio_with_all(folder) as (host, mark):
            await all_ready(host)
            assert len(marked(mark)) >= 8
            await assert_nothing_outlives(host, mark, end)

    await at_once(ENDS, check, tmp_path)


async def test_nothing_outlives_us_over_http(tmp_path: Path) -> None:
    async def check(end: str, folder: Path) -> None:
        mark = uuid.uuid4().hex
        config = config_file(folder, servers(folder, mark))
        async with tunnel("serve", "--http", "127.0.0.1:0", "-c", str(config)) as host, ends(mark):
            await host.said(r"http://127\.0\.0\.1:\d+/mcp")
            assert len(marked(mark)) >= 10
            await assert_nothing_outlives(host, mark, end)
        assert host.lines == []
        assert not [line for line in host.talk if "Traceback" in line or "Error" in line]

    await at_once(ENDS[1:], check, tmp_path)


async def test_nothing_outlives_us_when_we_are_ended_while_servers_start(tmp_path: Path) -> None:
    async def check(end: str, folder: Path) -> None:
        mark = uuid.uuid4().hex
        env = {"MAGICTUNNEL_TEST_MARK": mark}
        slow = {"deaf": shell('trap "" TERM; sleep 600', env=env), "half": shell("sleep 600 & sleep 600", env=env)}
        async with tunnel("serve", "--stdio", "-c", str(config_file(folder, slow))) as host, ends(mark):
            await host.until(lambda: len(marked(mark)) >= 4)
            await assert_nothing_outlives(host, mark, end)

    await at_once(ENDS, check, tmp_path)


async def test_a_second_signal_does_not_leave_anything_behind(tmp_path: Path) -> None:
    with anyio.fail_after(PATIENCE):
        async with over_stdio_with_all(tmp_path) as (host, mark):
            await all_ready(host)
            before = len(marked(mark))
            host.process.send_signal(signal.SIGTERM)
            await host.until(lambda: len(marked(mark)) < before)  # it is about to end them, and not done
            host.process.send_signal(signal.SIGTERM)
            host.process.send_signal(signal.SIGINT)
            assert await host.ended() == 0
            assert await gone(mark, within=0.5) == {}


async def test_what_a_killed_or_crashed_server_leaves_behind_goes_with_it(tmp_path: Path) -> None:
    """Of two servers the leader is killed, one crashes: all of theirs is ended, and they come back."""
    with anyio.fail_after(PATIENCE):
        async with over_stdio_with_all(tmp_path) as (host, mark):
            await all_ready(host)
            gone_with = {name: group_of(mark, name) for name in ("wrapped", "stubborn", "parent")}
            assert [len(pids) for pids in gone_with.values()] == [2, 2, 3]
            for name in ("wrapped", "stubborn"):
                os.kill(min(gone_with[name]), signal.SIGKILL)
            await host.request("tools/call", {"name": "parent__die"})
            old = set().union(*gone_with.values())
            await host.until(lambda: not old & set(marked(mark)))
            for name in gone_with:
                await calls_again(host, f"{name}__echo")
            await host.close_stdin()
            assert await host.ended() == 0
            assert await gone(mark, within=0.5) == {}


async def test_a_server_started_for_its_url_that_is_killed_comes_back(tmp_path: Path) -> None:
    with anyio.fail_after(PATIENCE):
        mark = uuid.uuid4().hex
        clock = {"clock": servers(tmp_path, mark)["clock"]}
        async with tunnel("serve", "--stdio", "-c", str(config_file(tmp_path, clock))) as host, ends(mark):
            await host.open()
            await calls_again(host, "clock__now", {"zone": "UTC"})
            old = set(marked(mark))
            for pid in old:
                os.kill(pid, signal.SIGKILL)
            await host.until(lambda: not old & set(marked(mark)))
            await calls_again(host, "clock__now", {"zone": "UTC"})
            await host.close_stdin()
            assert await host.ended() == 0
            assert await gone(mark, within=0.5) == {}


async def test_servers_that_read_their_stdin_end_even_when_we_are_killed(tmp_path: Path) -> None:
    """Nobody can clean up after SIGKILL; but whoever holds the other end of our pipes sees them close."""
    mark = uuid.uuid4().hex
    polite = {name: it for name, it in servers(tmp_path, mark).items() if name in ("plain", "wrapped")}
    with anyio.fail_after(PATIENCE):
        async with tunnel("serve", "--stdio", "-c", str(config_file(tmp_path, polite))) as host, ends(mark):
            await host.open()
            await host.request("tools/list")
            host.process.kill()
            await host.ended()
            assert await gone(mark) == {}


async def at_once(ends: Sequence[str], check: Callable[[str, Path], Awaitable[None]], folder: Path) -> None:
    """Check each way to end us, each on a gateway of its own, side by side: most of it is waiting."""
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            for number, end in enumerate(ends):
                own = folder / str(number)
                own.mkdir()
                tasks.start_soon(check, end, own, name=end)


async def assert_nothing_outlives(host: Tunnel, mark: str, end: str) -> None:
    """End a gateway, and see it go with all that carries `mark`."""
    if end == "end of stdin":
        await host.close_stdin()
    else:
        host.process.send_signal(signal.Signals[end])
    assert (end, await host.ended()) == (end, 0)
    assert (end, await gone(mark, within=0.5)) == (end, {})


@asynccontextmanager
async def over_stdio_with_all(folder: Path) -> AsyncIterator[tuple[Tunnel, str]]:
    mark = uuid.uuid4().hex
    chosen = {name: it for name, it in servers(folder, mark).items() if name in OVER_STDIO}
    config = config_file(folder, chosen, start_wait="10s")
    async with tunnel("serve", "--stdio", "-c", str(config)) as host, ends(mark):
        yield host, mark


@asynccontextmanager
async def ends(mark: str) -> AsyncIterator[None]:
    """Whatever a failed test leaves, leave nothing."""
    try:
        yield
    finally:
        with anyio.CancelScope(shield=True):
            await gone(mark, within=0.0)


async def all_ready(host: Tunnel) -> None:
    await host.open()
    tools = await host.request("tools/list")
    listed = {item["name"] for item in tools["result"]["tools"]}
    assert listed >= {f"{name}__echo" for name in OVER_STDIO}, host.talk


def group_of(mark: str, name: str) -> set[int]:
    """The living processes with `mark` that are in the group of the server of that name."""
    alive = marked(mark)
    group = os.getpgid(next(pid for pid, words in alive.items() if f"{name}.script.json" in words))
    return {pid for pid in alive if os.getpgid(pid) == group}


async def calls_again(host: Tunnel, name: str, arguments: Json | None = None) -> None:
    """Call until it works; the test bounds how long."""
    answer: Json = {}
    while "result" not in answer:
        answer = await host.request("tools/call", {"name": name, "arguments": arguments or {}})
        await anyio.sleep(0.05)
