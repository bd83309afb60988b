"""`serve --workers`: several processes on one port. No client notices which of them it meets, and when."""

from __future__ import annotations

import json
import os
import re
import signal
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ElicitResult
from typer.testing import CliRunner

from magictunnel.admin.reach import Running, running
from magictunnel.cli.app import app
from magictunnel.cli.workers import serve_together
from magictunnel.config.load import load
from tests.support.process import HAS_PROC, Tunnel, config_file, entry, gone, ran, tunnel
from tests.support.raw import HANDSHAKE, Json, Script, tool
from tests.support.rawclient import RawClient, local_http
from tests.support.talker import serving
from tests.support.web import raw_http
from tests.support.world import CLIENT_MODE

pytestmark = pytest.mark.skipif(not HAS_PROC, reason="looks processes up in /proc")

PATIENCE = 60.0
SRV = Script(name="srv", offers={"tools": [tool("echo")]})


class Served:
    """A running gateway of several workers."""

    def __init__(self, tunnel: Tunnel, port: int, config: Path, workers: int, mark: str) -> None:
        self.tunnel = tunnel
        self.port = port
        self.config = config
        self.workers = workers
        self.mark = mark

    async def seen(self) -> dict[int, Running]:
        """The workers that can be reached from a shell, by number."""
        return {int(re.findall(r"worker (\d+) of", one.serves)[0]): one for one in await running(self.config)}

    async def all_up(self) -> dict[int, Running]:
        """All of them, once each has a socket."""
        while len(found := await self.seen()) < self.workers:
            await anyio.sleep(0.05)
        return found

    @asynccontextmanager
    async def http(self, *, keeps: bool) -> AsyncIterator[httpx2.AsyncClient]:
        """An HTTP client; unless it `keeps` connections, each request comes over another one."""
        limits = httpx2.Limits(max_keepalive_connections=None if keeps else 0)
        async with local_http(self.port, timeout=30.0, limits=limits) as http:
            yield http


@asynccontextmanager
async def serves(folder: Path, servers: Mapping[str, Json] | None = None, workers: int = 2) -> AsyncIterator[Served]:
    mark = uuid.uuid4().hex
    own = {"srv": entry(SRV, folder, env={"TEST_MARK": mark})}
    config = config_file(folder, own if servers is None else servers)
    args = ("serve", "--workers", str(workers), "--http", "127.0.0.1:0", "-c", str(config))
    with anyio.fail_after(PATIENCE):
        async with tunnel(*args, env={"TEST_MARK": mark}) as running:
            while not (
                found := [m for line in running.talk if (m := re.search(r"At http://127.0.0.1:(\d+)/mcp", line))]
            ):
                assert running.process.returncode is None, running.talk
                await anyio.sleep(0.02)
            it = Served(running, int(found[0][1]), config, workers, mark)
            await it.all_up()
            try:
                yield it
            finally:
                with anyio.CancelScope(shield=True), anyio.move_on_after(20):
                    if running.process.returncode is None:
                        running.process.send_signal(signal.SIGTERM)
                    await running.process.wait()
    assert not await gone(mark, within=1.0)


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def echoed(client: RawClient, token: str, headers: Mapping[str, str] | None = None) -> str:
    answer = await client.request("tools/call", {"name": "srv__echo", "arguments": {"token": token}}, headers)
    return str(json.loads(answer["result"]["content"][0]["text"])["arguments"]["token"])


@pytest.mark.anyio
async def test_every_session_is_found_whatever_connection_its_requests_come_over(tmp_path: Path) -> None:
    homes: Counter[str] = Counter()
    limiter = anyio.CapacityLimiter(20)

    async def one(http: httpx2.AsyncClient, number: int) -> None:
        async with limiter:
            client = RawClient(http, "handshake", {})
            await client.open()
            homes[client._session.split("-")[0]] += 1
            for turn in range(3):
                close = {"connection": "close"} if turn == 1 else None
                assert await echoed(client, f"{number}.{turn}", close) == f"{number}.{turn}"

    async with serves(tmp_path, workers=4) as it, it.http(keeps=False) as http, anyio.create_task_group() as tasks:
        for number in range(100):
            tasks.start_soon(one, http, number)

    assert homes.keys() == {"w1", "w2", "w3", "w4"}
    assert homes.total() == 100


