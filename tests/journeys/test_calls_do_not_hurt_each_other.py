"""One call's trouble is that call's: what is refused, cut off, never answered or cancelled ends nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.shared.exceptions import MCPError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from magictunnel.config.model import Era, ServerConfig, ToolConfig, Transport
from magictunnel.errors import DEADLINE_EXCEEDED, OUTCOME_UNKNOWN
from tests.support.raw import HANDSHAKE, STATELESS, Script, command, tool
from tests.support.web import served
from tests.support.world import PATIENCE, World, world

pytestmark = pytest.mark.anyio


@dataclass
class Awkward:
    """A server over streamable HTTP whose tools each do one thing wrong."""

    era: str
    open: int = 0
    """Calls of `never` whose connection is still there."""
    cancels: list[Any] = field(default_factory=list)
    session: int = 0
    release: anyio.Event = field(default_factory=anyio.Event)

    async def answer(self, request: Request) -> Response:
        if request.method != "POST":
            return Response(status_code=405)
        message = await request.json()
        method, number = message.get("method"), message.get("id")
        if method == "notifications/cancelled":
            self.cancels.append(message["params"]["requestId"])
            await anyio.sleep(30)  # an answer that never comes, as far as this test is concerned
        if number is None:
            return Response(status_code=202)
        if method == "initialize" or (method == "server/discover" and self.era == "stateless"):
            return self._opening(number, method)
        if method == "server/discover":
            return _refusal(number, -32601, "Method not found")
        if request.headers.get("mcp-session-id", str(self.session)) != str(self.session):
            return _refusal(number, -32600, "Session not found", status=404)
        return await self._work(method, message, number)

    def _opening(self, number: Any, method: str) -> Response:
        about: dict[str, Any] = {"capabilities": {"tools": {}}, "serverInfo": {"name": "awkward", "version": "1"}}
        if method == "initialize":
            return _result(number, about | {"protocolVersion": HANDSHAKE}, {"mcp-session-id": str(self.session)})
        return _result(number, about | {"supportedVersions": [STATELESS], "ttlMs": 0, "cacheScope": "private"})

    async def _work(self, method: str, message: Any, number: Any) -> Response:
        if method == "tools/list":
            return _result(number, {"tools": [tool(name) for name in ("slow", "cut", "never", "good")]})
        match message["params"]["name"]:
            case "slow":
                await self.release.wait()
            case "cut":
                headers = {"content-type": "application/json", "content-length": "999"}
                return StreamingResponse(_pieces(b'{"jsonrpc"'), headers=headers)
            case "never":
                return StreamingResponse(self._silence(), media_type="text/event-stream")
        return _result(number, {"content": []})

    async def _silence(self) -> AsyncIterator[bytes]:
        self.open += 1
        try:
            yield b": wait\r\n\r\n"
            await anyio.sleep_forever()
        finally:
            self.open -= 1


async def _pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def _result(number: Any, result: Any, headers: Any = None) -> Response:
    return JSONResponse(
        {"jsonrpc": "2.0", "id": number, "result": {"resultType": "complete"} | result}, headers=headers
    )


def _refusal(number: Any, code: int, text: str, status: int = 200) -> Response:
    error = {"code": code, "message": text}
    return JSONResponse({"jsonrpc": "2.0", "id": number, "error": error}, status_code=status)


@asynccontextmanager
async def awkward(era: str) -> AsyncIterator[tuple[Awkward, World]]:
    server = Awkward(era)
    app = Starlette(routes=[Route("/mcp", server.answer, methods=["GET", "POST", "DELETE"])])
    async with served(app) as port:
        tools = {"never": ToolConfig(timeout=0.3)}
        entry = ServerConfig(type=Transport.HTTP, url=f"http://127.0.0.1:{port}/mcp", era=Era(era), tools=tools)
        async with world(more={"s": entry}) as w:
            await w.until_ready()
            yield server, w


async def test_an_answer_that_is_cut_off_ends_no_other_call(server_era: str) -> None:
    with anyio.fail_after(PATIENCE):
        async with awkward(server_era) as (server, w), w.client() as client, anyio.create_task_group() as tasks:
            done: list[Any] = []

            async def call_slowly() -> None:
                done.append(await client.call_tool("s__slow"))

            tasks.start_soon(call_slowly)
            with pytest.raises(MCPError, match="cut off") as refused:
                await client.call_tool("s__cut")
            assert refused.value.code == OUTCOME_UNKNOWN
            await client.call_tool("s__good")
            assert not done
            server.release.set()
        assert len(done) == 1


async def test_calls_that_are_never_answered_leave_no_connection_behind(server_era: str) -> None:
    """Each ends at its deadline, though the server does not even answer the word that it was cancelled."""
    with anyio.fail_after(PATIENCE):
        async with awkward(server_era) as (server, w), w.client() as client:
            for _ in range(5):
                with anyio.fail_after(2), pytest.raises(MCPError) as refused:
                    await client.call_tool("s__never")
                assert refused.value.code == DEADLINE_EXCEEDED
            await client.call_tool("s__good")
            await w.until(lambda: server.open == 0)
            if server_era == "handshake":
                await w.until(lambda: len(server.cancels) == len(set(server.cancels)) == 5)


async def test_a_session_that_the_server_forgot_is_opened_again() -> None:
    with anyio.fail_after(PATIENCE):
        async with awkward("handshake") as (server, w), w.client("handshake", "http") as client:
            await client.call_tool("s__good")
            server.session += 1
            await client.call_tool("s__good")
            assert w.gateway.status["s"].restarts == 1


async def test_a_deadline_is_kept_though_the_server_does_not_read(tmp_path: Path, client_era: str) -> None:
    """Its pipe is full: neither the call nor the word that it was cancelled can be written."""
    words = command(Script(name="deaf", offers={"tools": [tool("x")]}, delay_on={}), tmp_path)
    deaf = f"import sys, time\nsys.argv = {words[2:]!r}\n" + _STOPS_READING
    entry = ServerConfig(type=Transport.STDIO, command=words[0], args=("-c", deaf, words[2]), timeout=0.5)
    with anyio.fail_after(PATIENCE):
        async with world(more={"deaf": entry}) as w, w.client(client_era) as client:
            await w.until_ready()
            for _ in range(3):
                with anyio.fail_after(3), pytest.raises(MCPError) as refused:
                    await client.call_tool("deaf__x", {"text": "x" * 300_000})
                assert refused.value.code == DEADLINE_EXCEEDED


_STOPS_READING = """
import runpy, json
class Stdin:
    def __iter__(self):
        for line in sys.__stdin__:
            if json.loads(line).get("method") == "tools/call":
                time.sleep(60)
            yield line
