"""McpBackend: an MCP server behind us. The SDK opens the session; requests and results pass raw beside it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from itertools import count
from typing import Any

import anyio
import mcp_types as types
from mcp.client.session import ClientSession, IncomingMessage
from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost, listen
from mcp.server import Server
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import find_invalid_x_mcp_header, x_mcp_header_map
from mcp_types import CONNECTION_CLOSED, METHOD_NOT_FOUND
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from magictunnel.backends.base import AtPhase, Link, LinkLost, Phase, Request
from magictunnel.backends.envelope import CLIENT_INFO, HeaderMap, enveloped, headers, inner_result
from magictunnel.backends.explain import explain
from magictunnel.backends.handshake import open_session
from magictunnel.backends.transports import memory_wire, open_wire, resolve
from magictunnel.catalog.model import EMPTY, Json, Kind
from magictunnel.config.model import Era, ServerConfig
from magictunnel.errors import BackendError, BackendUnavailable, CallError, OutcomeUnknown, StartFailure
from magictunnel.secrets import Secrets
from magictunnel.wire.dispatcher import WireDispatcher
from magictunnel.wire.evidence import Evidence
from magictunnel.wire.http import CUT_OFF, NOT_SENT

MAX_PAGES = 1_000
"""Pages of one listing that are followed."""
MAX_ENTRIES = 50_000
"""Definitions of one kind that are taken from one backend."""

CANCEL_TIMEOUT = 5.0
"""Seconds that a server may take to accept word of a cancelled call."""
_CLOSED = "Connection closed"
_BROKEN = (CUT_OFF, "SSE stream ended without a response", "SSE stream ended and reconnection", "SSE stream failed: ")
"""What our HTTP client and the SDK's say when an answer can never come."""
_STALE = ("Session terminated", "Session not found")

_LIST_METHODS = {
    Kind.TOOL: "tools/list",
    Kind.PROMPT: "prompts/list",
    Kind.RESOURCE: "resources/list",
    Kind.TEMPLATE: "resources/templates/list",
}
_CHANGES: dict[type[Any], frozenset[Kind]] = {
    types.ToolListChangedNotification: frozenset({Kind.TOOL}),
    types.PromptListChangedNotification: frozenset({Kind.PROMPT}),
    types.ResourceListChangedNotification: frozenset({Kind.RESOURCE, Kind.TEMPLATE}),
}

logger = logging.getLogger(__name__)


