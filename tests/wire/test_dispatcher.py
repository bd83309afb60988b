"""The end of a connection is told once; what a server says and asks goes raw to whoever takes it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from mcp_types import CONNECTION_CLOSED, jsonrpc_message_adapter

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


# --- what a server says and asks


def said(**message: Any) -> SessionMessage:
    return SessionMessage(jsonrpc_message_adapter.validate_python({"jsonrpc": "2.0"} | message))


async def reply(peer: Peer) -> dict[str, Any]:
    return (await peer.from_us.receive()).message.model_dump(by_alias=True, exclude_unset=True)


async def test_what_is_taken_passes_raw_and_everything_else_goes_to_the_session() -> None:
    odd = {"level": "odd", "_meta": {"deep": [None]}}
    taken: list[tuple[str, Any]] = []
    left: list[tuple[str, Any]] = []
    done = anyio.Event()

    def take(method: str, params: dict[str, Any], _number: object) -> Awaitable[None] | None:
        taken.append((method, params))
        return anyio.lowlevel.checkpoint() if method == "notifications/message" else None

    async def to_session(_ctx: Any, method: str, params: Any) -> None:
        left.append((method, params))
        done.set()

    async with wired() as (wire, peer), anyio.create_task_group() as tasks:
        wire.on_told = take
        await tasks.start(wire.run, refuse, to_session)
        await peer.to_us.send(said(method="notifications/message", params=odd))
        await peer.to_us.send(said(method="notifications/odd"))
        await done.wait()
        tasks.cancel_scope.cancel()

    assert taken == [("notifications/message", odd), ("notifications/odd", {})]
    assert left == [("notifications/odd", None)]


async def test_a_question_is_answered_raw_by_whoever_takes_it_and_else_by_the_session() -> None:
    async def answer(params: dict[str, Any]) -> dict[str, Any]:
        return {"asked": params, "odd": None}

    async def by_session(_ctx: Any, method: str, _params: Any) -> dict[str, Any]:
        return {"session": method}

    async with wired() as (wire, peer), anyio.create_task_group() as tasks:
        wire.on_asked = lambda method, params, _number: answer(params) if method == "roots/list" else None
        await tasks.start(wire.run, by_session, ignore)
        await peer.to_us.send(said(id="q", method="roots/list", params={"odd": [None]}))
        assert await reply(peer) == {"jsonrpc": "2.0", "id": "q", "result": {"asked": {"odd": [None]}, "odd": None}}

        await peer.to_us.send(said(id=0, method="ping"))
        assert await reply(peer) == {"jsonrpc": "2.0", "id": 0, "result": {"session": "ping"}}
        tasks.cancel_scope.cancel()


async def test_a_question_that_is_refused_is_answered_with_that_very_error() -> None:
    async def answer() -> dict[str, Any]:
        raise MCPError(-7, "no", {"why": [1]})

    async with wired() as (wire, peer), anyio.create_task_group() as tasks:
        wire.on_asked = lambda _method, _params, _number: answer()
        await tasks.start(wire.run, refuse, ignore)
        await peer.to_us.send(said(id=1, method="roots/list"))

        assert (await reply(peer))["error"] == {"code": -7, "message": "no", "data": {"why": [1]}}
        tasks.cancel_scope.cancel()


async def test_an_answer_for_which_nobody_waits_is_dropped_and_counted() -> None:
    async with wired() as (wire, peer), anyio.create_task_group() as tasks:
        await tasks.start(wire.run, refuse, ignore)
        with anyio.CancelScope() as given_up:
            tasks.start_soon(answer_when_cancelled, peer, given_up)
            await wire.send_raw_request("tools/call", {}, {"request_id": 7, "cancel_on_abandon": False})
        while not wire.late_answers:
            await anyio.lowlevel.checkpoint()

        assert wire.late_answers == 1
        tasks.cancel_scope.cancel()


async def answer_when_cancelled(peer: Peer, scope: anyio.CancelScope) -> None:
    await peer.from_us.receive()
    scope.cancel()
    await peer.to_us.send(said(id=7, result={}))