@pytest.mark.anyio
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_sessions_share_connections_that_go_from_worker_to_worker(
    tmp_path: Path, loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a proxy: one connection, and requests of several sessions on it, one after the other."""
    monkeypatch.setenv("MAGICTUNNEL_LOOP", loop)
    async with serves(tmp_path) as it, it.http(keeps=False) as fresh:
        clients: dict[str, RawClient] = {}
        while len(clients) < 2:
            client = RawClient(fresh, "handshake", {})
            await client.open()
            clients[client._session.split("-")[0]] = client
        async with it.http(keeps=True) as one:
            for client in clients.values():
                client._http = one
            for turn in range(10):
                for name, client in clients.items():
                    assert await echoed(client, f"{name}.{turn}") == f"{name}.{turn}"
            first = next(iter(clients.values()))
            sent = {"mcp-session-id": first._session, "mcp-protocol-version": HANDSHAKE}
            assert (await one.delete("/mcp", headers=sent)).status_code == 200
            assert (await one.post("/mcp", headers=_headers(sent), json=_PING)).status_code == 404


@pytest.mark.anyio
async def test_a_stream_of_events_is_opened_where_its_session_is(tmp_path: Path) -> None:
    async with serves(tmp_path) as it, it.http(keeps=False) as http:
        for _ in range(6):
            client = RawClient(http, "handshake", {})
            await client.open()
            sent = {"mcp-session-id": client._session, "accept": "text/event-stream", "mcp-protocol-version": HANDSHAKE}
            async with http.stream("GET", "/mcp", headers=sent) as stream:
                assert stream.status_code == 200
                assert await echoed(client, "x") == "x"


@pytest.mark.anyio
async def test_what_nobody_has_given_out_is_the_session_of_nobody(tmp_path: Path) -> None:
    async with serves(tmp_path) as it, it.http(keeps=False) as http:
        client = RawClient(http, "handshake", {})
        await client.open()
        bare = client._session.partition("-")[2]
        for number in range(4):
            for session in (bare, f"w{number}-unknown", f"w{'9' * number}-{bare}", f"w1-w2-{bare}", "\xff", "w1-"):
                sent = _headers({"mcp-session-id": session.encode("latin-1"), "mcp-protocol-version": HANDSHAKE})  # type: ignore[dict-item]
                assert (await http.post("/mcp", headers=sent, json=_PING)).status_code == 404, session


@pytest.mark.anyio
async def test_a_call_that_asks_is_come_back_to_over_any_connection(tmp_path: Path) -> None:
    async def answers(_context: Any, params: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={"word": params.message.removeprefix("Say ")})

    async with serving() as (_talker, port):
        servers = {"talk": {"url": f"http://127.0.0.1:{port}/mcp", "era": "handshake"}}
        async with serves(tmp_path, servers) as it, it.http(keeps=False) as http:
            for era in ("stateless", "handshake"):
                transport = streamable_http_client(f"http://127.0.0.1:{it.port}/mcp", http_client=http)
                mode = CLIENT_MODE[era]
                async with Client(transport, mode=mode, cache=None, elicitation_callback=answers) as client:  # type: ignore[arg-type]
                    for turn in range(10):
                        told = await client.call_tool("talk__elicit", {"nonce": f"n{turn}"})
                        assert f"n{turn}" in told.content[0].text  # type: ignore[union-attr]
                        assert "accept" in told.content[0].text  # type: ignore[union-attr]


@pytest.mark.anyio
async def test_clients_of_the_first_revisions_send_to_where_their_stream_is(tmp_path: Path) -> None:
    async with serves(tmp_path) as it:
        for turn in range(6):
            async with Client(sse_client(f"http://127.0.0.1:{it.port}/sse"), mode="legacy", cache=None) as client:
                told = await client.call_tool("srv__echo", {"token": f"t{turn}"})
                assert f"t{turn}" in told.content[0].text  # type: ignore[union-attr]


@pytest.mark.anyio
async def test_when_a_worker_is_killed_its_sessions_open_anew_and_nobody_else_notices(tmp_path: Path) -> None:
    async with serves(tmp_path) as it, it.http(keeps=True) as theirs, it.http(keeps=False) as fresh:
        others, mine = RawClient(theirs, "handshake", {}), RawClient(fresh, "handshake", {})
        await others.open()
        home = others._session[:2]
        while mine._session[:2] in ("", home):
            mine._session = ""
            await mine.open()
        await echoed(others, "before")
        lost = (await it.seen())[int(mine._session[1])]

        os.kill(lost.pid, signal.SIGKILL)
        with anyio.fail_after(PATIENCE):
            while lives(lost.pid):  # until then it may still be given connections
                assert await echoed(others, "meanwhile") == "meanwhile"
        sent = _headers({"mcp-session-id": mine._session, "mcp-protocol-version": HANDSHAKE})
        assert (await fresh.post("/mcp", headers=sent, json=_PING)).status_code == 404
        again = RawClient(fresh, "handshake", {})
        await again.open()
        assert await echoed(again, "again") == "again"

        await it.tunnel.said("is started again: it was ended by signal 9")
        assert lost.pid not in {one.pid for one in (await it.all_up()).values()}
        assert (await fresh.post("/mcp", headers=sent, json=_PING)).status_code == 404
        assert await echoed(others, "after") == "after"


@pytest.mark.anyio
async def test_what_one_worker_learns_of_a_server_all_go_by(tmp_path: Path) -> None:
    script = Script(name="web", era="stateless", offers={"tools": [tool("old")]})
    async with AsyncExitStack() as stack:
        server, port = await stack.enter_async_context(raw_http(script))
        servers = {"web": {"url": f"http://127.0.0.1:{port}/mcp"}}
        it = await stack.enter_async_context(serves(tmp_path, servers))
        stack.enter_context(anyio.fail_after(PATIENCE))
        # Each lists once more when it has begun to listen; whoever does so later needs nobody to tell it.
        while sum(message.get("method") == "tools/list" for message in server.received) < 2 * it.workers:
            await anyio.sleep(0.01)
        while await offered(it) != [1, 1]:
            await anyio.sleep(0.01)
        number, push = server.listeners.popitem()
        server.listeners.clear()
        server.listeners[number] = push  # only one of them is told

        server.change("tools", [tool("old"), tool("new")])

        while await offered(it) != [2, 2]:
            await anyio.sleep(0.02)


async def offered(it: Served) -> list[int]:
    """How many tools each worker has of the one server."""
    told = [await one.ask("status") for one in (await it.seen()).values()]
    return [one["servers"][0]["counts"].get("tools", 0) for one in told]


@pytest.mark.anyio
async def test_a_shell_sees_each_worker_and_steers_all(tmp_path: Path) -> None:
    async with serves(tmp_path) as it:
        status = await ran("status", "-c", str(it.config), "--json")
        restarted = await ran("servers", "restart", "srv", "-c", str(it.config), "--json")

    assert status.code == restarted.code == 0
    seen = {one["serves"] for one in json.loads(status.out)}
    assert seen == {f"http://127.0.0.1:{it.port}/mcp, worker {number} of 2" for number in (1, 2)}
    assert [one["done"] for one in json.loads(restarted.out)] == [True, True]


@pytest.mark.anyio
async def test_it_says_once_what_is_served_and_ends_whole(tmp_path: Path) -> None:
    async with serves(tmp_path) as it:
        await it.tunnel.said("Ctrl-C ends it")
        it.tunnel.process.send_signal(signal.SIGTERM)
        with anyio.fail_after(10):
            assert await it.tunnel.process.wait() == 0
        assert not await gone(it.mark, within=1.0)

    assert len([line for line in it.tunnel.talk if "MagicTunnel serves 1 tool" in line]) == 1
    assert it.tunnel.lines == []


@pytest.mark.anyio
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_when_it_is_killed_nothing_is_left(tmp_path: Path, loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGICTUNNEL_LOOP", loop)
    async with serves(tmp_path) as it:
        it.tunnel.process.kill()
        assert not await gone(it.mark, within=10.0)


@pytest.mark.anyio
async def test_a_port_is_served_by_one_gateway_only(tmp_path: Path) -> None:
    async with serves(tmp_path) as it:
        for workers in ("1", "2"):
            other = await ran("serve", "--workers", workers, "--http", f"127.0.0.1:{it.port}", "-c", str(it.config))
            assert other.code == 2
            assert other.err.startswith(f"error: cannot listen on 127.0.0.1:{it.port}")


@pytest.mark.anyio
async def test_a_worker_that_does_not_come_up_ends_all_with_one_line(tmp_path: Path) -> None:
    gone_again = load(config_file(tmp_path, {})).model_copy(update={"file": str(tmp_path / "gone.json")})
    with anyio.fail_after(PATIENCE), pytest.raises(ExceptionGroup) as caught:
        await serve_together(gone_again, "info", "auto", ("127.0.0.1", 0), 2)

    (why,) = {str(error)[8:] for error in caught.value.exceptions}
    assert why == " does not come up: it ended with exit code 2 (try without --workers)"


@pytest.mark.anyio
async def test_where_the_system_spreads_no_connections_they_listen_on_one_socket(tmp_path: Path) -> None:
    path = config_file(tmp_path, {"srv": entry(SRV, tmp_path)})
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            together = partial(serve_together, load(path), "error", "auto", is_balanced=False)
            tasks.start_soon(together, ("127.0.0.1", 0), 2)
            while len(found := await running(path)) < 2:
                await anyio.sleep(0.05)
            port = int(re.findall(r":(\d+)/mcp", found[0].serves)[0])
            async with local_http(port, timeout=30.0) as http:
                client = RawClient(http, "handshake", {})
                await client.open()
                assert await echoed(client, "shared") == "shared"
            tasks.cancel_scope.cancel()
    assert await running(path) == []


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["--workers", "0"], "there cannot be 0 workers (from 1 to 64)"),
        (["--workers", "65"], "there cannot be 65 workers (from 1 to 64)"),
        (["--stdio", "--workers", "2"], "--stdio and --workers exclude each other (one host needs one process)"),
        (["--workers", "2", "--http", "0.0.0.0:0"], "refusing to serve on 0.0.0.0"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(args: list[str], line: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["serve", "-c", str(config_file(tmp_path, {})), *args])

    assert (result.exit_code, result.stdout) == (2, "")
    (said,) = result.stderr.splitlines()
    assert said.startswith(f"error: {line}")


_PING: Json = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


def _headers(more: Mapping[str, str]) -> dict[str, str]:
    return {"accept": "application/json, text/event-stream", "content-type": "application/json", **more}
