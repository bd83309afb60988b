"""All of it as one SDK server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import mcp_types as types
from mcp.server import Server
from mcp.server.caching import CacheableMethod, CacheHint
from mcp.server.lowlevel.server import NotificationOptions
from mcp.server.models import InitializationOptions
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    PromptsListChanged,
    ServerEvent,
    ToolsListChanged,
)
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS

from tests.conformance.everything import offers
from tests.conformance.everything.asking import ASKING
from tests.conformance.everything.box import Box, Context, Json, Tool, said, stateless
from tests.conformance.everything.plain import PLAIN
from tests.conformance.everything.tasks import Tasks

NAME = "everything"
_HINTS: dict[CacheableMethod, CacheHint] = {
    "tools/list": CacheHint(ttl_ms=0, scope="private"),
    "prompts/list": CacheHint(ttl_ms=0, scope="private"),
    "resources/list": CacheHint(ttl_ms=0, scope="private"),
    "resources/templates/list": CacheHint(ttl_ms=0, scope="private"),
    "resources/read": CacheHint(ttl_ms=5_000, scope="public"),
}
_CHANGES = NotificationOptions(prompts_changed=True, resources_changed=True, tools_changed=True)


class Everything(Server):
    """The server. Its handlers give raw results; the SDK does the protocol."""

    def __init__(self, tasks: Tasks) -> None:
        super().__init__(NAME, version="1.0.0", get_tool_input_schema=self._schema, cache_hints=_HINTS)
        self._bus = InMemorySubscriptionBus()
        self._tools: Mapping[str, Tool] = PLAIN.tools | ASKING.tools | tasks.box().tools | self._triggers().tools
        self._extras = {"tools": False, "prompts": False}
        """Whether one more of them is listed: what the triggers change."""
        self._register()
        tasks.serve(self)
        self.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience=NAME))

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
    ) -> InitializationOptions:
        """As the SDK does, and with word of changes promised in the handshake era too."""
        told = notification_options or _CHANGES
        return super().create_initialization_options(told, experimental_capabilities, extensions)

    def _register(self) -> None:
        for method, params, handler in (
            ("tools/list", types.PaginatedRequestParams, self._list_tools),
            ("tools/call", types.CallToolRequestParams, self._call_tool),
            ("resources/list", types.PaginatedRequestParams, self._list_resources),
            ("resources/templates/list", types.PaginatedRequestParams, self._list_templates),
            ("resources/read", types.ReadResourceRequestParams, self._read),
            ("resources/subscribe", types.SubscribeRequestParams, _nothing),
            ("resources/unsubscribe", types.UnsubscribeRequestParams, _nothing),
            ("prompts/list", types.PaginatedRequestParams, self._list_prompts),
            ("prompts/get", types.GetPromptRequestParams, self._get_prompt),
            ("completion/complete", types.CompleteRequestParams, self._completion),
            ("logging/setLevel", types.SetLevelRequestParams, _nothing),
        ):
            self.add_request_handler(method, params, _complete(handler))
        self.add_request_handler(
            "subscriptions/listen", types.SubscriptionsListenRequestParams, ListenHandler(self._bus)
        )

    def _schema(self, name: str) -> Json | None:
        tool = self._tools.get(name)
        return tool.definition["inputSchema"] if tool else None

    async def _list_tools(self, _ctx: Context, _params: Any) -> Json:
        extra = [{"name": "test_extra", "inputSchema": {"type": "object"}}] if self._extras["tools"] else []
        return {"tools": [*(tool.definition for tool in self._tools.values()), *extra]}

    async def _call_tool(self, ctx: Context, params: types.CallToolRequestParams) -> Json:
        if params.name not in self._tools:
            raise MCPError(INVALID_PARAMS, f"Unknown tool: {params.name}")
        return await self._tools[params.name].run(ctx)

    async def _list_resources(self, _ctx: Context, _params: Any) -> Json:
        return {"resources": offers.RESOURCES}

    async def _list_templates(self, _ctx: Context, _params: Any) -> Json:
        return {"resourceTemplates": offers.TEMPLATES}

    async def _read(self, ctx: Context, params: types.ReadResourceRequestParams) -> Json:
        return offers.read(ctx, str(params.uri))

    async def _list_prompts(self, _ctx: Context, _params: Any) -> Json:
        return {"prompts": [*offers.prompts(), *([{"name": "test_extra"}] if self._extras["prompts"] else [])]}

    async def _get_prompt(self, ctx: Context, params: types.GetPromptRequestParams) -> Json:
        return await offers.prompt(ctx, params.name)

    async def _completion(self, _ctx: Context, params: types.CompleteRequestParams) -> Json:
        return offers.complete(params.argument.model_dump())

    def _triggers(self) -> Box:
        """Tools that change a list, and tell of it."""
        box = Box()

        @box.tool("test_trigger_tool_change")
        async def tools(ctx: Context) -> Json:
            """Changes the list of tools."""
            return await self._change(ctx, "tools", ToolsListChanged(), ctx.session.send_tool_list_changed)

        @box.tool("test_trigger_prompt_change")
        async def prompts(ctx: Context) -> Json:
            """Changes the list of prompts."""
            return await self._change(ctx, "prompts", PromptsListChanged(), ctx.session.send_prompt_list_changed)

        return box

    async def _change(self, ctx: Context, what: str, event: ServerEvent, push: Any) -> Json:
        self._extras[what] = not self._extras[what]
        await self._bus.publish(event)
        if not stateless(ctx):
            await push()
        return said("The word is out")


def _complete(handler: Callable[[Context, Any], Awaitable[Json]]) -> Callable[[Context, Any], Awaitable[Json]]:
    """The same, where a result is complete unless it says otherwise; the handshake era has no such word."""

    async def handle(ctx: Context, params: Any) -> Json:
        result = await handler(ctx, params)
        return {"resultType": "complete"} | result if stateless(ctx) else result

    return handle


async def _nothing(_ctx: Context, _params: Any) -> Json:
    return {}
