"""A server that talks back, in either era: it asks, tells, changes, runs tasks. On the SDK's low-level server.

`python -m tests.support.talker stdio|http PORT|sse PORT`; in a test's own process `serving` does the same.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import mcp_types as types
from anyio.abc import TaskGroup
from mcp.server import Server
from mcp.server.connection import Connection
from mcp.server.lowlevel.server import NotificationOptions
from mcp.server.models import InitializationOptions
from mcp.server.runner import serve_dual_era_loop
from mcp.server.session import ServerSession
from mcp.server.sse import SseServerTransport
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from tests.conformance.everything.box import Box, Context, Json, stateless
from tests.support.jobs import CAPABILITY, EXTENSION, Jobs
from tests.support.talk_lists import SORTS
from tests.support.talk_tools import Tools
from tests.support.web import served

Answer = Callable[[Context], Awaitable[Json]]


class Talker(Server[Any]):
    """The server. Raw JSON in and out, in a middleware, since tasks are in no model of the SDK's."""

    def __init__(self, group: TaskGroup) -> None:
        """`group`: where its tasks run; it outlives the calls that make them."""
        self.bus = InMemorySubscriptionBus()
        super().__init__("talker", version="1", on_subscriptions_listen=ListenHandler(self.bus))
        self.fates: dict[str, str] = {}
        """What became of calls, by their nonce: `under way`, `cancelled`, `answered`."""
        self.extras: set[str] = set()
        """The lists that have their extra now."""
        self.sessions: dict[Connection, ServerSession] = {}
        """Those of the handshake era that are open."""
        self.listening: list[str] = []
        """The resources that listen streams follow."""
        self.jobs = Jobs(group, self.fates, self.tell)
        self._tools: Box = Tools(self).box
        self._answers: dict[str, Answer] = {
            **{sort.method: self._lister(name) for name, sort in SORTS.items()},
            "tools/call": self._call,
            "prompts/get": self._prompt,
            "resources/read": self._read,
            "resources/subscribe": self._subscribe,
            "resources/unsubscribe": self._unsubscribe,
            "completion/complete": self._complete,
            "logging/setLevel": self._set_level,
            "subscriptions/listen": self._listen,
            **self.jobs.answers,
        }
        self.add_request_handler("server/discover", types.RequestParams, self._discover)
        self.middleware[:] = [self._answer]

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
    ) -> InitializationOptions:
        """What it says of itself in a handshake."""
        del notification_options, experimental_capabilities, extensions
        told = types.ServerCapabilities.model_validate(_PROMISED | {"tasks": CAPABILITY})
        return InitializationOptions(server_name=self.name, server_version="1", capabilities=told)

    async def tell(self, method: str, params: Json | None = None, uri: str = "") -> None:
        """Tell every session of the handshake era; with `uri`, those that subscribed to it."""
        for connection in list(self.sessions):
            if not uri or uri in connection.state.get("uris", ()):
                await connection.outbound.notify(method, params)

    @property
    def subscribed(self) -> list[str]:
        """What anybody follows now."""
        return sorted([uri for one in self.sessions for uri in one.state.get("uris", ())] + self.listening)

    def definitions(self, name: str) -> list[Json]:
        """One list as it is now."""
        sort = SORTS[name]
        base = [tool.definition for tool in self._tools.tools.values()] if name == "tools" else list(sort.offered)
        return base + ([sort.extra] if name in self.extras else [])

    async def _discover(self, _ctx: Context, _params: types.RequestParams) -> types.DiscoverResult:
        told = types.ServerCapabilities.model_validate(_PROMISED | {"extensions": {EXTENSION: {}}})
        return types.DiscoverResult(supported_versions=list(MODERN_PROTOCOL_VERSIONS), capabilities=told)

    async def _answer(self, ctx: Context, call_next: Callable[[Context], Awaitable[Any]]) -> Any:
        if ctx.method == "notifications/initialized":
            connection = ctx.session._connection
            self.sessions[connection] = ctx.session
            connection.exit_stack.callback(self.sessions.pop, connection, None)
        answer = self._answers.get(ctx.method) if ctx.request_id is not None else None
        if answer is None:
            return await call_next(ctx)
        if ctx.method == "subscriptions/listen":
            return await self._listened(ctx, call_next)
        result = await answer(ctx)
        return {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"} | result if stateless(ctx) else result

    async def _listened(self, ctx: Context, call_next: Callable[[Context], Awaitable[Any]]) -> Any:
        wanted = (ctx.params or {}).get("notifications", {})
        if "taskIds" in wanted:
            return await self.jobs.listen(ctx, wanted["taskIds"])
        followed = wanted.get("resourceSubscriptions") or []
        self.listening += followed
        try:
            return await call_next(ctx)
        finally:
            for uri in followed:
                self.listening.remove(uri)

    async def _listen(self, _ctx: Context) -> Json:
        raise NotImplementedError  # the SDK's own; see `_listened`

    def _lister(self, name: str) -> Answer:
        async def listed(ctx: Context) -> Json:
            told = self.definitions(name)
            if stateless(ctx):  # it has no `execution`
                told = [{key: value for key, value in one.items() if key != "execution"} for one in told]
            return {SORTS[name].key: told}

        return listed

    async def _call(self, ctx: Context) -> Json:
        name = (ctx.params or {}).get("name")
        if name not in self._tools.tools:
            raise MCPError(INVALID_PARAMS, f"Unknown tool: {name}")
        return await self._tools.tools[name].run(ctx)

    async def _prompt(self, _ctx: Context) -> Json:
        return {"messages": [{"role": "user", "content": {"type": "text", "text": "Hello"}}]}

    async def _read(self, ctx: Context) -> Json:
        return {"contents": [{"uri": (ctx.params or {})["uri"], "text": "as ever"}]}

    async def _subscribe(self, ctx: Context) -> Json:
        ctx.session._connection.state.setdefault("uris", set()).add((ctx.params or {})["uri"])
        return {}

    async def _unsubscribe(self, ctx: Context) -> Json:
        ctx.session._connection.state.get("uris", set()).discard((ctx.params or {})["uri"])
        return {}

    async def _complete(self, ctx: Context) -> Json:
        params = ctx.params or {}
        ref, argument = params["ref"], params["argument"]
        known = params.get("context", {}).get("arguments", {})
        told = [ref.get("name") or ref.get("uri"), argument["name"], argument["value"]]
        return {"completion": {"values": told + [f"{key}={known[key]}" for key in sorted(known)]}}

    async def _set_level(self, ctx: Context) -> Json:
        ctx.session._connection.state["level"] = (ctx.params or {})["level"]
        return {}


_PROMISED: Json = {
    "tools": {"listChanged": True},
    "prompts": {"listChanged": True},
    "resources": {"listChanged": True, "subscribe": True},
    "completions": {},
    "logging": {},
}


def app_of(talker: Talker) -> Starlette:
    """Streamable HTTP at /mcp, HTTP+SSE at /sse."""
    app = talker.streamable_http_app()
    sse = SseServerTransport("/messages/")

    async def connected(request: Request) -> Response:
        with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            async with sse.connect_sse(request.scope, request.receive, request._send) as (read, write):
                await serve_dual_era_loop(talker, read, write, lifespan_state=None)
        return Response()

    app.router.routes += [Route("/sse", connected), Mount("/messages/", app=sse.handle_post_message)]
    return app


@asynccontextmanager
async def serving(port: int = 0) -> AsyncIterator[tuple[Talker, int]]:
    """One in this process, over HTTP and SSE: the server, and its port."""
    async with anyio.create_task_group() as group:
        talker = Talker(group)
        async with served(app_of(talker), port) as bound:
            yield talker, bound
        group.cancel_scope.cancel()


async def _over_stdio() -> None:
    async with anyio.create_task_group() as group, stdio_server() as (read, write):
        await serve_dual_era_loop(Talker(group), read, write, lifespan_state=None)
        group.cancel_scope.cancel()


async def _over_http(port: int) -> None:
    async with serving(port):
        await anyio.sleep_forever()


def main(words: list[str]) -> None:
    """Serve until the client, or a signal, ends it."""
    if words[0] == "stdio":
        anyio.run(_over_stdio)
    else:
        anyio.run(_over_http, int(words[1]))


if __name__ == "__main__":
    main(sys.argv[1:])