class McpLink:
    """One session with a server. See `Link`."""

    def __init__(self, name: str, wire: WireDispatcher) -> None:
        self._name = name
        self._wire = wire
        self._dirty: set[Kind] = set()
        self._wake = anyio.Event()
        self._mirrored: dict[str, HeaderMap] = {}
        self._numbers = count(1_000_000)  # apart from those that the SDK gives to its own requests
        self._calls = 0
        self._is_doomed = False
        """It can carry no new call; those in flight may still be answered."""
        self._cancels, self._abandoned = anyio.create_memory_object_stream[int](float("inf"))
        self.era = ""
        self.capabilities: Json = {}
        self.instructions = ""
        wire.on_closed = self._wake_up
        self.session = ClientSession(
            dispatcher=wire,
            message_handler=self._on_message,
            client_info=types.Implementation.model_validate(CLIENT_INFO),
        )

    async def __aenter__(self) -> McpLink:
        return self

    async def __aexit__(self, *_why: object) -> None:
        self._cancels.close()
        self._abandoned.close()

    @property
    def stateless(self) -> bool:
        return self.era in MODERN_PROTOCOL_VERSIONS

    def adopt_session(self) -> None:
        """Take over what the session has negotiated."""
        self.era = self.session.protocol_version or ""
        capabilities = self.session.server_capabilities
        self.capabilities = capabilities.model_dump(by_alias=True, exclude_none=True) if capabilities else {}
        self.instructions = self.session.instructions or ""

    async def list(self, kind: Kind) -> tuple[Json, ...]:
        """See `Link.list`. A kind the server does not have, or does not answer for, is empty."""
        if kind.capability not in self.capabilities:
            return ()
        try:
            found = await self._all_pages(kind)
        except BackendError as error:
            if error.code != METHOD_NOT_FOUND:
                raise
            return ()
        return self._callable_tools(found) if kind is Kind.TOOL and self.stateless else found

    async def request(self, request: Request) -> Json:
        """See `Link.request`."""
        self._ensure_open()
        name = request.params.get("name")
        mirrored = self._mirrored.get(name, EMPTY) if isinstance(name, str) else EMPTY
        params = enveloped(request.params, self.era, stateless=self.stateless, capabilities=request.capabilities)
        number = next(self._numbers)
        options: CallOptions = {
            "request_id": number,
            "cancel_on_abandon": False,
            "headers": headers(request.method, params, self.era, stateless=self.stateless, mirrored=mirrored),
        }
        if request.on_progress is not None:
            options["on_progress"] = request.on_progress
        self._calls += 1
        try:
            return inner_result(await self._wire.send_raw_request(request.method, params, options))
        except MCPError as error:
            raise self._failure(error, str(name or request.method)) from error
        except anyio.get_cancelled_exc_class():
            with suppress(anyio.ClosedResourceError):  # the link has ended: there is nobody left to tell
                self._cancels.send_nowait(number)
            raise
        finally:
            self._calls -= 1
            if self._is_doomed:
                self._wake_up()

    def _failure(self, error: MCPError, name: str) -> CallError:
        """What an error answer means: the backend's own, or the SDK's word for a connection that broke."""
        if error.code == CONNECTION_CLOSED and error.message == NOT_SENT:
            self._is_doomed = True
            return BackendUnavailable(self._name, NOT_SENT, hint="start that server, or correct `url`")
        if error.code == CONNECTION_CLOSED and (error.message == _CLOSED or error.message.startswith(_BROKEN)):
            return OutcomeUnknown(self._name, name, error.message)
        if error.message in _STALE:
            self._is_doomed = True
        return BackendError(error.code, error.message, error.error.data)

    async def tell_cancels(self) -> None:
        """Tell the server of calls that nobody waits for any more; beside them, so that a deadline is never late."""
        async for number in self._abandoned:
            with anyio.move_on_after(CANCEL_TIMEOUT):
                params = {"requestId": number, "reason": "the call was cancelled, or took too long"}
                await self._wire.notify("notifications/cancelled", params)

    def _ensure_open(self) -> None:
        if self._wire.is_closed or self._is_doomed:
            raise BackendUnavailable(self._name, "its connection has just ended", hint="it is being started again")

    async def changed(self) -> frozenset[Kind]:
        """See `Link.changed`."""
        while not self._dirty:
            if self._wire.is_closed:
                raise LinkLost("the connection was closed")
            if self._is_doomed and not self._calls:
                raise LinkLost("the server does not know its session any more, or cannot be reached")
            await self._wake.wait()
            self._wake = anyio.Event()
        kinds, self._dirty = frozenset(self._dirty), set()
        return kinds

    async def watch(self) -> None:
        """Keep a listen stream open with a stateless server; the others push without being asked."""
        tools, prompts, resources = (self._announces(name) for name in ("tools", "prompts", "resources"))
        while (tools or prompts or resources) and not self._wire.is_closed:
            try:
                async with listen(
                    self.session,
                    tools_list_changed=tools,
                    prompts_list_changed=prompts,
                    resources_list_changed=resources,
                ) as events:
                    # What changed before the stream was open was told to nobody.
                    self._mark(frozenset(Kind))
                    async for _event in events:
                        pass  # delivered to `_on_message` as well, where both eras meet
            except (SubscriptionLost, MCPError, ListenNotSupportedError, TimeoutError) as error:
                logger.debug("%s: listen stream ended: %s", self._name, error)
            await anyio.sleep(1.0)

    def _announces(self, capability: str) -> bool:
        promised = self.capabilities.get(capability)
        return isinstance(promised, dict) and bool(promised.get("listChanged"))

    async def _all_pages(self, kind: Kind) -> tuple[Json, ...]:
        found: list[Json] = []
        cursor: str | None = None
        seen: set[str] = set()
        for _ in range(MAX_PAGES):
            page = await self.request(Request(_LIST_METHODS[kind], {"cursor": cursor} if cursor else {}))
            found += _definitions(page, kind)
            cursor = page.get("nextCursor")
            if not isinstance(cursor, str) or not cursor:
                return tuple(found)
            if cursor in seen or len(found) > MAX_ENTRIES:
                break
            seen.add(cursor)
        logger.warning("%s: its list of %s does not end (cursor %.40r); kept %d", self._name, kind, cursor, len(found))
        return tuple(found[:MAX_ENTRIES])

    def _callable_tools(self, tools: tuple[Json, ...]) -> tuple[Json, ...]:
        """Drop tools whose header annotations are invalid, as the stateless era demands; remember the others'."""
        kept: list[Json] = []
        self._mirrored = {}
        for tool in tools:
            schema = tool.get("inputSchema")
            if reason := find_invalid_x_mcp_header(schema):
                logger.warning("%s: tool %.64r left out: %s", self._name, tool.get("name"), reason)
                continue
            if mirrored := x_mcp_header_map(schema):
                self._mirrored[str(tool.get("name"))] = mirrored
            kept.append(tool)
        return tuple(kept)

    async def _on_message(self, message: IncomingMessage) -> None:
        if kinds := _CHANGES.get(type(message)):
            self._mark(kinds)

    def _mark(self, kinds: frozenset[Kind]) -> None:
        self._dirty |= kinds
        self._wake_up()

    def _wake_up(self) -> None:
        self._wake.set()


