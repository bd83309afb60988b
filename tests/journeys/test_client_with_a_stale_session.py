"""Failure mode 3: we restart, a client keeps its old session id, and what it sends is swallowed or answered 400/500."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx2
import pytest
from mcp.client.client import Client

from tests.support.raw import HANDSHAKE, Json, Script, tool
from tests.support.rawclient import RawClient, local_http, raw_client
from tests.support.world import PATIENCE, world

pytestmark = pytest.mark.anyio

STALE = "0123456789abcdef0123456789abcdef"
SCRIPT = Script(name="srv", offers={"tools": [tool("echo")]})
HEADERS = {"accept": "application/json, text/event-stream", "mcp-protocol-version": HANDSHAKE}
INITIALIZE: Json = {
    "protocolVersion": HANDSHAKE,
    "capabilities": {},
    "clientInfo": {"name": "raw", "version": "1"},
}


@asynccontextmanager
async def scene() -> AsyncIterator[tuple[httpx2.AsyncClient, RawClient]]:
    """A gateway that has just one client, and the plain HTTP that another speaks with it."""
    with anyio.fail_after(PATIENCE):
        async with (
            world([SCRIPT], over="http") as w,
            raw_client(w.port, "handshake") as living,
            local_http(w.port, timeout=5.0) as http,
        ):
            yield http, living


def request(method: str, params: Json | None = None) -> Json:
    return {"jsonrpc": "2.0", "id": 7, "method": method, "params": params or {}}


@pytest.mark.parametrize("method", ["tools/list", "tools/call", "ping", "no/such/method"])
async def test_what_comes_with_an_unknown_session_is_refused_as_the_protocol_says(method: str) -> None:
    async with scene() as (http, living):
        headers = HEADERS | {"mcp-session-id": STALE}
        answer = await http.post("/mcp", json=request(method, {"name": "srv__echo"}), headers=headers)
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == -32600
        assert living._session
        assert living._session not in answer.text + str(answer.headers)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_stream_of_an_unknown_session_is_refused_and_does_not_hang(method: str) -> None:
    async with scene() as (http, living):
        answer = await http.request(method, "/mcp", headers=HEADERS | {"mcp-session-id": STALE})
        assert answer.status_code == 404
        assert living._session not in answer.text + str(answer.headers)


async def test_a_notification_with_an_unknown_session_is_refused_and_does_not_hang() -> None:
    async with scene() as (http, _living):
        note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        answer = await http.post("/mcp", json=note, headers=HEADERS | {"mcp-session-id": STALE})
        assert answer.status_code == 404


async def test_a_handshake_that_still_carries_the_old_session_leads_to_a_new_one() -> None:
    """At once, or after the refusal that tells a client to begin without a session."""
    async with scene() as (http, living):
        opening = request("initialize", INITIALIZE)
        answer = await http.post("/mcp", json=opening, headers=HEADERS | {"mcp-session-id": STALE})
        if answer.status_code == 404:
            assert "error" in answer.json()
            answer = await http.post("/mcp", json=opening, headers=HEADERS)
        assert answer.status_code == 200
        assert answer.headers["mcp-session-id"] not in (STALE, living._session)


async def test_an_unknown_session_of_the_sse_transport_is_refused() -> None:
    async with scene() as (http, _living):
        answer = await http.post(f"/messages/?session_id={STALE}", json=request("tools/list"))
        assert answer.status_code == 404


async def test_a_client_whose_session_we_ended_hears_it_and_opens_another(tmp_path: Path) -> None:
    with anyio.fail_after(PATIENCE):
        async with world([SCRIPT], over="http") as w:
            async with raw_client(w.port, "handshake") as gone:
                answer = await gone._http.delete("/mcp", headers=HEADERS | {"mcp-session-id": gone._session})
                assert answer.status_code == 200
                refusal = await gone.request("tools/list")
                assert refusal["error"]["code"] == -32600
            async with Client(f"http://127.0.0.1:{w.port}/mcp", mode="legacy", cache=None) as client:
                assert len((await client.list_tools()).tools) == 1
