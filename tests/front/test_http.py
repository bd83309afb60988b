"""What is served over HTTP, to whom, and how it ends."""

from __future__ import annotations

import gc
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx2
import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from magictunnel.errors import ConfigError
from magictunnel.front.http import MAX_BODY, listen_on, serve_http
from magictunnel.front.server import FrontServer
from tests.support.front import PlayedSource
from tests.support.raw import HANDSHAKE, STATELESS, VERSION_KEY
from tests.support.rawclient import local_http, raw_client
from tests.support.world import ERAS

pytestmark = pytest.mark.anyio

PATIENCE = 10.0
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}},
}
ACCEPT = {"accept": "application/json, text/event-stream"}


@asynccontextmanager
async def serving(host: str = "127.0.0.1") -> AsyncIterator[int]:
    """A front on a port of its own."""
    listener = listen_on(host, 0)
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve_http, FrontServer(PlayedSource()), listener)
            yield listener.getsockname()[1]
            tasks.cancel_scope.cancel()


def client(port: int) -> httpx2.AsyncClient:
    return local_http(port, timeout=PATIENCE, headers=ACCEPT)


@pytest.mark.parametrize("era", ERAS)
async def test_clients_of_both_eras_are_served(era: str) -> None:
    async with serving() as port, raw_client(port, era) as raw:
        assert (await raw.request("tools/list"))["error"]["code"] == -32601


async def test_clients_are_served_on_any_address_that_is_served_on() -> None:
    async with serving("127.0.0.2") as port, httpx2.AsyncClient(timeout=PATIENCE, headers=ACCEPT) as http:
        response = await http.post(f"http://127.0.0.2:{port}/mcp", json=INITIALIZE)
        assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream")
        other = await http.post(f"http://127.0.0.2:{port}/mcp", json=INITIALIZE, headers={"host": f"x.example:{port}"})
        assert other.status_code == 421


async def test_health_says_that_we_are_there() -> None:
    async with serving() as port, client(port) as http:
        response = await http.get("/health")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"host": "localhost:9"}, 200),
        ({"host": "[::1]:9"}, 200),
        ({"origin": "http://localhost:3000"}, 200),
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1.evil.example"}, 421),
        ({"host": "localhost.evil.example:80"}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://localhost.evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"host": "evil.example", "origin": "http://evil.example"}, 421),
    ],
)
async def test_a_page_of_another_origin_cannot_reach_us_through_a_browser(headers: dict[str, str], status: int) -> None:
    async with serving() as port, client(port) as http:
        assert (await http.post("/mcp", json=INITIALIZE, headers=headers)).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"), [({"host": "evil.example"}, 421), ({"origin": "http://evil.example"}, 403)]
)
async def test_the_older_way_in_is_guarded_alike(headers: dict[str, str], status: int) -> None:
    async with serving() as port, client(port) as http:
        assert (await http.get("/sse", headers=headers)).status_code == status
        assert (await http.post("/messages/?session_id=0", json=INITIALIZE, headers=headers)).status_code == status


@pytest.mark.parametrize("path", ["/mcp", "/messages/"])
async def test_a_body_that_is_too_large_is_refused_before_it_is_sent(path: str) -> None:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Accept: application/json, text/event-stream\r\nContent-Length: {MAX_BODY + 1}\r\n\r\n"
    )
    async with serving() as port, await anyio.connect_tcp("127.0.0.1", port) as stream:
        await stream.send(head.encode())

        assert (await stream.receive()).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("session", ["", "mcp-session-id: unknown\r\n"])
async def test_a_request_that_does_not_say_to_whom_it_is_is_refused(session: str) -> None:
    head = f"POST /mcp HTTP/1.1\r\nContent-Type: application/json\r\n{session}Content-Length: 2\r\n\r\n{{}}"
    async with serving() as port, await anyio.connect_tcp("127.0.0.1", port) as stream:
        await stream.send(head.encode())

        assert (await stream.receive()).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("POST", "/sse", 405), ("POST", "/health", 405), ("PUT", "/mcp", 405)],
)
async def test_there_is_nothing_else(method: str, path: str, status: int) -> None:
    async with serving() as port, client(port) as http:
        assert (await http.request(method, path)).status_code == status


