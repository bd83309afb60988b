"""McpBackend: an MCP server behind us, however it is reached; InProcessBackend: one in this very process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import anyio
from mcp.server import Server
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED

from magictunnel.backends.base import ANY_TERMS, AtPhase, Link, Phase, Terms
from magictunnel.backends.explain import explain
from magictunnel.backends.handshake import open_session
from magictunnel.backends.link import McpLink
from magictunnel.backends.transports import memory_wire, open_wire, resolve
from magictunnel.config.model import Era, ServerConfig
from magictunnel.errors import StartFailure
from magictunnel.secrets import Secrets
from magictunnel.wire.base import Wire
from magictunnel.wire.evidence import Evidence
from magictunnel.wire.guard import UNWATCHED, Guard


@dataclass(slots=True)
class _Known:
    """What one connection to a server has taught all of them."""

    era: Era


class McpBackend:
    """A configured MCP server. See `Backend`."""

    def __init__(self, name: str, config: ServerConfig, secrets: Secrets, guard: Guard = UNWATCHED) -> None:
        self.name = name
        self._config = config
        self._secrets = secrets
        self._guard = guard
        self._known = _Known(config.era)
        self.evidence = Evidence(secrets.mask)

    @asynccontextmanager
    async def connect(self, at: AtPhase, terms: Terms = ANY_TERMS) -> AsyncIterator[Link]:
        """See `Backend.connect`. A server that hangs up on being asked for one era is opened again in the other."""
        terms = terms if self._known.era is Era.AUTO else replace(terms, era=self._known.era)
        try:
            async with self._open(at, terms) as link:
                yield link
            return
        except (_HungUpOnProbe, ExceptionGroup) as error:
            if not _has_hung_up(error):
                raise
        other = Era.STATELESS if terms.handshake_first else Era.HANDSHAKE
        async with self._open(at, replace(terms, era=other)) as link:
            self._known.era = other
            yield link

    def explain(self, phase: Phase, error: BaseException) -> StartFailure:
        """See `Backend.explain`."""
        return explain(self.name, phase, error, self.evidence, self._secrets.mask)

    @asynccontextmanager
    async def _open(self, at: AtPhase, terms: Terms) -> AsyncIterator[Link]:
        self.evidence = Evidence(self._secrets.mask)
        at(Phase.RESOLVE)
        target = resolve(self._config, self._secrets)
        wire = open_wire(self.name, target, self.evidence, at, self._guard)
        async with opened_link(self.name, wire, at, terms) as link:
            yield link


class InProcessBackend:
    """An SDK server in this very process, over memory. See `Backend`."""

    def __init__(self, name: str, server: Callable[[], Server[Any]], era: Era = Era.AUTO) -> None:
        self.name = name
        self._server = server
        self._era = era

    @asynccontextmanager
    async def connect(self, at: AtPhase, terms: Terms = ANY_TERMS) -> AsyncIterator[Link]:
        """See `Backend.connect`."""
        terms = terms if self._era is Era.AUTO else replace(terms, era=self._era)
        async with opened_link(self.name, memory_wire(self._server()), at, terms) as link:
            yield link

    def explain(self, phase: Phase, error: BaseException) -> StartFailure:
        """See `Backend.explain`."""
        return explain(self.name, phase, error, Evidence(), lambda text: text)


@asynccontextmanager
async def opened_link(
    name: str, wire_manager: AbstractAsyncContextManager[Wire], at: AtPhase, terms: Terms
) -> AsyncIterator[McpLink]:
    """A link whose session is open, over any wire."""
    async with wire_manager as wire, anyio.create_task_group() as tasks:
        at(Phase.HANDSHAKE)
        link = McpLink(name, wire, terms, tasks)
        async with link, link.session:
            try:
                link.start(
                    await open_session(
                        link.session,
                        wire,
                        terms.era,
                        link.declare(),
                        handshake_first=terms.handshake_first,
                    )
                )
            except MCPError as error:
                if terms.era is Era.AUTO and error.code == CONNECTION_CLOSED:
                    raise _HungUpOnProbe from error
                raise
            try:
                yield link
            finally:
                tasks.cancel_scope.cancel()


class _HungUpOnProbe(Exception):
    """The server closed the connection when asked which era it speaks."""


def _has_hung_up(error: Exception) -> bool:
    return isinstance(error, _HungUpOnProbe) or (
        isinstance(error, ExceptionGroup) and error.subgroup(_HungUpOnProbe) is not None
    )
