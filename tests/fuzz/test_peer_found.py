"""What a fuzzer has found in a peer, and what was done about it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError

from magictunnel.wire.peer import MAX_AT_ONCE, Peer
from tests.fuzz.other_side import on_notify, on_request

PATIENCE = 15.0


@dataclass
class Outlet:
    """Takes lines, and lets itself be full."""

    lines: list[bytes] = field(default_factory=list)
    is_full: bool = False

    def write(self, *pieces: bytes) -> None:
        self.lines.append(b"".join(pieces))

    async def drained(self) -> None:
        while self.is_full:
            await asyncio.sleep(0.01)

    def close(self) -> None:
        return


class Inlet:
    is_paused = False

    def pause(self, is_paused: bool) -> None:
        self.is_paused = is_paused


REQUEST = b'{"jsonrpc":"2.0","id":%d,"method":"echo"}'
CANCEL = b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%d}}'


async def turns(condition: Any) -> None:
    """Wait until something holds, boundedly."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)


async def listening(outlet: Outlet, inline: frozenset[str] = frozenset()) -> tuple[Peer, asyncio.Task[None]]:
    peer = Peer(outlet, on_junk=lambda _line: None, inline=inline)
    peer.inlet = Inlet()
    running = asyncio.get_running_loop().create_task(peer.run(on_request, on_notify))
    await asyncio.sleep(0)
    return peer, running


async def ended(peer: Peer, running: asyncio.Task[None]) -> None:
    peer.end()
    async with asyncio.timeout(PATIENCE):
        await running


async def cancel_in_the_same_chunk() -> None:
    peer, running = await listening(Outlet())
    peer.received(REQUEST % 1)
    peer.received(CANCEL % 1)
    for _ in range(5):
        await asyncio.sleep(0)
    left = len(peer._in_flight)
    await ended(peer, running)
    assert left == 0


async def what_follows(first: tuple[bytes, ...]) -> None:
    outlet = Outlet()
    peer, running = await listening(outlet, frozenset({"initialize"}))
    for line in (*first, REQUEST % 2):
        peer.received(line)
    for _ in range(10):
        await asyncio.sleep(0)
    await ended(peer, running)
    assert any(json.loads(line)["id"] == 2 and b"result" in line for line in outlet.lines)


async def unread(line: bytes) -> None:
    outlet = Outlet(is_full=True)
    peer, running = await listening(outlet)
    for number in range(2 * MAX_AT_ONCE):
        if peer.inlet.is_paused:  # type: ignore[union-attr]
            break
        peer.received(line % number if b"%d" in line else line)
        if number % 256 == 0:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
    held = len(peer.crew)
    outlet.is_full = False
    await ended(peer, running)
    assert held <= MAX_AT_ONCE + 512


async def timeout_of_who_waits_to_write() -> None:
    outlet = Outlet(is_full=True)
    peer, running = await listening(outlet)
    try:
        async with asyncio.timeout(1):
            with pytest.raises(MCPError):
                await peer.send_raw_request("ask", {}, {"timeout": 0.01})
    finally:
        outlet.is_full = False
        await ended(peer, running)


def test_a_request_that_is_cancelled_at_once_leaves_nothing() -> None:
    asyncio.run(cancel_in_the_same_chunk())


INITIALIZE = b'{"jsonrpc":"2.0","id":%s,"method":"initialize"}'


@pytest.mark.parametrize(
    "first", [(INITIALIZE % b"1", CANCEL % 1), (INITIALIZE % b'"\\ud800"',)], ids=["cancelled", "unwritable id"]
)
def test_what_follows_is_heard_whatever_becomes_of_the_first(first: tuple[bytes, ...]) -> None:
    asyncio.run(what_follows(first))


@pytest.mark.parametrize("line", [REQUEST, REQUEST % 1], ids=["many ids", "one id"])
def test_who_does_not_read_is_heard_no_more_at_some_point(line: bytes) -> None:
    asyncio.run(unread(line))


def test_a_timeout_counts_while_the_other_side_does_not_read() -> None:
    asyncio.run(timeout_of_who_waits_to_write())