async def test_a_session_that_does_nothing_keeps_no_connection() -> None:
    async with serving() as port:
        async with client(port) as http:
            session = (await http.post("/mcp", json=INITIALIZE)).headers["mcp-session-id"]
            said = {"jsonrpc": "2.0", "method": "notifications/initialized"}
            assert (await http.post("/mcp", json=said, headers={"mcp-session-id": session})).status_code == 202
        while left_of(HttpToolsProtocol, RequestResponseCycle):
            await anyio.sleep(0.01)
        async with client(port) as http:
            ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
            assert (await http.post("/mcp", json=ping, headers={"mcp-session-id": session})).status_code == 200


def left_of(*kinds: type[object]) -> list[object]:
    """What there is of these kinds."""
    gc.collect()
    return [one for one in gc.get_objects() if isinstance(one, kinds)]


async def test_we_end_in_time_whoever_is_connected() -> None:
    listener = listen_on("127.0.0.1", 0)
    port = listener.getsockname()[1]
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as clients:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(serve_http, FrontServer(PlayedSource()), listener)
                await clients.start(hold_open, port, "/sse")
                await clients.start(hold_open, port, "/sse")
                tasks.cancel_scope.cancel()
            clients.cancel_scope.cancel()

    with pytest.raises(OSError, match="connect"):
        await anyio.connect_tcp("127.0.0.1", port)


async def test_whoever_listens_is_told_that_we_end() -> None:
    listener = listen_on("127.0.0.1", 0)
    port = listener.getsockname()[1]
    told: list[str] = []

    async def listen(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        meta = {VERSION_KEY: STATELESS, "io.modelcontextprotocol/clientCapabilities": {}}
        params = {"notifications": {"toolsListChanged": True}, "_meta": meta}
        asked = {"jsonrpc": "2.0", "id": 5, "method": "subscriptions/listen", "params": params}
        headers = {"mcp-protocol-version": STATELESS, "mcp-method": "subscriptions/listen"}
        async with client(port) as http, http.stream("POST", "/mcp", json=asked, headers=headers) as response:
            async for line in response.aiter_lines():
                if line.startswith("data:") and line[5:].strip():
                    told.append(line[5:])
                    if len(told) == 1:
                        task_status.started()

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as clients, anyio.create_task_group() as tasks:
            tasks.start_soon(serve_http, FrontServer(PlayedSource()), listener)
            await clients.start(listen)
            tasks.cancel_scope.cancel()

    acknowledged, ended = map(json.loads, told)
    assert acknowledged["method"] == "notifications/subscriptions/acknowledged"
    assert ended["id"] == 5
    assert "result" in ended


async def hold_open(port: int, path: str, *, task_status: anyio.abc.TaskStatus[None]) -> None:
    """Have an event stream open until it ends, however it ends."""
    try:
        async with client(port) as http, http.stream("GET", path) as response:
            async for _line in response.aiter_lines():
                task_status.started()
                break
            async for _line in response.aiter_lines():
                pass
    except (httpx2.HTTPError, httpx2.StreamError):
        return


# --- listening


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.8.8.8"])
def test_loopback_addresses_are_served(host: str) -> None:
    with listen_on(host, 0) as listener:
        assert listener.getsockname()[1] > 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", "", "127.0.0.1.example.com"])
def test_an_address_that_others_can_reach_is_refused(host: str) -> None:
    with pytest.raises(ConfigError) as caught:
        listen_on(host, 0)

    assert caught.value.message == f"refusing to serve on {host}: whoever reaches it could use every tool"
    assert "put a proxy that authenticates in front" in caught.value.hint


def test_a_port_that_is_taken_is_told_with_a_remedy() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(ConfigError) as caught:
            listen_on("127.0.0.1", port)

    assert caught.value.message == f"cannot listen on 127.0.0.1:{port}: Address already in use"
    assert caught.value.hint == "choose another with --http HOST:PORT or MAGICTUNNEL_HTTP"