sys.stdin = Stdin()
sys.argv = [sys.argv[0], sys.argv[1]]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


async def test_what_is_excluded_cannot_be_read_by_any_name(tmp_path: Path, client_era: str) -> None:
    script = Script(name="s", offers={"resources": [{"uri": "file:///public/a", "name": "a"}]})
    hidden = {"exclude": {"resources": ("file:///secret/*",)}}
    with anyio.fail_after(PATIENCE):
        async with world([script], tmp_path, settings={"s": hidden}) as w, w.client(client_era) as client:
            assert await client.read_resource("file:///public/a")
            for uri in ("file:///secret/x", "s+file:///secret/x"):
                with pytest.raises(MCPError, match="Unknown resource"):
                    await client.read_resource(uri)


async def test_secrets_that_stand_in_the_config_reach_no_client(tmp_path: Path) -> None:
    line = 'echo "bad key $API_KEY" >&2; exit 3'
    entry = ServerConfig(
        type=Transport.STDIO, command="/bin/sh", args=("-c", line), env={"API_KEY": "sk-literal-123456"}
    )
    with anyio.fail_after(PATIENCE):
        async with world(more={"s": entry}) as w:
            await w.until(lambda: w.gateway.status["s"].failure is not None)
            assert "bad key ***" in str(w.gateway.status["s"].failure)
