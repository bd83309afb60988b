"""FrontServer: the SDK server under every way in, with what we say of ourselves taken from the catalog."""

from __future__ import annotations

import json
from typing import Any

import anyio
from mcp.server import Server
from mcp.server.lowlevel.server import NotificationOptions
from mcp.server.models import InitializationOptions
from mcp.shared.inbound import X_MCP_HEADER_KEY
from mcp_types import (
    DiscoverResult,
    RequestParams,
    ServerCapabilities,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from magictunnel import __version__
from magictunnel.catalog.model import Catalog, Json, Kind
from magictunnel.front.handlers import Handlers, Source
from magictunnel.front.inbound import Context
from magictunnel.front.notify import Notifier
from magictunnel.front.pages import PAGE_SIZE
from magictunnel.front.short import ShortWay


class FrontServer(Server[Any]):
    """One instance serves all clients, over stdio and HTTP alike."""

    def __init__(self, source: Source, page_size: int = PAGE_SIZE) -> None:
        super().__init__(
            "magictunnel",
            title="MagicTunnel",
            version=__version__,
            get_tool_input_schema=self._input_schema,
            on_subscriptions_listen=self._never,
        )
        self._source = source
        self.handlers = Handlers(source, self.server_info_stamp, page_size)
        self.short = ShortWay(source.express, self.handlers, self.server_info_stamp)
        self._mirroring: tuple[Catalog, dict[str, bool]] = (source.live.current, {})
        self.notifier = Notifier(self.handlers.sessions, self.handlers.streams)
        source.views.subscribe(self.notifier.changed)
        self.add_request_handler("server/discover", RequestParams, self._discover)
        self.middleware[:] = [self.handlers]

    async def run_aside(self) -> None:
        """All that goes on between requests, until cancelled: news are told, and calls wait for answers."""
        try:
            async with anyio.create_task_group() as self.handlers.tasks:
                await self.notifier.run()
        finally:
            self.handlers.tasks = None

    async def answered(self) -> None:
        """Wait until nothing that was asked so far is unanswered; streams of news do not count."""
        await self.handlers.idle()

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
    ) -> InitializationOptions:
        """What a handshake tells a client; computed anew for each, since it is true only of this moment."""
        del notification_options, experimental_capabilities, extensions  # the catalog knows better
        return InitializationOptions(
            server_name=self.name,
            server_version=self.version,
            title=self.title,
            capabilities=self._capabilities(),
        )

    async def _discover(self, _ctx: Context, _params: RequestParams) -> DiscoverResult:
        return DiscoverResult(
            supported_versions=list(MODERN_PROTOCOL_VERSIONS),
            capabilities=self._capabilities(),
        )

    async def _never(self, _ctx: Context, _params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
        """The SDK wants to know that there is a handler; `Handlers` answers before it is reached."""
        raise NotImplementedError

    def _capabilities(self) -> ServerCapabilities:
        return ServerCapabilities.model_validate(self._source.live.current.capabilities)

    def mirrors(self, name: Any) -> bool:
        """Whether a tool wants some of its arguments in headers as well."""
        catalog, known = self._mirroring
        if catalog is not self._source.live.current:
            self._mirroring = (self._source.live.current, known := {})
        if not isinstance(name, str):
            return False
        if (mirrors := known.get(name)) is None:
            if (schema := self._input_schema(name)) is None:
                return False
            known[name] = mirrors = X_MCP_HEADER_KEY in json.dumps(schema)
        return mirrors

    def _input_schema(self, name: str) -> Json | None:
        """The schema against which the SDK checks `Mcp-Param-*` headers."""
        entry = self._source.live.current.of(Kind.TOOL).get(name)
        schema = entry.definition.get("inputSchema") if entry else None
        return schema if isinstance(schema, dict) else None
