"""Servers that hang, tools whose errors sound like ours, and calls that had begun: what an adversary tried."""

from __future__ import annotations

import os
import signal
import uuid
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import MCPError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from magictunnel.backends.states import State
from magictunnel.catalog.model import Kind
from magictunnel.config.model import ServerConfig, Transport
from tests.support.raw import Script, tool
from tests.support.web import served
from tests.support.world import PATIENCE, world

pytestmark = pytest.mark.anyio


def _child() -> int:
    """The process of the one scripted server that this process has started."""
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            parent = int(Path(f"/proc/{entry}/stat").read_text().rpartition(") ")[2].split()[1])
            if parent == os.getpid() and "raw.py" in Path(f"/proc/{entry}/cmdline").read_text():
                return int(entry)
        except OSError:
            continue
    raise AssertionError("there is none")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc")
async def test_a_server_that_hangs_is_ended_and_started_again(server_era: str, tmp_path: Path) -> None:
    script = Script(name="s", era=server_era, offers={"tools": [tool("t")]})
    with anyio.fail_after(PATIENCE):
        async with world([script], tmp_path, settings={"s": {"timeout": 0.5, "heartbeat": 0.2}}) as w, w.client() as c:
            await w.until_ready()
            os.kill(_child(), signal.SIGSTOP)
            await w.until(lambda: w.gateway.status["s"].restarts == 1)
            assert "it hangs" in str(w.gateway.status["s"].failure)
            await c.call_tool("s__t")


async def test_a_tool_may_say_that_a_session_was_not_found(server_era: str, client_era: str, tmp_path: Path) -> None:
    """A browser's or a debugger's session, say. It ran, and its error is its answer."""
    log = tmp_path / "log"
    error = {"error": {"code": -32603, "message": "Session not found"}}
    offers = {"tools": [tool("close"), tool("other")]}
    script = Script(name="s", era=server_era, offers=offers, transcript=str(log), answers={"tools/call close": error})
    with anyio.fail_after(PATIENCE):
        async with world([script], tmp_path) as w, w.client(client_era) as client:
            await w.until_ready()
            with pytest.raises(MCPError, match="Session not found"):
                await client.call_tool("s__close")
            await client.call_tool("s__other")
            assert w.gateway.status["s"].state is State.READY
    calls = [line for line in log.read_text().splitlines() if '"tools/call"' in line and '"close"' in line]
    assert len(calls) == 1


class Till:
    """A server whose tool runs only as a task, and which forgets the first session as soon as the tool has begun."""

    def __init__(self) -> None:
        self.sessions: set[str] = set()
        self.paid = 0

    async def mcp(self, request: Request) -> Response:
        if request.method != "POST":
            return Response(status_code=405 if request.method == "GET" else 200)
        message = await request.json()
        number, method = message.get("id"), message.get("method")
        if method == "initialize":
            session = uuid.uuid4().hex
            self.sessions.add(session)
            capabilities = {"tools": {}, "tasks": {"requests": {"tools": {"call": {}}}}}
            about = {"protocolVersion": "2025-11-25", "capabilities": capabilities}
            about["serverInfo"] = {"name": "till", "version": "1"}
            return self._result(number, about, {"mcp-session-id": session})
        if method == "server/discover":
            return self._error(number, -32601, 200)
        if request.headers.get("mcp-session-id") not in self.sessions:
            return self._error(None, -32600, 404)
        return Response(status_code=202) if number is None else self._result(number, self._answer(str(method)))

    def _answer(self, method: str) -> dict[str, Any]:
        if method == "tools/list":
            return {"tools": [tool("pay", execution={"taskSupport": "required"})]}
        if method == "tools/call":
            self.paid += 1
            self.sessions.clear()
            moment = "2026-01-01T00:00:00Z"
            task = {"taskId": "t1", "status": "working", "createdAt": moment, "lastUpdatedAt": moment, "ttl": None}
            return {"task": task}
        return {"content": [{"type": "text", "text": "paid"}]}

    def _result(self, number: Any, result: Any, headers: dict[str, str] | None = None) -> Response:
        return JSONResponse({"jsonrpc": "2.0", "id": number, "result": result}, headers=headers)

    def _error(self, number: Any, code: int, status: int) -> Response:
        error = {"code": code, "message": "Session not found"}
        return JSONResponse({"jsonrpc": "2.0", "id": number, "error": error}, status_code=status)


async def test_a_call_that_had_begun_is_not_begun_again_when_the_session_is_lost_meanwhile() -> None:
    till = Till()
    app = Starlette(routes=[Route("/mcp", till.mcp, methods=["GET", "POST", "DELETE"])])
    with anyio.fail_after(PATIENCE):
        async with served(app) as port:
            entry = ServerConfig(type=Transport.HTTP, url=f"http://127.0.0.1:{port}/mcp")
            async with world([], more={"till": entry}) as w, w.client("stateless") as client:
                await w.until_ready()
                with pytest.raises(MCPError, match="Whether it ran is unknown"):
                    await client.call_tool("till__pay")
    assert till.paid == 1


async def test_a_changed_server_that_does_not_start_loses_its_entries_after_the_grace_time() -> None:
    with anyio.fail_after(PATIENCE):
        async with world([Script(name="o", offers={"tools": [tool("t")]})], over="http") as w:
            await w.until_ready()
            gone = ServerConfig(type=Transport.STDIO, command="/nonexistent/x", grace=0.2)
            w.gateway.apply(w.gateway.config.model_copy(update={"servers": {"o": gone}}))
            assert list(w.gateway.live.current.of(Kind.TOOL)) == ["o__t"]
            await w.until(lambda: not w.gateway.live.current.of(Kind.TOOL))


@pytest.mark.filterwarnings("ignore:resources/subscribe")
async def test_what_is_followed_of_a_server_that_went_and_came_is_followed_at_the_new_one() -> None:
    offers = {"resources": [{"uri": "x://s", "name": "one"}]}
    script = Script(name="s", era="handshake", offers=offers, capabilities={"resources": {"subscribe": True}})
    with anyio.fail_after(PATIENCE):
        async with world([script], over="http") as w:
            await w.until_ready()
            before = w.gateway.config
            async with w.client("handshake", "http") as client:
                await client.session.subscribe_resource("x://s")
                w.gateway.apply(before.model_copy(update={"servers": {}}))
                w.gateway.apply(before)
                await w.until_ready("s")
                w.servers["s"].subscribed.clear()
                await client.session.subscribe_resource("x://s")
                assert w.servers["s"].subscribed == {"x://s"}


async def test_calls_that_only_waited_for_their_turn_are_told_so_and_not_held_against_the_server(
    tmp_path: Path,
) -> None:
    script = Script(
        name="s",
        era="handshake",
        offers={"tools": [tool("long"), tool("quick")]},
        delay_on={"tools/call long": 2.0},
    )
    keys = {"concurrency": 1, "timeout": 0.3, "tools": {"long": {"timeout": 10}}}
    with anyio.fail_after(PATIENCE):
        async with world([script], tmp_path, settings={"s": keys}) as w, w.client("handshake", "http") as client:
            await w.until_ready()

            async def waits() -> None:
                with pytest.raises(MCPError, match="its other calls took all of the time"):
                    await client.call_tool("s__quick")

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.call_tool, "s__long", {})
                await w.until(lambda: w.gateway.stats["s"].in_flight == 1)
                async with anyio.create_task_group() as waiting:
                    for _ in range(6):
                        waiting.start_soon(waits)
                assert w.gateway.status["s"].state is State.READY
