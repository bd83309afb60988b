"""Failure mode 6: sessions are never freed when clients skip DELETE. Whoever is silent for long is forgotten whole."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from magictunnel.config.model import ServerConfig
from tests.support.office import site
from tests.support.process import HAS_PROC, PATIENCE, gone, marked
from tests.support.raw import HANDSHAKE, Json
from tests.support.rawclient import local_http
from tests.support.setting import over_http, set_up
from tests.support.worker import worker, worker_entry

pytestmark = pytest.mark.anyio

IDLE = 0.6
MANY, FEW = 500, 6
WARM_UP = 500
AT_ONCE = 10
HEADERS = {"accept": "application/json, text/event-stream", "mcp-protocol-version": HANDSHAKE}
MARK = "MAGICTUNNEL_TEST_MARK"
MAX_GROWTH = 4 * 1024 * 1024
"""Bytes that MANY sessions may leave behind; allocators do not give everything back."""


def request(method: str, params: Json) -> Json:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


async def vanishing(http: httpx2.AsyncClient, calls: str = "") -> str:
    """A client that shakes hands (and calls a tool), and is never heard of again; its session."""
    about = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": {"name": "v", "version": "1"}}
    opened = await http.post("/mcp", json=request("initialize", about), headers=HEADERS)
    headers = HEADERS | {"mcp-session-id": opened.headers["mcp-session-id"]}
    await http.post("/mcp", json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=headers)
    if calls:
        answer = await http.post("/mcp", json=request("tools/call", {"name": calls}), headers=headers)
        assert '"result"' in answer.text, answer.text
    return headers["mcp-session-id"]


async def many(http: httpx2.AsyncClient, count: int, calls: str = "") -> list[str]:
    """That many such clients; their sessions."""
    sessions: list[str] = []

    async def some() -> None:
        sessions.extend([await vanishing(http, calls) for _ in range(count // AT_ONCE)])

    async with anyio.create_task_group() as tasks:
        for _ in range(AT_ONCE):
            tasks.start_soon(some)
    return sessions


async def forgotten(http: httpx2.AsyncClient, sessions: list[str]) -> None:
    """Wait until none of these sessions is known. To ask for one is to use it, so each is asked for now and then."""
    while sessions:
        await anyio.sleep(2 * IDLE)
        answers = [
            await http.post("/mcp", json=request("ping", {}), headers=HEADERS | {"mcp-session-id": session})
            for session in sessions
        ]
        sessions = [one for one, answer in zip(sessions, answers, strict=True) if answer.status_code != 404]


def plain(port: int) -> httpx2.AsyncClient:
    return local_http(port, timeout=10.0)


async def test_sessions_of_clients_that_vanished_are_forgotten(tmp_path: Path) -> None:
    with anyio.fail_after(2 * PATIENCE):
        async with (
            site("http", tmp_path, era="handshake") as srv,
            set_up({"srv": srv.config}, session_idle_timeout=IDLE) as w,
            plain(w.port) as http,
        ):
            await w.until_ready()
            sessions = await many(http, MANY)
            await forgotten(http, sessions)
            await w.until(lambda: len(w.front.handlers.sessions) == 0)
            await w.until(lambda: not w.gateway.audience.callers)


@pytest.mark.skipif(not HAS_PROC, reason="the size of a process is read from /proc")
async def test_sessions_of_clients_that_vanished_leave_no_memory_behind(tmp_path: Path) -> None:
    entry = worker_entry(worker("srv", tmp_path, era="handshake"), tmp_path)
    with anyio.fail_after(3 * PATIENCE):
        async with (
            over_http(tmp_path, {"srv": entry}, session_idle_timeout="300ms") as (host, port),
            plain(port) as http,
        ):
            await forgotten(http, await many(http, WARM_UP))
            before = size_of(host.process.pid)
            await forgotten(http, await many(http, MANY))
            assert size_of(host.process.pid) - before < MAX_GROWTH


@pytest.mark.parametrize("over", ["http", "sse"])
async def test_what_servers_keep_for_a_client_is_freed_when_it_vanished(over: str, tmp_path: Path) -> None:
    with anyio.fail_after(PATIENCE):
        async with site(over, tmp_path, keys={"session": "per_client"}, era="handshake") as srv:
            office = srv.office
            assert office is not None
            async with set_up({"srv": srv.config}, session_idle_timeout=IDLE) as w, plain(w.port) as http:
                await w.until_ready()
                before = len(office.sessions)
                await many(http, 2 * AT_ONCE, "srv__count")
                assert office.peak > before
                await w.until(lambda: len(office.sessions) == before)


@pytest.mark.skipif(not HAS_PROC, reason="looks processes up in /proc")
async def test_the_process_of_a_client_that_vanished_is_ended(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    keys: dict[str, Any] = {"session": "per_client", "env": {MARK: mark}}
    entry = ServerConfig(type="stdio", **worker_entry(worker("srv", tmp_path, era="handshake"), tmp_path, **keys))  # type: ignore[arg-type]
    try:
        with anyio.fail_after(PATIENCE):
            async with set_up({"srv": entry}, session_idle_timeout=IDLE) as w, plain(w.port) as http:
                await w.until_ready()
                before = set(marked(mark))
                for _ in range(FEW):
                    await vanishing(http, "srv__count")
                await w.until(lambda: set(marked(mark)) == before)
    finally:
        with anyio.CancelScope(shield=True):
            await gone(mark, within=0.0)


async def test_a_client_that_is_heard_of_now_and_then_is_not_forgotten(tmp_path: Path) -> None:
    with anyio.fail_after(PATIENCE):
        async with (
            site("http", tmp_path, era="handshake") as srv,
            set_up({"srv": srv.config}, session_idle_timeout=1.0) as w,
            plain(w.port) as http,
        ):
            await w.until_ready()
            headers = HEADERS | {"mcp-session-id": await vanishing(http)}
            for _ in range(8):
                await anyio.sleep(0.25)
                answer = await http.post("/mcp", json=request("ping", {}), headers=headers)
                assert answer.status_code == 200


def size_of(pid: int) -> int:
    """Bytes of memory that a process holds."""
    pages = Path(f"/proc/{pid}/statm").read_text("utf-8").split()[1]
    return int(pages) * 4096
