"""Catalog changes -> list_changed, told to each client once, in the way of its era."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    PromptsListChanged,
    ResourcesListChanged,
    ServerEvent,
    ToolsListChanged,
)
from mcp_types import SubscriptionsListenRequestParams, SubscriptionsListenResult

from magictunnel.catalog.model import Kind

COMPANY = 0.05
"""Seconds to wait after a change for others that come with it."""
_PATIENCE = 5.0
"""Seconds that a client which does not read may take; the others are told meanwhile."""

_NEWS: Sequence[tuple[frozenset[Kind], str, ServerEvent]] = (
    (frozenset({Kind.TOOL}), "notifications/tools/list_changed", ToolsListChanged()),
    (frozenset({Kind.PROMPT}), "notifications/prompts/list_changed", PromptsListChanged()),
    (frozenset({Kind.RESOURCE, Kind.TEMPLATE}), "notifications/resources/list_changed", ResourcesListChanged()),
)
"""Which kinds are one piece of news, and how each era says it."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Session:
    """One client of the handshake era, and the news it has not been told yet."""

    connection: Connection
    untold: dict[str, None] = field(default_factory=dict)
    """In the order in which it happened."""
    is_being_told: bool = False


class Notifier:
    """Knows the sessions of the handshake era, and the listen streams of the stateless one."""

    def __init__(self) -> None:
        self._bus = InMemorySubscriptionBus()
        self._listen = ListenHandler(self._bus)
        self._sessions: dict[int, _Session] = {}
        self._events: dict[ServerEvent, None] = {}
        self._wake = anyio.Event()

    @property
    def session_count(self) -> int:
        return len(self._sessions)

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing left to tell anybody."""
        return not self._events and not any(session.untold for session in self._sessions.values())

    def changed(self, kinds: frozenset[Kind]) -> None:
        """Have the clients of this moment told that these lists differ now. Returns at once; changes close together
        are told together, and a client that comes later lists what is new anyway.
        """
        for concerned, method, event in _NEWS:
            if concerned & kinds:
                self._events[event] = None
                for session in self._sessions.values():
                    session.untold[method] = None
        self._wake.set()

    async def run(self) -> None:
        """Tell what changed, until cancelled; then end the listen streams as the protocol wants."""
        try:
            async with anyio.create_task_group() as tasks:
                while True:
                    await self._wake.wait()
                    await anyio.sleep(COMPANY)
                    self._wake = anyio.Event()
                    events, self._events = self._events, {}
                    for event in events:
                        await self._bus.publish(event)
                    for session in self._sessions.values():
                        if session.untold and not session.is_being_told:
                            tasks.start_soon(_tell, session)
        finally:
            self._listen.close()

    def remember(self, ctx: ServerRequestContext[Any, Any]) -> None:
        """Push to this session from now on, until its connection ends."""
        # The SDK has no public way to a connection's own channel or its end; this is the one place that reaches in.
        connection = ctx.session._connection
        if id(connection) not in self._sessions:
            self._sessions[id(connection)] = _Session(connection)
            connection.exit_stack.callback(self._sessions.pop, id(connection), None)

    async def listen(
        self, ctx: ServerRequestContext[Any, Any], params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        """Serve one `subscriptions/listen` stream; updates of single resources are not promised, so not honoured."""
        lists_only = params.notifications.model_copy(update={"resource_subscriptions": None})
        return await self._listen(ctx, params.model_copy(update={"notifications": lists_only}))


async def _tell(session: _Session) -> None:
    """Tell one client, at its own pace, all that it has not heard; one that does not read holds up no other."""
    session.is_being_told = True
    try:
        while session.untold:
            method = next(iter(session.untold))
            del session.untold[method]
            with anyio.move_on_after(_PATIENCE) as scope:
                await session.connection.notify(method, None)
            if scope.cancelled_caught:
                logger.warning("a client does not read; it was not told of %s", method)
    finally:
        session.is_being_told = False
