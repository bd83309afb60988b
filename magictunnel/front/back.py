"""The ways back to a client: of one request, and of a session of the handshake era for as long as it is connected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
from mcp.server.connection import Connection
from mcp.shared.dispatcher import Outbound
from mcp.shared.exceptions import MCPError, NoBackChannelError
from mcp_types import CONNECTION_CLOSED

from magictunnel.catalog.model import Json
from magictunnel.errors import AnswerError, CannotAsk
from magictunnel.front.inbound import Inbound
from magictunnel.front.outbox import Outbox, Tasks
from magictunnel.wire.caller import Caller, progress_token
from magictunnel.wire.codec import writable

PROGRESS = "notifications/progress"
LOG = "notifications/message"
_HANDSHAKE_ONLY = frozenset({"notifications/elicitation/complete", "notifications/tasks/status"})
"""What does not exist in the stateless era."""
_A_BREATH = 0.002
"""Seconds between what is told of a request and its answer: the TypeScript SDK drops what it reads together with it."""
_PATIENCE = 5.0
"""Seconds that a client which does not read may take; the others are told meanwhile."""

Wants = Callable[[Any], bool]
"""Whether a log message of this severity is wanted."""


class RequestBack:
    """The ways back to the client of one request, while it is being answered. See `Back`."""

    __slots__ = ("_connection", "_is_answered", "_let_go", "_outbox", "_request", "_stateless", "_token", "_wants")

    def __init__(self, inbound: Inbound, wants: Wants) -> None:
        self._request = inbound.channel
        self._connection = inbound.connection
        self._wants = wants
        self._stateless = inbound.stateless
        self._token = progress_token(inbound.params)
        self._let_go = inbound.let_go
        self._is_answered = False
        self._outbox: Outbox | None = None

    async def tell(self, method: str, params: Json) -> None:
        """See `Back.tell`."""
        if method == PROGRESS:
            if self._token is None or self._is_answered:
                return
            params = params | {"progressToken": self._token}
        elif method == LOG and not self._wants(params.get("level")):
            return
        if self._stateless and (self._is_answered or method in _HANDSHAKE_ONLY):
            return
        self._outbox = self._outbox or Outbox(self._send)
        await self._outbox.put(method, params)

    async def ask(self, method: str, params: Json) -> Json:
        """See `Back.ask`. In the stateless era a question is an answer; see `parking`."""
        if self._stateless:
            raise CannotAsk(method, "this request cannot be answered with a question")
        return await asked(self._request, method, params)

    async def let_go(self) -> None:
        """See `Back.let_go`."""
        if self._let_go is not None:
            await self._let_go()

    async def answered(self) -> None:
        """Have all told that belongs to the request, before its answer; then `close`."""
        try:
            if self._outbox is not None:
                await self._outbox.emptied()
                await anyio.sleep(_A_BREATH)
        finally:
            self.close()

    def close(self) -> None:
        """The request is over: what comes later goes to the connection."""
        self._is_answered = True
        self._let_go = None
        if self._connection is not None:
            self._request = self._connection.outbound

    async def _send(self, method: str, params: Json) -> None:
        channel = self._connection if self._is_answered else self._request
        if channel is not None:
            await channel.notify(method, params)


class SessionBack:
    """The ways back to a session of the handshake era that belong to none of its requests. See `Back`."""

    def __init__(self, connection: Connection, wants: Wants, tasks: Tasks = lambda: None) -> None:
        self._connection = connection
        self._wants = wants
        self._tasks = tasks
        self._outbox = Outbox(self._send, _PATIENCE, tasks)

    @property
    def is_open(self) -> bool:
        """Whether it has shaken hands; what happened before is no news to it."""
        return self._connection.initialized.is_set()

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing left to tell it."""
        return self._outbox.is_empty

    async def tell(self, method: str, params: Json) -> None:
        """See `Back.tell`."""
        if method == PROGRESS or (method == LOG and not self._wants(params.get("level"))):
            return
        if self.is_open:
            await self._outbox.put(method, params, once=method != LOG)

    def tell_when_open(self, method: str) -> None:
        """Tell it once it has shaken hands: of something that it was told before, and is otherwise now."""
        if tasks := self._tasks():
            tasks.start_soon(self._once_open, method)

    async def _once_open(self, method: str) -> None:
        await self._connection.initialized.wait()
        await self.tell(method, {})

    async def ask(self, method: str, params: Json) -> Json:
        """See `Back.ask`."""
        return await asked(self._connection.outbound, method, params)

    async def let_go(self) -> None:
        """See `Back.let_go`. What belongs to no request is on no stream that could be spared."""

    async def _send(self, method: str, params: Json) -> None:
        await self._connection.notify(method, params or None)


async def asked(channel: Outbound, method: str, params: Json) -> Json:
    """Put a question to a client of the handshake era over `channel`.

    Raises:
        CannotAsk: it cannot be reached that way, or has gone.
        AnswerError: its own error.
    """
    try:
        question = writable(params)
    except ValueError as error:
        raise CannotAsk(method, str(error)) from None
    try:
        return await channel.send_raw_request(method, question)
    except NoBackChannelError:
        raise CannotAsk(method, "the client keeps no channel open on which it could be asked") from None
    except MCPError as error:
        if error.code == CONNECTION_CLOSED:
            raise CannotAsk(method, "the client has gone") from error
        raise AnswerError(error.code, error.message, error.error.data) from error


def wants_of(find: Callable[[], Caller | None]) -> Wants:
    """Asks the caller as it is at the moment of each message: a session may change its level during a call."""

    def wants(level: Any) -> bool:
        caller = find()
        return caller is not None and caller.wants(level)

    return wants
