"""Failure mode 29, head-of-line blocking: a call that takes long holds up no other, on its server or beside it."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest
from mcp.client.client import Client

from tests.support.process import config_file, entry, over_stdio
from tests.support.raw import Script, tool
from tests.support.world import PATIENCE, world

pytestmark = pytest.mark.anyio

QUICK = 100
"""Calls to each of two servers while the long one is under way."""
QUICK_OVER_HTTP = 25
"""The same where a call costs more than it takes to show that it is not held up."""
AT_ONCE = 20


def scripts(era: str = "both", quick: int = QUICK) -> list[Script]:
    """A server whose tool `long` answers only after all the quick ones and `release`, and another beside it."""
    tools = {"tools": [tool("long"), tool("quick"), tool("release")]}
    return [
        Script(name="one", era=era, offers=tools, answer_after={"tools/call long": quick + 1}),
        Script(name="two", era=era, offers=tools),
    ]


@pytest.mark.parametrize("front", ["memory", "http"])
async def test_quick_calls_finish_while_a_long_one_is_under_way(
    client_era: str, over: str, front: str, tmp_path: Path
) -> None:
    era = "handshake" if over == "sse" else "both"
    quick = QUICK if front == "memory" else QUICK_OVER_HTTP
    with anyio.fail_after(PATIENCE):
        async with world(scripts(era, quick), tmp_path, over=over) as w, w.client(client_era, front) as client:
            await overtaken(client, quick)


async def test_calls_of_other_clients_finish_while_one_waits_for_its_own(client_era: str, tmp_path: Path) -> None:
    with anyio.fail_after(PATIENCE):
        async with (
            world(scripts(quick=QUICK_OVER_HTTP), tmp_path) as w,
            anyio.create_task_group() as tasks,
        ):
            done = anyio.Event()

            async def wait_long() -> None:
                async with w.client(client_era) as patient:
                    await patient.call_tool("one__long")
                done.set()

            tasks.start_soon(wait_long)
            async with w.client(client_era, "http") as client:
                await quick_calls(client, QUICK_OVER_HTTP)
                assert not done.is_set()
                await client.call_tool("one__release")
            await done.wait()


async def test_quick_calls_over_our_stdin_finish_while_a_long_one_is_under_way(client_era: str, tmp_path: Path) -> None:
    servers = {script.name: entry(script, tmp_path) for script in scripts()}
    with anyio.fail_after(PATIENCE):
        async with over_stdio(config_file(tmp_path, servers)) as host:
            await host.open(client_era)
            long = await host.ask("tools/call", {"name": "one__long"})
            quick = [
                await host.ask("tools/call", {"name": f"{server}__quick", "arguments": {"n": number}})
                for number in range(QUICK)
                for server in ("one", "two")
            ]
            await host.until(lambda: len(host.lines) > len(quick))
            answered = {message.get("id") for message in host.messages}
            assert set(quick) <= answered
            assert long not in answered
            await host.request("tools/call", {"name": "one__release"})
            await host.until(lambda: any(message.get("id") == long for message in host.messages))


async def overtaken(client: Client, quick: int) -> None:
    """Have one call wait while many others come and go; then let it finish."""
    done = anyio.Event()

    async def call_long() -> None:
        result = await client.call_tool("one__long")
        assert json.loads(result.content[0].text)["tool"] == "long"
        done.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call_long)
        await quick_calls(client, quick)
        assert not done.is_set()
        await client.call_tool("one__release")
        await done.wait()


async def quick_calls(client: Client, quick: int) -> None:
    """That many calls to each server, AT_ONCE of them at a time; each gets its own answer."""
    numbers = iter(range(quick))

    async def work() -> None:
        for number in numbers:
            for server in ("one", "two"):
                result = await client.call_tool(f"{server}__quick", {"n": number})
                said = json.loads(result.content[0].text)
                assert said == {"server": server, "tool": "quick", "arguments": {"n": number}}

    async with anyio.create_task_group() as tasks:
        for _ in range(AT_ONCE):
            tasks.start_soon(work)
