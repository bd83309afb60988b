"""The front alone: a source that a test plays by hand, and a client of plain JSON over memory streams."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
from anyio.streams.memory import MemoryObjectSendStream
from mcp.server.runner import serve_dual_era_loop
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from magictunnel.backends.pool import Pool
from magictunnel.catalog.live import LiveCatalog
from magictunnel.catalog.merge import MergeRules
from magictunnel.catalog.model import Json
from magictunnel.config.discovery import DiscoveryConfig
from magictunnel.discovery.views import Views
from magictunnel.express import Express
from magictunnel.front.server import FrontServer
from magictunnel.pipeline.call import Call, Handler
from magictunnel.pipeline.patience import CallLimits
from magictunnel.wire.audience import Audience
from magictunnel.wire.caller import Caller, Rights, no_limits
from tests.support.raw import HANDSHAKE, STATELESS, VERSION_KEY

PATIENCE = 5.0
CAPABILITIES: dict[str, Json] = {"handshake": {"roots": {}}, "stateless": {"elicitation": {}}}
"""What a client declares if a test does not say otherwise."""


@dataclass
class PlayedSource:
    """What the front needs of a gateway. See `Source`."""

    live: LiveCatalog = field(default_factory=lambda: LiveCatalog(MergeRules()))
    calls: list[Call] = field(default_factory=list)
    answer: Json | Exception | Handler = field(default_factory=dict)
    secret: str = "\0"
    up: anyio.Event | None = None
    """Set when servers are up; None: they are."""
    audience: Audience = field(default_factory=Audience)
    settled_levels: list[str] = field(default_factory=list)
    """The sessions that set a log level."""
    told: list[tuple[str, str, Json]] = field(default_factory=list)
    """Session, method and params of each notification for servers."""
    followed: list[Call] = field(default_factory=list)
    """The tasks that somebody wants to hear of."""
    gone: list[Caller] = field(default_factory=list)
    """Who is to hear of nothing any more."""
    rights: Rights = no_limits
    views: Views = field(init=False)
    express: Express = field(init=False)

    def __post_init__(self) -> None:
        self.views = Views(self.live, DiscoveryConfig)
        unlimited = CallLimits(float("inf"), float("inf"))
        self.express = Express(self.live, Pool(), lambda _call, _owner, result: result, lambda *_: unlimited)

    async def handle(self, call: Call) -> Json:
        self.calls.append(call)
        if callable(self.answer):
            return await self.answer(call)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def follow(self, call: Call) -> None:
        self.followed.append(call)

    @property
    def is_settled(self) -> bool:
        return self.up is None or self.up.is_set()

    async def settled(self) -> None:
        if self.up is not None:
            await self.up.wait()

    async def welcome(self, *, stateless: bool) -> None:
        return

    async def settle_levels(self, session: str) -> None:
        self.settled_levels.append(session)

    async def tell_servers(self, session: str, method: str, params: Json, to: Collection[str] | None = None) -> None:
        self.told.append((session, method, params))

    async def unsubscribe(self, caller: Caller) -> None:
        self.gone.append(caller)

    def mask(self, text: str) -> str:
        return text.replace(self.secret, "***")


class Client:
    """A client that sends what a test wants, and keeps everything that comes."""

    def __init__(
        self, send: MemoryObjectSendStream[SessionMessage | Exception], era: str, capabilities: Json | None = None
    ) -> None:
        self._send = send
        self._era = era
        self._capabilities = CAPABILITIES[era] if capabilities is None else capabilities
        self._last_id = 0
        self.messages: list[Json] = []

    def heard(self, method: str) -> list[Json]:
        """The params of every notification of that name."""
        return [message.get("params", {}) for message in self.messages if message.get("method") == method]

    async def open(self) -> Json:
        """Open the session; what the server says of itself."""
        if self._era == "stateless":
            return dict((await self.request("server/discover"))["result"])
        about = {
            "protocolVersion": HANDSHAKE,
            "capabilities": self._capabilities,
            "clientInfo": {"name": "raw", "version": "1"},
        }
        answer = await self.request("initialize", about)
        await self.send({"method": "notifications/initialized"})
        await self.request("ping")
        return dict(answer["result"])

    async def request(self, method: str, params: Json | None = None) -> Json:
        """Send a request and wait for its answer, whole."""
        return await self.answered(await self.ask(method, params))

    @property
    def questions(self) -> list[Json]:
        """Every request of the server."""
        return [message for message in self.messages if "method" in message and "id" in message]

    async def until_asked(self, times: int = 1) -> Json:
        """Wait until the server has asked that often; its latest question, whole."""
        await self.until(lambda: len(self.questions) >= times)
        return self.questions[-1]

    async def answer(self, question: Json, **outcome: Json) -> None:
        """Answer a question with a `result` or an `error`."""
        await self.send({"id": question["id"], **outcome})

    async def answered(self, number: int) -> Json:
        """Wait for the answer to the request of that id, whole."""
        await self.until(
            lambda: any(message.get("id") == number and "method" not in message for message in self.messages)
        )
        return next(message for message in self.messages if message.get("id") == number and "method" not in message)

    async def ask(self, method: str, params: Json | None = None) -> int:
        """Send a request; returns its id at once."""
        self._last_id += 1
        params = dict(params or {})
        if self._era == "stateless":
            envelope = {VERSION_KEY: STATELESS, "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"}}
            envelope["io.modelcontextprotocol/clientCapabilities"] = self._capabilities
            params["_meta"] = dict(params.get("_meta", {})) | envelope
        await self.send({"id": self._last_id, "method": method, "params": params})
        return self._last_id

    async def send(self, message: Json) -> None:
        """Write one message."""
        await self._send.send(SessionMessage(jsonrpc_message_adapter.validate_python({"jsonrpc": "2.0"} | message)))

    async def until(self, condition: Callable[[], bool], within: float = PATIENCE) -> None:
        """Wait, boundedly, for something that is to come."""
        with anyio.fail_after(within):
            while not condition():
                await anyio.sleep(0.005)

    async def hang_up(self) -> None:
        """Go away."""
        await self._send.aclose()


@asynccontextmanager
async def front_of(source: PlayedSource, page_size: int = 1_000) -> AsyncIterator[FrontServer]:
    """A front with all that goes on aside of requests."""
    server = FrontServer(source, page_size)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.run_aside)
        yield server
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def client_of(
    server: FrontServer,
    era: str = "stateless",
    reads: Callable[[Client], bool] = lambda _client: True,
    capabilities: Json | None = None,
) -> AsyncIterator[Client]:
    """A client of `server` that has not opened its session yet; it reads for as long as `reads` says so."""
    to_server, received = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outbox, from_server = anyio.create_memory_object_stream[SessionMessage](0)
    client = Client(to_server, era, capabilities)

    async def serve() -> None:
        await serve_dual_era_loop(server, received, outbox, lifespan_state=None)

    async def read() -> None:
        while reads(client):
            try:
                message = await from_server.receive()
            except anyio.EndOfStream:
                return
            client.messages.append(message.message.model_dump(by_alias=True, exclude_unset=True))

    async with to_server, received, outbox, from_server, anyio.create_task_group() as tasks:
        tasks.start_soon(serve)
        tasks.start_soon(read)
        yield client
        tasks.cancel_scope.cancel()
