"""Failure mode 16: a server recovers or is added, and live sessions never learn.

Each change is told once, in the same session; a tool that is gone is gone (see also `test_list_changed`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client.client import Client
from mcp.shared.exceptions import MCPError

from magictunnel.config.model import ServerConfig, Transport
from tests.support.raw import HANDSHAKE, STATELESS, Script, command, tool
from tests.support.web import raw_http
from tests.support.world import PATIENCE, World, world

pytestmark = pytest.mark.anyio

UNAVAILABLE, UNKNOWN_OUTCOME, UNKNOWN_NAME = -32060, -32062, -32602
OFFERS = {
    "tools": [tool("echo"), tool("change"), tool("die"), tool("long")],
    "prompts": [{"name": "ask"}],
    "resources": [{"uri": "raw://one", "name": "one"}],
}
ONCE = Counter(tools=1, prompts=1, resources=1)
TRANSPORTS = ["stdio", "http", "sse"]


@pytest.mark.parametrize("over", TRANSPORTS)
async def test_a_server_that_comes_late_is_told_once_and_used_in_the_same_session(
    client_era: str, over: str, tmp_path: Path
) -> None:
    with anyio.fail_after(PATIENCE):
        async with (
            late_server(over, tmp_path) as late,
            beside_one_that_stays(late.config, tmp_path) as w,
            w.client(client_era, on_message=(news := News()).heard) as client,
            listening(client, client_era),
        ):
            assert await names(client) == ["stays__echo"]
            await late.arrive()
            await w.until(lambda: news.told == ONCE)
            assert "late__echo" in await names(client)
            assert [item.name for item in (await client.list_prompts()).prompts] == ["late__ask"]
            assert [str(item.uri) for item in (await client.list_resources()).resources] == ["raw://one"]
            await client.call_tool("late__echo")
            # One more change: if the first had been told twice, this would not be the second.
            await client.call_tool("late__change", {"kind": "tools", "definitions": [tool("new"), tool("change")]})
            await w.until(lambda: news.told == ONCE + Counter(tools=1))
            await client.call_tool("late__new")


async def test_a_server_that_stays_away_past_its_grace_loses_its_entries_and_is_told_once(
    client_era: str, tmp_path: Path
) -> None:
    server = Switched(tmp_path, Script(name="late", offers=OFFERS, crash_on=["tools/call die"]), grace=0.2)
    server.up()
    with anyio.fail_after(PATIENCE):
        async with beside_one_that_stays(server.config, tmp_path) as w:
            await w.until_ready()
            await quiet(w)
            async with (
                w.client(client_era, on_message=(news := News()).heard) as client,
                listening(client, client_era),
            ):
                await client.call_tool("late__echo")  # from here on it is open in this client's era
                server.down()
                await refused(client, "late__die", UNKNOWN_OUTCOME)
                await w.until(lambda: news.told == ONCE)
                assert await names(client) == ["stays__echo"]
                await refused(client, "late__echo", UNKNOWN_NAME)
                await w.until(lambda: w.gateway.status["late"].attempts >= 2)
                assert news.told == ONCE
                server.up()
                await w.until(lambda: news.told == ONCE + ONCE)
                await client.call_tool("late__echo")


async def test_a_server_that_comes_back_the_same_within_its_grace_is_no_news(client_era: str, tmp_path: Path) -> None:
    server = Switched(tmp_path, Script(name="late", offers=OFFERS), grace=60.0)
    server.up()
    with anyio.fail_after(PATIENCE):
        async with beside_one_that_stays(server.config, tmp_path) as w:
            await w.until_ready()
            await quiet(w)
            async with (
                w.client(client_era, on_message=(news := News()).heard) as client,
                listening(client, client_era),
            ):
                before = await names(client)
                server.kill()
                await w.until(lambda: w.gateway.status["late"].failure is not None)
                assert await names(client) == before
                await w.until_ready("late")
                assert await names(client) == before
                await client.call_tool("late__echo")
                await client.call_tool("late__change", {"kind": "prompts", "definitions": []})
                await w.until(lambda: bool(news.told))
                assert news.told == Counter(prompts=1)


async def test_calls_of_a_killed_server_fail_fast_and_it_comes_back_by_itself(client_era: str, tmp_path: Path) -> None:
    script = Script(name="late", offers=OFFERS, answer_after={"tools/call long": 1_000})
    server = Switched(tmp_path, script, grace=60.0)
    server.up()
    with anyio.fail_after(PATIENCE):
        async with beside_one_that_stays(server.config, tmp_path) as w:
            await w.until_ready()
            await quiet(w)
            async with w.client(client_era) as client:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(refused, client, "late__long", UNKNOWN_OUTCOME)
                    await client.call_tool("late__echo")  # sent after the long one, so that one is on its way
                    server.down()
                    server.kill()
                await w.until(lambda: w.gateway.status["late"].failure is not None)
                for _ in range(10):
                    await refused(client, "late__echo", UNAVAILABLE)
                await client.call_tool("stays__echo")
                server.up()
                await w.until_ready("late")
                await client.call_tool("late__echo")
                assert w.gateway.status["late"].attempts == 0


async def test_a_server_whose_first_start_failed_is_opened_in_its_own_era_when_it_comes(
    server_era: str, tmp_path: Path
) -> None:
    """To be asked for its era and to end is one thing for a server that cannot start, and another for an old one."""
    server = Switched(tmp_path, Script(name="late", era=server_era, offers=OFFERS))
    with anyio.fail_after(PATIENCE):
        async with beside_one_that_stays(server.config, tmp_path) as w:
            await w.until(lambda: w.gateway.status["late"].failure is not None)
            server.up()
            await w.until_ready("late")
            assert w.gateway.status["late"].era == {"handshake": HANDSHAKE, "stateless": STATELESS}[server_era]


async def test_what_changed_before_a_client_came_is_no_news_to_it(tmp_path: Path) -> None:
    """A host connects while servers start; once its first list is answered, it has seen what they brought."""
    with anyio.fail_after(PATIENCE):
        async with (
            world([Script(name="srv", offers=OFFERS)], tmp_path) as w,
            w.client("handshake", on_message=(news := News()).heard) as client,
        ):
            assert len(await names(client)) == len(OFFERS["tools"])
            await client.call_tool("srv__change", {"kind": "prompts", "definitions": []})
            await w.until(lambda: news.told["prompts"] >= 1)
            assert news.told == Counter(prompts=1)


async def test_a_call_after_the_connection_broke_waits_for_the_next_one(tmp_path: Path) -> None:
    """A server that hangs up and then takes its time to end: nothing can be sent, so nothing is in doubt."""
    offers = {"tools": [tool("echo"), tool("die")]}
    program, *args = command(Script(name="late", offers=offers, crash_on=["tools/call die"]), tmp_path)
    line = """trap "" TERM; "$@"; exec >&-; exec 0<&-; exec sleep 60"""
    server = ServerConfig(type=Transport.STDIO, command="/bin/sh", args=("-c", line, "sh", program, *args))
    with anyio.fail_after(PATIENCE):
        async with beside_one_that_stays(server, tmp_path) as w:
            await w.until_ready()
            await quiet(w)
            async with w.client() as client:
                await refused(client, "late__die", UNKNOWN_OUTCOME)
                await client.call_tool("late__echo")


@pytest.mark.parametrize(("over", "client_era"), [("http", "handshake"), ("sse", "stateless")])
async def test_a_server_behind_a_url_that_restarts_is_used_again_by_itself(
    client_era: str, over: str, tmp_path: Path
) -> None:
    with anyio.fail_after(PATIENCE):
        async with late_server(over, tmp_path) as late, beside_one_that_stays(late.config, tmp_path) as w:
            await late.arrive()
            await w.until_ready("late")
            await quiet(w)
            async with (
                w.client(client_era, on_message=(news := News()).heard) as client,
                listening(client, client_era),
            ):
                await client.call_tool("late__echo")
                await late.leave()
                with pytest.raises(MCPError) as refusal:
                    await client.call_tool("late__echo")
                assert refusal.value.code in (UNAVAILABLE, UNKNOWN_OUTCOME)
                await client.call_tool("stays__echo")
                await late.arrive()
                await works_again(client, "late__echo")
                assert not news.told


class News:
    """Counts what a client is told: list_changed by kind, however it comes."""

    def __init__(self) -> None:
        self.told: Counter[str] = Counter()

    def heard(self, message: Any) -> None:
        method = getattr(message, "method", "")
        if method.endswith("/list_changed"):
            self.told[method.split("/")[1]] += 1


@asynccontextmanager
async def listening(client: Client, era: str) -> AsyncIterator[None]:
    """Keep a listen stream open, where the era has one."""
    if era == "handshake":
        yield
        return
    async with client.listen(tools_list_changed=True, prompts_list_changed=True, resources_list_changed=True):
        yield


class Late:
    """A server that is not there at first."""

    def __init__(self, config: ServerConfig, arrive: Callable[[], Any], leave: Callable[[], Any]) -> None:
        self.config = config
        self.arrive = arrive
        self.leave = leave


class Switched:
    """A server over stdio whose command works only while it is `up`."""

    def __init__(self, folder: Path, script: Script, **keys: Any) -> None:
        self._flag, self._pid = folder / "up", folder / "pid"
        line = 'test -e "$1" || exit 4; echo $$ >> "$2"; shift 2; exec "$@"'
        words = ("-c", line, "sh", str(self._flag), str(self._pid), *command(script, folder))
        self.config = ServerConfig(type=Transport.STDIO, command="/bin/sh", args=words, **keys)

    def kill(self) -> None:
        """Kill every process of it: one that speaks both eras may have been started again for its first client."""
        for pid in self._pid.read_text("utf-8").split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        self._pid.unlink()

    def up(self) -> None:
        self._flag.touch()

    def down(self) -> None:
        self._flag.unlink()


@asynccontextmanager
async def late_server(over: str, folder: Path) -> AsyncIterator[Late]:
    """A server over any transport that comes when it is told to; until then its command fails, or its port refuses."""
    script = Script(name="late", offers=OFFERS, era="handshake" if over == "sse" else "both")
    if over == "stdio":
        server = Switched(folder, script)

        async def switch_on() -> None:
            server.up()

        yield Late(server.config, switch_on, lambda: None)
        return
    port = unused_port()
    path = "sse" if over == "sse" else "mcp"
    async with anyio.create_task_group() as tasks:
        config = ServerConfig(type=Transport(over), url=f"http://127.0.0.1:{port}/{path}")
        told_to_go, gone = anyio.Event(), anyio.Event()

        async def serve(*, task_status: Any) -> None:
            async with raw_http(script, port):
                task_status.started()
                await told_to_go.wait()
            gone.set()

        async def arrive() -> None:
            nonlocal told_to_go, gone
            told_to_go, gone = anyio.Event(), anyio.Event()
            await tasks.start(serve)

        async def leave() -> None:
            told_to_go.set()
            await gone.wait()

        yield Late(config, arrive, leave)
        told_to_go.set()


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def beside_one_that_stays(late: ServerConfig, folder: Path) -> AsyncIterator[World]:
    """A gateway that has told of its own start: what clients hear from here on is news."""
    stays = Script(name="stays", offers={"tools": [tool("echo")]})
    async with world([stays], folder, more={"late": late}) as w:
        await w.until_ready("stays")
        await quiet(w)
        yield w


async def quiet(w: World) -> None:
    """Wait until every change so far has been told to whoever was there."""
    await w.until(lambda: w.front.notifier.is_quiet)


async def names(client: Client) -> list[str]:
    return [item.name for item in (await client.list_tools()).tools]


async def refused(client: Client, name: str, code: int) -> None:
    """Call a tool, and see it fail with that code."""
    with pytest.raises(MCPError) as refusal:
        await client.call_tool(name)
    assert refusal.value.code == code, refusal.value.message


async def works_again(client: Client, name: str) -> None:
    """Call until it works; the test bounds how long."""
    codes: set[int] = set()
    while True:
        try:
            await client.call_tool(name)
            break
        except MCPError as error:
            codes.add(error.code)
        await anyio.sleep(0.05)
    assert codes <= {UNAVAILABLE, UNKNOWN_OUTCOME}
