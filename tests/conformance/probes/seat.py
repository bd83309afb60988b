"""A real SDK client that obliges whoever asks it something, and keeps every message on its wire as it was."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import anyio
import mcp_types as types
from mcp.client import advertise
from mcp.client.client import Client, ConnectMode
from mcp.shared.dispatcher import CallOptions
from mcp.shared.inbound import MCP_NAME_HEADER
from mcp.shared.message import SessionMessage

from tests.conformance.everything.tasks import EXTENSION

Json = dict[str, Any]
MODES: dict[str, ConnectMode] = {"handshake": "legacy", "stateless": "2026-07-28"}
ROOT = "file:///seat"
SAYS = {"name": "Ada", "color": "teal", "context": "a rainy day"}
"""What the person here says, by what is asked for. Whatever else it is asked to say, it says: the last word."""


def word() -> str:
    """A word that was never said before."""
    return uuid4().hex[:8]


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
class Seat:
    """One client, in one era. Waits here are bounded by whoever makes them."""

    era: str
    heard: list[Json] = field(default_factory=list)
    sent: list[Json] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """What a person was shown."""
    names: dict[str, str] = field(default_factory=dict)
    """Names of tools and prompts as the server has them -> as they are listed."""
    _client: Client | None = None

    @property
    def client(self) -> Client:
        assert self._client is not None
        return self._client

    @property
    def is_stateless(self) -> bool:
        return self.era == "stateless"

    def name(self, own: str) -> str:
        """The name by which something is listed."""
        return self.names.get(own, own)

    async def call(self, own: str, arguments: Json, **more: Any) -> types.CallToolResult:
        """The result of a tool."""
        result = await self.client.call_tool(self.name(own), arguments, **more)
        assert isinstance(result, types.CallToolResult)
        return result

    async def tool(self, own: str, **arguments: Any) -> str:
        """The text that a tool answers with."""
        result = await self.call(own, arguments)
        (content,) = result.content
        assert isinstance(content, types.TextContent), content
        assert not result.is_error, content.text
        return content.text

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

    async def until_said(self, expected: Callable[[str], bool], own: str, **arguments: Any) -> None:
        """Wait until a tool answers so."""
        while not expected(await self.tool(own, **arguments)):
            await anyio.sleep(0.01)

    @asynccontextmanager
    async def opened(self, transport: Any) -> AsyncIterator[Seat]:
        """Sit down at a server, until the block ends."""
        async with self._with(self._tapped(transport)) as self._client:
            listed = [one["name"] for one in (await self.raw("tools/list"))["tools"]]
            listed += [one["name"] for one in (await self.raw("prompts/list"))["prompts"]]
            self.names = {name.rpartition("__")[2]: name for name in listed}
            yield self
        self._client = None

    def _with(self, transport: Any) -> Client:
        return Client(
            transport,
            mode=MODES[self.era],
            cache=None,
            elicitation_callback=self._elicited,
            sampling_callback=self._sampled,
            list_roots_callback=self._rooted,
            extensions=[advertise(EXTENSION)],
        )

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

    async def _elicited(self, context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        self.asked.append(params.message)
        assert isinstance(params, types.ElicitRequestFormParams)
        wanted = params.requested_schema.get("properties", {})
        content = {key: SAYS.get(key, params.message.rpartition(" ")[2]) for key in wanted}
        return types.ElicitResult(action="accept", content=dict(content))

    async def _sampled(self, context: Any, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
        (message,) = params.messages
        assert isinstance(message.content, types.TextContent)
        said = types.TextContent(type="text", text=f"about {message.content.text}")
        return types.CreateMessageResult(role="assistant", content=said, model="tiny")

    async def _rooted(self, context: Any) -> types.ListRootsResult:
        return types.ListRootsResult.model_validate({"roots": [{"uri": ROOT, "name": "seat"}]})
