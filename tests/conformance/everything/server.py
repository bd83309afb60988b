"""All of it as one SDK server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import mcp_types as types
from mcp.server import Server
from mcp.server.caching import CacheableMethod, CacheHint
from mcp.server.context import CallNext, HandlerResult, ServerMiddleware
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
from mcp_types import INVALID_PARAMS, METHOD_NOT_FOUND, UNSUPPORTED_PROTOCOL_VERSION
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from tests.conformance.everything import offers
from tests.conformance.everything.asking import ASKING
from tests.conformance.everything.box import Box, Context, Json, Tool, said, stateless
from tests.conformance.everything.plain import PLAIN
from tests.conformance.everything.probing import Probing
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

    def __init__(self, tasks: Tasks, era: str = "both") -> None:
        """`era`: both | handshake | stateless."""
        super().__init__(NAME, version="1.0.0", get_tool_input_schema=self._schema, cache_hints=_HINTS)
        self._bus = InMemorySubscriptionBus()
        self._probing = Probing(self._bus)
        boxes = (PLAIN, ASKING, tasks.box(), self._triggers(), self._probing.box)
        self._tools: Mapping[str, Tool] = {name: tool for box in boxes for name, tool in box.tools.items()}
        self._extras = {"tools": False, "prompts": False}
        """Whether one more of them is listed: what the triggers change."""
        self._register()
        tasks.serve(self)
        self.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience=NAME))
        self.middleware.append(self._with_schemas_as_they_are)
        if era != "both":
            self.middleware.append(only(era))

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
            ("resources/subscribe", types.SubscribeRequestParams, self._probing.subscribe),
            ("resources/unsubscribe", types.UnsubscribeRequestParams, self._probing.unsubscribe),
            ("prompts/list", types.PaginatedRequestParams, self._list_prompts),
            ("prompts/get", types.GetPromptRequestParams, self._get_prompt),
            ("completion/complete", types.CompleteRequestParams, self._completion),
            ("logging/setLevel", types.SetLevelRequestParams, self._probing.set_level),
        ):
            self.add_request_handler(method, params, _complete(handler))
        listen = self._probing.counted(ListenHandler(self._bus))
        self.add_request_handler("subscriptions/listen", types.SubscriptionsListenRequestParams, listen)

    def _schema(self, name: str) -> Json | None:
        tool = self._tools.get(name)
        return tool.definition["inputSchema"] if tool else None

    async def _list_tools(self, _ctx: Context, _params: Any) -> Json:
        extra = [{"name": "test_extra", "inputSchema": {"type": "object"}}] if self._extras["tools"] else []
        return {"tools": [*(tool.definition for tool in self._tools.values()), *extra]}

    async def _with_schemas_as_they_are(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """The SDK writes the keys that it knows first; nobody else is to be blamed for that."""
        result = await call_next(ctx)
        if ctx.method == "tools/list" and isinstance(result, dict):
            named = {tool["name"]: tool for tool in result["tools"]}
            result["tools"] = [
                tool | {"inputSchema": self._schema(name) or tool["inputSchema"]} for name, tool in named.items()
            ]
        return result

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
        given = params.context.arguments if params.context else None
        return offers.complete(params.argument.model_dump(), given or {})

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


def only(era: str) -> ServerMiddleware[Any]:
    """Refuses the other era, as a server does that has never heard of it, or does not want to hear of it any more."""

    async def refuse(ctx: Context, call_next: CallNext) -> HandlerResult:
        if stateless(ctx) == (era == "stateless"):
            return await call_next(ctx)
        if stateless(ctx):
            raise MCPError(METHOD_NOT_FOUND, "Method not found")
        raise wrong_version(ctx.protocol_version)

    return refuse


def wrong_version(requested: str) -> MCPError:
    """What a server of the stateless era answers to a handshake."""
    named = {"supported": list(MODERN_PROTOCOL_VERSIONS), "requested": requested}
    return MCPError(UNSUPPORTED_PROTOCOL_VERSION, "Unsupported protocol version", named)
