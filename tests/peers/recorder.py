"""Takes the tour through each server, directly and through us, and keeps what was answered. Each tour is taken once.

Every tour has servers of its own, on a sandbox made anew, so that two of them differ in nothing but the way.
"""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeVar

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp.client.stdio import get_default_environment

from magictunnel.config.load import load
from tests.peers.compare import KINDS, addressed, comparable, merged
from tests.peers.install import Peers
from tests.peers.processes import CAN_SEE, drain, free_port, marked, until_gone
from tests.peers.sandbox import Sandbox
from tests.peers.servers import OVER_HTTP, OVER_SSE, Ask, Server, everything_at, servers_of
from tests.peers.wires import Json, RawClient, end, http_client, stdio_client
from tests.support.raw import Script
from tests.support.world import world

TOUR_TIMEOUT = 240.0
"""Seconds that a tour through all servers may take."""
_MARK = "MAGICTUNNEL_PEERS_RUN"
Found = TypeVar("Found")


@dataclass(frozen=True)
class Route:
    """A way to us: where we run and how we are reached, and the era of the client."""

    front: str
    """http and sse: in this process; stdio: as a process of our own"""
    era: str

    def __str__(self) -> str:
        return f"{self.front}-{self.era}"


ROUTES = (
    Route("http", "handshake"),
    Route("http", "stateless"),
    Route("sse", "handshake"),
    Route("stdio", "handshake"),
    Route("stdio", "stateless"),
)


@dataclass
class Tour:
    """What was listed, by kind, and what was answered, by server and ask."""

    listed: dict[str, list[Json]] = field(default_factory=dict)
    answered: dict[str, dict[str, Json]] = field(default_factory=dict)