class McpBackend:
    """A configured MCP server. See `Backend`."""

    def __init__(self, name: str, config: ServerConfig, secrets: Secrets) -> None:
        self.name = name
        self._config = config
        self._secrets = secrets
        self._era = config.era
        self.evidence = Evidence(secrets.mask)

    @asynccontextmanager
    async def connect(self, at: AtPhase) -> AsyncIterator[Link]:
        """See `Backend.connect`. A server that hangs up on being asked its era is opened again with a handshake."""
        async with AsyncExitStack() as stack:
            try:
                link = await stack.enter_async_context(self._open(at, self._era))
            except _HungUpOnProbe:
                link = await stack.enter_async_context(self._open(at, Era.HANDSHAKE))
                self._era = Era.HANDSHAKE
            yield link

    def explain(self, phase: Phase, error: BaseException) -> StartFailure:
        """See `Backend.explain`."""
        return explain(self.name, phase, error, self.evidence, self._secrets.mask)

    @asynccontextmanager
    async def _open(self, at: AtPhase, era: Era) -> AsyncIterator[Link]:
        self.evidence = Evidence(self._secrets.mask)
        at(Phase.RESOLVE)
        target = resolve(self._config, self._secrets)
        try:
            async with opened_link(self.name, open_wire(self.name, target, self.evidence, at), era, at) as link:
                yield link
        except* _HungUpOnProbe as group:
            raise _HungUpOnProbe from group


class InProcessBackend:
    """An SDK server in this very process, over memory. See `Backend`."""

    def __init__(self, name: str, server: Callable[[], Server[Any]], era: Era = Era.AUTO) -> None:
        self.name = name
        self._server = server
        self._era = era

    @asynccontextmanager
    async def connect(self, at: AtPhase) -> AsyncIterator[Link]:
        """See `Backend.connect`."""
        async with opened_link(self.name, memory_wire(self._server()), self._era, at) as link:
            yield link

    def explain(self, phase: Phase, error: BaseException) -> StartFailure:
        """See `Backend.explain`."""
        return explain(self.name, phase, error, Evidence(), lambda text: text)


@asynccontextmanager
async def opened_link(
    name: str, wire_manager: AbstractAsyncContextManager[WireDispatcher], era: Era, at: AtPhase
) -> AsyncIterator[McpLink]:
    """A link whose session is open, over any wire."""
    async with wire_manager as wire:
        at(Phase.HANDSHAKE)
        link = McpLink(name, wire)
        async with link, link.session, anyio.create_task_group() as tasks:
            try:
                await open_session(link.session, era)
            except MCPError as error:
                if era is Era.AUTO and error.code == CONNECTION_CLOSED:
                    raise _HungUpOnProbe from error
                raise
            link.adopt_session()
            tasks.start_soon(link.tell_cancels)
            if link.stateless:
                tasks.start_soon(link.watch)
            yield link
            tasks.cancel_scope.cancel()


class _HungUpOnProbe(Exception):
    """The server closed the connection when asked which era it speaks."""


def _definitions(page: Json, kind: Kind) -> list[Json]:
    found = page.get(kind.value)
    if not isinstance(found, list):
        raise BackendError(types.INTERNAL_ERROR, f"its {_LIST_METHODS[kind]} answer has no list of {kind}")
    return [definition for definition in found if isinstance(definition, dict)]
