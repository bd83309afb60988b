"""JSON-RPC with a real process, and its end: whichever pipe it closes."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED

from magictunnel.wire.dispatcher import WireDispatcher
from magictunnel.wire.evidence import Evidence
from magictunnel.wire.peer import Peer
from magictunnel.wire.process import server_process
from magictunnel.wire.stdio import Pipes, pipe_wire, process_wire
from tests.support.memory import until
from tests.support.raw import Script, command
from tests.support.wires import own_wire

pytestmark = pytest.mark.anyio

PATIENCE = 10.0


async def refuse(_ctx: Any, method: str, _params: Any) -> dict[str, Any]:
    raise AssertionError(f"nobody asks {method} here")


async def ignore(_ctx: Any, _method: str, _params: Any) -> None:
    return


@asynccontextmanager
async def running(words: list[str], evidence: Evidence) -> AsyncIterator[WireDispatcher]:
    """A dispatcher that talks to `words`, being pumped."""
    with anyio.fail_after(PATIENCE):
        async with (
            server_process("s", words, dict(os.environ), None, evidence) as process,
            process_wire(process, evidence) as wire,
            anyio.create_task_group() as tasks,
        ):
            await tasks.start(wire.run, refuse, ignore)
            yield wire
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def running_over_ours(words: list[str], evidence: Evidence) -> AsyncIterator[Peer]:
    """The same over our own pipes."""
    with anyio.fail_after(PATIENCE), closing(Pipes()) as pipes:
        async with (
            server_process("s", words, dict(os.environ), None, evidence, ends=pipes.ends) as process,
            pipe_wire(process, pipes, evidence) as wire,
            anyio.create_task_group() as tasks,
        ):
            await tasks.start(wire.run, refuse, ignore)
            yield wire
            tasks.cancel_scope.cancel()


WIRES = [running, pytest.param(running_over_ours, marks=own_wire)]


def python(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", code]


async def test_a_request_is_answered_past_whatever_else_stands_on_stdout(tmp_path: Path) -> None:
    evidence = Evidence()
    words = command(Script(junk=["Server started", "", "{}"], answers={"x": {"odd": {"ü": None}}}), tmp_path)
    async with running(words, evidence) as wire:
        assert await wire.send_raw_request("x", {"name": "n"}) == {"odd": {"ü": None}}

    assert evidence.junk == 2
    assert evidence.first_junk == "Server started"


async def test_an_error_comes_as_the_peer_chose_it(tmp_path: Path) -> None:
    refusal = {"code": -7, "message": "no", "data": {"why": 1}}
    async with running(command(Script(answers={"x": {"error": refusal}}), tmp_path), Evidence()) as wire:
        with pytest.raises(MCPError) as caught:
            await wire.send_raw_request("x", None)

    assert caught.value.error.model_dump() == refusal


SAYS = """
import sys
sys.stdin.readline()
sys.stdout.write('{{"jsonrpc":"2.0","id":null,"method":"notifications/x"}}\\n')
sys.stdout.write('{{"jsonrpc":"2.0","id":1,{said}}}\\n')
sys.stdout.flush()
sys.stdin.read()
"""


@pytest.mark.parametrize("way", WIRES)
@pytest.mark.parametrize("said", ['"result":null', '"result":[]', '"result":true', '"error":null'])
async def test_an_answer_that_is_none_is_an_error_for_whoever_waits_for_it(way: Any, said: str) -> None:
    """Such as that to a ping: its server is alive. And what it tells may say that it has no id."""
    told: list[str] = []

    async def hear(method: str) -> None:
        told.append(method)

    async with way(python(SAYS.format(said=said)), Evidence()) as wire:
        wire.on_told = lambda method, _params, _number: hear(method)
        with pytest.raises(MCPError):
            await wire.send_raw_request("ping", None, {"request_id": 1})

    assert told == ["notifications/x"]


async def test_a_crash_ends_the_connection_and_the_call_on_it(tmp_path: Path) -> None:
    evidence = Evidence()
    async with running(command(Script(crash_on=["x"]), tmp_path), evidence) as wire:
        with pytest.raises(MCPError) as caught:
            await wire.send_raw_request("x", None)
        assert caught.value.code == CONNECTION_CLOSED

    assert evidence.exit_code == 3


async def test_a_server_that_closed_its_stdin_but_lives_on_is_gone_for_its_callers() -> None:
    code = "import os, time\nos.close(0)\nprint('closed', flush=True)\ntime.sleep(600)"
    evidence = Evidence()
    async with running(python(code), evidence) as wire:
        while not evidence.junk:
            await anyio.sleep(0.01)
        with pytest.raises(MCPError) as caught:
            await wire.send_raw_request("x", None)

    assert caught.value.code == CONNECTION_CLOSED


LAST_WORDS = """
import os, sys, time
sys.stdin.readline()
os.close(0)
time.sleep(0.1)
print('{"jsonrpc":"2.0","id":1,"result":{"its":"last word"}}', flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("way", WIRES)
async def test_what_a_server_took_before_it_closed_its_stdin_is_still_answered(way: Any) -> None:
    async with way(python(LAST_WORDS), Evidence()) as wire:
        assert await wire.send_raw_request("x", None, {"request_id": 1}) == {"its": "last word"}


@own_wire
async def test_a_server_that_closed_its_stdin_is_given_nothing_more() -> None:
    code = "import os, time\nos.close(0)\ntime.sleep(600)"
    async with running_over_ours(python(code), Evidence()) as wire:
        await until(lambda: wire.is_ending)  # it may have closed it before anybody could be told
        assert not wire.begin(1, "x", {}, {}, None)
        await until(lambda: wire.is_closed)


async def test_an_endless_line_ends_the_connection_and_says_why() -> None:
    code = (
        "import sys\n"
        "try:\n"
        "    for _ in range(70): sys.stdout.write('x' * (1 << 20))\n"
        "except BrokenPipeError: pass\n"
        "sys.stdin.read()"
    )
    evidence = Evidence()
    async with running(python(code), evidence) as wire:
        with pytest.raises(MCPError) as caught:
            await wire.send_raw_request("x", None)
        assert caught.value.code == CONNECTION_CLOSED

    assert evidence.broke == "a line is longer than 64 MiB"