class Recorder:
    """All tours. `compared` counts the answers that were held against each other, by server."""

    def __init__(self, peers: Peers, box: Sandbox) -> None:
        self._peers = peers
        self._box = box
        self._mark = f"{_MARK}={uuid.uuid4().hex}"
        self.servers = {name: self._marked(server) for name, server in servers_of(peers, box).items()}
        self.compared: Counter[str] = Counter()
        self.direct = cache(self._direct)
        self.through = cache(self._through)

    def server(self, name: str) -> Server:
        return everything_at("") if name in (OVER_HTTP, OVER_SSE) else self.servers[name]

    def merged(self, era: str, kind: str) -> list[Json]:
        """What a client of all servers has to see."""
        return merged({name: self.direct(name, era).listed[kind] for name in self.servers}, kind)

    def differences(self, name: str, route: Route, tour: Tour) -> dict[str, tuple[Json, Json]]:
        """Ask -> what was answered directly and through us, where that is not the same."""
        direct = self.direct(name, route.era).answered[name]
        found: dict[str, tuple[Json, Json]] = {}
        for label, ask in self.server(name).asks.items():
            if ask.as_task and route.era == "stateless":
                continue
            pair = comparable(direct[label], ask, route.era), comparable(tour.answered[name][label], ask, route.era)
            self.compared[name] += 1
            if pair[0] != pair[1]:
                found[label] = pair
        return found

    def _direct(self, name: str, era: str) -> Tour:
        """A server without us in between. One that does not know the stateless era is asked in the other."""
        if era == "stateless" and not self.server(name).stateless:
            return self.direct(name, "handshake")

        async def record() -> Tour:
            capabilities = await _all_capabilities(self._box.root)
            async with self.running(name) as server, self._client(server, era, capabilities) as client:
                return await _tour(client, {name: server}, lambda _name, ask: ask.params)

        return self.run(record)

    def _through(self, names: tuple[str, ...], route: Route) -> Tour:
        """Servers with us in between."""

        async def record() -> Tour:
            async with anyio.create_task_group() as tasks:
                servers = {name: await tasks.start(self._keep, name) for name in names}
                async with self._front(servers, route) as client:
                    tour = await _tour(client, servers, addressed)
                    assert marked(self._mark) or not CAN_SEE, "whether they leave could not be seen"
                tasks.cancel_scope.cancel()
            return tour

        return self.run(record)

    async def ask_through(
        self, servers: Mapping[str, Server], route: Route, asks: list[Ask]
    ) -> tuple[Tour, list[Json]]:
        """The lists of `servers`, and the answers to `asks` as a client of ours writes them."""
        async with self._front(servers, route) as client:
            return await _tour(client, {}, addressed), [await client.ask(ask.method, ask.params) for ask in asks]

    async def _keep(self, name: str, *, task_status: anyio.abc.TaskStatus[Server]) -> None:
        async with self.running(name) as server:
            task_status.started(server)
            await anyio.sleep_forever()

    @asynccontextmanager
    async def running(self, name: str) -> AsyncIterator[Server]:
        """A server by its name; started, if it is not its client who does that."""
        if name not in (OVER_HTTP, OVER_SSE):
            yield self.servers[name]
            return
        entry = self.servers["everything"].entry
        mode = "sse" if name == OVER_SSE else "streamableHttp"
        port = free_port()
        environ = get_default_environment() | entry["env"] | {"PORT": str(port)}
        process = await anyio.open_process(
            [entry["command"], *entry["args"], mode], env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        try:
            async with anyio.create_task_group() as tasks:
                assert process.stderr is not None
                talk = BufferedByteReceiveStream(process.stderr)
                with anyio.fail_after(30):
                    while str(port).encode() not in await talk.receive_until(b"\n", 10_000):
                        pass
                tasks.start_soon(drain, talk)
                yield everything_at(f"http://127.0.0.1:{port}/{'sse' if mode == 'sse' else 'mcp'}")
                tasks.cancel_scope.cancel()
        finally:
            process.terminate()
            with anyio.CancelScope(shield=True):
                await end(process)

    def _client(self, server: Server, era: str, capabilities: Json) -> AbstractAsyncContextManager[RawClient]:
        entry = server.entry
        if "url" in entry:
            return http_client(entry["url"], era, capabilities)
        environ = get_default_environment() | entry["env"]
        return stdio_client([entry["command"], *entry["args"]], environ, str(self._box.root), era, capabilities)

    @asynccontextmanager
    async def _front(self, servers: Mapping[str, Server], route: Route) -> AsyncIterator[RawClient]:
        capabilities = await _all_capabilities(self._box.root)
        config = self._box.root / "mcp.json"
        entries = {name: server.entry for name, server in servers.items()}
        everything = {"mcpServers": entries, "start_wait": "60s", "discovery": {"mode": "off"}}
        config.write_text(json.dumps(everything), encoding="utf-8")
        if route.front == "stdio":
            command = [sys.executable, "-m", "magictunnel", "serve", "--stdio", "-c", str(config)]
            environ = get_default_environment() | {"MAGICTUNNEL_STORE": "off"} | dict([self._mark.split("=")])
            async with stdio_client(command, environ, str(self._box.root), route.era, capabilities) as client:
                yield client
            return
        loaded = load(config)
        assert not loaded.problems
        async with world(more=dict(loaded.servers), start_wait=loaded.start_wait, discovery=loaded.discovery) as w:
            path = "sse" if route.front == "sse" else "mcp"
            async with http_client(f"http://127.0.0.1:{w.port}/{path}", route.era, capabilities) as client:
                yield client

    def run(self, record: Callable[[], Awaitable[Found]]) -> Found:
        """Record on a sandbox made anew, boundedly, with no process left behind."""

        async def within() -> Found:
            with anyio.fail_after(TOUR_TIMEOUT):
                found = await record()
            await until_gone(self._mark)
            return found

        self._box.reset()
        return anyio.run(within)

    def _marked(self, server: Server) -> Server:
        entry = server.entry | {"env": server.entry["env"] | dict([self._mark.split("=")])}
        return Server(entry, server.asks, server.stateless, server.not_called)


async def _tour(client: RawClient, servers: Mapping[str, Server], params_of: Callable[[str, Ask], Json]) -> Tour:
    tour = Tour({kind: await client.all(method, kind) for kind, (method, _) in KINDS.items()})
    for name, server in servers.items():
        tour.answered[name] = {
            label: await client.ask(ask.method, params_of(name, ask)) for label, ask in server.asks.items()
        }
    return tour


async def _all_capabilities(folder: Path) -> Json:
    """All that a client can be asked through us: what a server is told as long as there is no client."""
    transcript = folder / f"{uuid.uuid4().hex}.jsonl"
    script = Script(name="probe", era="handshake", transcript=str(transcript))
    async with world([script], folder) as w:
        await w.until_ready()
    received = [json.loads(line) for line in transcript.read_text(encoding="utf-8").splitlines()]
    opening = next(message for message in received if message["method"] == "initialize")
    found = opening["params"]["capabilities"]
    assert isinstance(found, dict)
    return found
