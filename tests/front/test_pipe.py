"""What a client of two pipes is answered, whichever part of us answers it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.inbound import InboundModernRoute, classify_inbound_request
from mcp_types import CLIENT_CAPABILITIES_META_KEY, PROTOCOL_VERSION_META_KEY, UNSUPPORTED_PROTOCOL_VERSION

from magictunnel.catalog.model import Json
from magictunnel.config.model import Config
from magictunnel.front.decode import is_enveloped
from magictunnel.front.pipe import PipeClient
from magictunnel.front.server import FrontServer
from magictunnel.gateway import build, running
from tests.support.memory import until
from tests.support.raw import HANDSHAKE

pytestmark = pytest.mark.anyio

STATELESS = "2026-07-28"
NO_TOOLS = -32601
"""What is answered where no server has any."""
ENVELOPE = {PROTOCOL_VERSION_META_KEY: STATELESS, CLIENT_CAPABILITIES_META_KEY: {}}

ODD = st.sampled_from([None, True, 0, "", "odd", [], [1], {}, {"a": 1}])
METAS = st.one_of(
    ODD,
    st.dictionaries(
        st.sampled_from([PROTOCOL_VERSION_META_KEY, CLIENT_CAPABILITIES_META_KEY, "other"]),
        st.one_of(ODD, st.sampled_from([STATELESS, HANDSHAKE, "2099-01-01", [STATELESS]])),
    ),
)


@given(meta=METAS)
def test_what_we_take_is_what_the_sdk_would_take(meta: Any) -> None:
    params = {"name": "x", "_meta": meta}
    route = classify_inbound_request({"method": "tools/call", "params": params})

    assert is_enveloped(params) == isinstance(route, InboundModernRoute)


@pytest.mark.parametrize("params", [None, {}, {"name": "x"}])
def test_without_an_envelope_nothing_is_taken(params: Json | None) -> None:
    assert not is_enveloped(params)


class Heard:
    """What is written to a client. See `Outlet`."""

    is_full = False

    def __init__(self) -> None:
        self._answers: dict[object, Json] = {}
        self._came = anyio.Event()

    def write(self, *pieces: bytes) -> None:
        answer = orjson.loads(b"".join(pieces))
        self._answers[answer.get("id")] = answer
        self._came.set()
        self._came = anyio.Event()

    async def drained(self) -> None:
        raise AssertionError("it is never full")

    def close(self) -> None:
        """It is kept as it is."""

    async def answer(self, number: object) -> Json:
        """The answer to that request, once it has come."""
        while number not in self._answers:
            await self._came.wait()
        return self._answers[number]


class Piped:
    """A client, and what it hears."""

    def __init__(self, client: PipeClient, heard: Heard, front: FrontServer) -> None:
        self.front = front
        self._client = client
        self._heard = heard

    async def ask(self, number: object, method: str, params: Any) -> Json:
        """The answer to one request."""
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        self._client.peer.received(orjson.dumps(message))
        return await self._heard.answer(number)


@asynccontextmanager
async def piped() -> AsyncIterator[Piped]:
    heard = Heard()
    with anyio.fail_after(20):
        async with running(build(Config())) as gateway, anyio.create_task_group() as tasks:
            front = FrontServer(gateway)
            client = PipeClient(front, heard)
            tasks.start_soon(client.run)
            yield Piped(client, heard, front)
            tasks.cancel_scope.cancel()


@pytest.mark.parametrize("meta", [[1], "odd", 7])
async def test_a_meta_that_is_no_object_is_the_client_s_mistake(meta: Any) -> None:
    async with piped() as it:
        about = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
        assert "result" in await it.ask(1, "initialize", about)
        refused = await it.ask(2, "tools/call", {"name": "a__x", "_meta": meta})
        fine = await it.ask("3", "tools/call", {"name": "a__x", "_meta": {}})

    assert (refused["error"]["code"], fine["error"]["code"]) == (-32602, NO_TOOLS)


async def test_an_envelope_that_is_not_in_order_is_refused_and_the_next_one_is_answered() -> None:
    async with piped() as it:
        first = await it.ask(1, "tools/list", {"_meta": ENVELOPE})
        wrong = await it.ask(2, "tools/list", {"_meta": ENVELOPE | {PROTOCOL_VERSION_META_KEY: "2099-01-01"}})
        bare = await it.ask(3, "tools/list", {})
        again = await it.ask(4, "tools/list", {"_meta": ENVELOPE})

    codes = [answer["error"]["code"] for answer in (first, wrong, bare, again)]
    assert codes == [NO_TOOLS, UNSUPPORTED_PROTOCOL_VERSION, -32602, NO_TOOLS]


async def test_a_call_that_is_cancelled_before_it_could_begin_never_does() -> None:
    """As when a host that was told its first words at once writes more than it has ears for."""
    begun: list[object] = []
    async with piped() as it:
        peer = it._client.peer
        began = peer._begin

        def begin(asked: Any) -> Any:
            begun.append(asked.request_id)
            return began(asked)

        peer._begin = begin
        about = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
        lines = [
            {"id": 1, "method": "initialize", "params": about},
            {"method": "notifications/initialized"},
            {"id": 7, "method": "tools/call", "params": {"name": "a__x"}},
            {"id": "8", "method": "tools/call", "params": {"name": "a__x"}},
            {"method": "notifications/cancelled", "params": {"requestId": 7}},
            {"method": "notifications/cancelled", "params": {"requestId": 99}},
            {"method": "notifications/cancelled"},
        ]
        for line in lines:
            peer.received(orjson.dumps({"jsonrpc": "2.0"} | line))
        assert "result" in await it._heard.answer(1)
        assert (await it._heard.answer("8"))["error"]["code"] == NO_TOOLS
        assert "result" in await it.ask(9, "ping", {})

    assert 7 not in begun
    assert 7 not in it._heard._answers


ABOUT: Json = {"protocolVersion": HANDSHAKE, "capabilities": {"roots": {}}, "clientInfo": {"name": "c", "version": "1"}}


async def test_a_client_may_say_of_a_notification_that_it_has_no_id() -> None:
    async with piped() as it:
        await it.ask(1, "initialize", ABOUT)
        it._client.peer.received(b'{"jsonrpc":"2.0","id":null,"method":"notifications/initialized"}')
        await until(lambda: len(it.front.handlers.sessions.open_ones) == 1)


async def test_a_client_that_shakes_hands_again_in_vain_is_who_it_was() -> None:
    async with piped() as it:
        await it.ask(1, "initialize", ABOUT)
        it._client.peer.received(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')
        await until(lambda: len(it.front.handlers.sessions.open_ones) == 1)
        (known,) = it.front.handlers.sessions.open_ones

        assert "error" in await it.ask(2, "initialize", {})
        assert it.front.handlers.sessions.open_ones == [known]
