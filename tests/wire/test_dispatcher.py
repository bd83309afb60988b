"""The end of a connection is told once, whichever side ended it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from mcp_types import CONNECTION_CLOSED

from magictunnel.wire.dispatcher import WireDispatcher

pytestmark = pytest.mark.anyio


class Peer:
    """The other end of the wire."""

    def __init__(
        self,
        to_us: MemoryObjectSendStream[SessionMessage | Exception],
        from_us: MemoryObjectReceiveStream[SessionMessage],
    ) -> None:
        self.to_us, self.from_us = to_us, from_us


@asynccontextmanager
async def wired() -> AsyncIterator[tuple[WireDispatcher, Peer]]:
    to_us, received = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    to_send, from_us = anyio.create_memory_object_stream[SessionMessage](10)
    with anyio.fail_after(5):
        async with to_us, received, to_send, from_us:
            yield WireDispatcher(received, to_send), Peer(to_us, from_us)


async def refuse(_ctx: Any, method: str, _params: Any) -> dict[str, Any]:
    raise AssertionError(f"nobody asks {method} here")


async def ignore(_ctx: Any, _method: str, _params: Any) -> None:
    return


async def test_the_end_is_told_once_when_the_peer_goes() -> None:
    told: list[bool] = []
    async with wired() as (wire, peer), anyio.create_task_group() as tasks:
        wire.on_closed = lambda: told.append(wire.is_closed)
        await tasks.start(wire.run, refuse, ignore)
        assert told == []

        await peer.to_us.aclose()

    assert told == [True]


async def test_the_end_is_told_when_we_leave() -> None:
    told: list[bool] = []
    async with wired() as (wire, _peer), anyio.create_task_group() as tasks:
        wire.on_closed = lambda: told.append(wire.is_closed)
        await tasks.start(wire.run, refuse, ignore)

        tasks.cancel_scope.cancel()

    assert told == [True]


async def test_a_connection_ends_without_anyone_who_listens_for_it() -> None:
    async with wired() as (wire, peer), anyio.create_task_group() as tasks:
        await tasks.start(wire.run, refuse, ignore)
        await peer.to_us.aclose()

    assert wire.is_closed


async def test_a_request_under_way_fails_when_the_peer_goes() -> None:
    async with wired() as (wire, peer), anyio.create_task_group() as tasks:
        await tasks.start(wire.run, refuse, ignore)

        async def hang_up() -> None:
            await peer.from_us.receive()
            await peer.to_us.aclose()

        tasks.start_soon(hang_up)
        with pytest.raises(MCPError) as caught:
            await wire.send_raw_request("tools/call", {"name": "x"})

    assert caught.value.code == CONNECTION_CLOSED
