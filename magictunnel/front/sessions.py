"""The clients of the handshake era that are connected: each known from its handshake until its connection ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from itertools import count

from mcp.server.connection import Connection

from magictunnel.front.back import SessionBack, wants_of
from magictunnel.front.inbound import Inbound
from magictunnel.front.outbox import Tasks
from magictunnel.wire.audience import Audience
from magictunnel.wire.caller import Caller, Rights, no_limits

MAX_NAME = 64
"""Characters of a client's name that are kept."""

pipe: ContextVar[str] = ContextVar("pipe", default="")
"""The one client of the pipe that is being served, for requests that each stand alone otherwise; empty over HTTP."""


class Sessions:
    """Keeps the audience of our servers."""

    def __init__(
        self,
        audience: Audience,
        on_end: Callable[[Caller], Awaitable[None]],
        tasks: Tasks = lambda: None,
        rights: Rights = no_limits,
    ) -> None:
        self._tasks = tasks
        self._rights = rights
        self._audience = audience
        self._on_end = on_end
        self._numbers = count(1)
        self._keys: dict[Connection, str] = {}
        self._over_http: dict[str, Connection] = {}
        """Those that are named by an id of theirs in each request."""

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def backs(self) -> list[SessionBack]:
        """The ways back to each of them."""
        return [caller.back for caller in self._audience.callers if isinstance(caller.back, SessionBack)]

    @property
    def open_ones(self) -> list[Caller]:
        """Those that have shaken hands."""
        return [one for one in self._audience.callers if isinstance(one.back, SessionBack) and one.back.is_open]

    def open(self, inbound: Inbound) -> None:
        """A client shakes hands, with this request."""
        connection, about = inbound.connection, inbound.params
        if connection is None:
            return
        known = self.caller(connection)
        key = known.session if known else f"h{next(self._numbers)}"
        info, capabilities = about.get("clientInfo"), about.get("capabilities")
        name = info.get("name") if isinstance(info, dict) else None
        caller = Caller(
            str(name or "unnamed client")[:MAX_NAME],
            session=key,
            capabilities=capabilities if isinstance(capabilities, dict) else {},
            log_level=known.log_level if known else None,
            back=known.back
            if known
            else SessionBack(connection, wants_of(partial(self._audience.get, key)), self._tasks),
        )
        self._audience.join(replace(caller, allows=self._rights(caller)))
        if known is None:
            self._keys[connection] = key
            if connection.session_id:
                self._over_http[connection.session_id] = connection
            connection.exit_stack.push_async_exit(partial(self._close, connection))

    async def refuse(self, connection: Connection | None, former: Caller | None) -> None:
        """Its handshake has failed: it is who it was before, if it was anybody."""
        if former is not None:
            self._audience.join(former)
        elif connection in self._keys:
            await self._close(connection)

    def caller(self, connection: Connection | None) -> Caller | None:
        """The client of this connection, with its standing ways back."""
        return self._audience.get(self._keys.get(connection, ""))  # type: ignore[arg-type]

    def over_http(self, session_id: str) -> Connection | None:
        """The session of that id."""
        return self._over_http.get(session_id)

    async def _close(self, connection: Connection, *_why: object) -> None:
        self._over_http.pop(connection.session_id or "", None)
        caller = self._audience.get(self._keys.pop(connection, ""))
        if caller:
            self._audience.leave(caller.session)
            await self._on_end(caller)
