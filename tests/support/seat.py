"""A real SDK client that keeps every message on its wire as it was: what the seats of several suites have in common."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from mcp.client import advertise
from mcp.client.client import Client
from mcp.shared.dispatcher import CallOptions
from mcp.shared.inbound import MCP_NAME_HEADER
from mcp.shared.message import SessionMessage

from tests.support.jobs import EXTENSION
from tests.support.raw import Json
from tests.support.world import CLIENT_MODE


class _Tap:
    """A stream to write to, with a record of what was written."""

    def __init__(self, stream: Any, sent: list[Json]) -> None:
        self._stream = stream
        self._sent = sent

    async def send(self, item: SessionMessage) -> None:
        self._sent.append(item.message.model_dump(by_alias=True, exclude_unset=True))
        await self._stream.send(item)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def __aenter__(self) -> _Tap:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *why: object) -> None:
        await self._stream.__aexit__(*why)


@dataclass
class TappedClient:
    """One client, in one era; `heard` and `sent` hold every message. Waits here are bounded by whoever makes them."""

    era: str
    heard: list[Json] = field(default_factory=list)
    sent: list[Json] = field(default_factory=list)
    _client: Client | None = None

    @property
    def client(self) -> Client:
        assert self._client is not None
        return self._client

    @property
    def is_stateless(self) -> bool:
        return self.era == "stateless"

    async def raw(self, method: str, params: Json | None = None) -> Json:
        """A request as a model of the SDK might not have it, in the envelope of the session; its result as it came."""
        session = self.client.session
        data: Json = {"method": method, "params": dict(params or {})}
        options: CallOptions = {}
        session._stamp(data, options)
        if "taskId" in data["params"]:
            options.setdefault("headers", {})[MCP_NAME_HEADER] = data["params"]["taskId"]
        return dict(await session._dispatcher.send_raw_request(method, data["params"], options))

    def told(self, method: str, since: int = 0) -> list[Json]:
        """The params of the notifications of that name that came, in order."""
        return [message.get("params", {}) for message in self.heard[since:] if message.get("method") == method]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what others make true."""
        while not condition():
            await anyio.sleep(0.005)

    def over(self, transport: Any, elicited: Any, sampled: Any, rooted: Any) -> Client:
        """The SDK's client over `transport`, tapped, with what answers each sort of question."""
        return Client(
            self._tapped(transport),  # type: ignore[arg-type]
            mode=CLIENT_MODE[self.era],
            cache=None,
            elicitation_callback=elicited,
            sampling_callback=sampled,
            list_roots_callback=rooted,
            extensions=[advertise(EXTENSION)],
        )

    @asynccontextmanager
    async def listening(self, **wanted: Any) -> AsyncIterator[None]:
        """A client of the stateless era hears what it listens for; one of the handshake era is told unasked."""
        if not self.is_stateless:
            yield
            return
        async with self.client.listen(**wanted):
            yield

    @asynccontextmanager
    async def following(self, uri: str) -> AsyncIterator[None]:
        """Subscribed to a resource, in the way of the client's era."""
        if self.is_stateless:
            async with self.client.listen(resource_subscriptions=[uri]) as stream:
                assert stream.honored.resource_subscriptions == [uri]
                yield
            return
        assert await self.raw("resources/subscribe", {"uri": uri}) == {}
        yield
        assert await self.raw("resources/unsubscribe", {"uri": uri}) == {}

    @asynccontextmanager
    async def _tapped(self, transport: Any) -> AsyncIterator[Any]:
        send, receive = anyio.create_memory_object_stream[Any](float("inf"))

        async def pump(read: Any) -> None:
            async with send:
                async for item in read:
                    if isinstance(item, SessionMessage):
                        self.heard.append(item.message.model_dump(by_alias=True, exclude_unset=True))
                    await send.send(item)

        async with transport as (read, write), receive, anyio.create_task_group() as tasks:
            tasks.start_soon(pump, read)
            yield receive, _Tap(write, self.sent)
            tasks.cancel_scope.cancel()
