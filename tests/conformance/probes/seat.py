"""A client that obliges whoever asks it something, and keeps every message on its wire as it was."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import anyio
import mcp_types as types

from tests.support.raw import Json
from tests.support.seat import TappedClient

ROOT = "file:///seat"
SAYS = {"name": "Ada", "color": "teal", "context": "a rainy day"}
"""What the person here says, by what is asked for. Whatever else it is asked to say, it says: the last word."""


def word() -> str:
    """A word that was never said before."""
    return uuid4().hex[:8]


@dataclass
class Seat(TappedClient):
    """One client, in one era. Waits here are bounded by whoever makes them."""

    asked: list[str] = field(default_factory=list)
    """What a person was shown."""
    names: dict[str, str] = field(default_factory=dict)
    """Names of tools and prompts as the server has them -> as they are listed."""

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

    async def until_said(self, expected: Callable[[str], bool], own: str, **arguments: Any) -> None:
        """Wait until a tool answers so."""
        while not expected(await self.tool(own, **arguments)):
            await anyio.sleep(0.01)

    @asynccontextmanager
    async def opened(self, transport: Any) -> AsyncIterator[Seat]:
        """Sit down at a server, until the block ends."""
        async with self.over(transport, self._elicited, self._sampled, self._rooted) as self._client:
            listed = [one["name"] for one in (await self.raw("tools/list"))["tools"]]
            listed += [one["name"] for one in (await self.raw("prompts/list"))["prompts"]]
            self.names = {name.rpartition("__")[2]: name for name in listed}
            yield self
        self._client = None

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
