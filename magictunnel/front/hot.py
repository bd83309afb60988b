"""Requests that are made all the time, over HTTP: which they are, and their answers, beside the SDK.

Whatever is unusual about a request goes to the SDK as it came. So does a call that turns out to have something to say
before its answer, or to take long: the SDK then carries on what has begun, with all that a stream of events can do.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import NamedTuple

from mcp.server.connection import Connection
from mcp.shared.dispatcher import as_request_id
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import (
    ERROR_CODE_HTTP_STATUS,
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    NAME_BEARING_METHODS,
    InboundModernRoute,
    classify_inbound_request,
)
from mcp_types import PROTOCOL_VERSION_META_KEY, RequestId
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from pydantic_core import from_json

from magictunnel.catalog.model import Json
from magictunnel.front.carried import Carried
from magictunnel.front.decode import CALLS, COMPLETE, LISTS, is_enveloped
from magictunnel.front.head import Head
from magictunnel.front.inbound import Inbound
from magictunnel.front.server import FrontServer
from magictunnel.front.short import ShortCall
from magictunnel.wire.codec import Text, is_writable, loads
from magictunnel.wire.endpoint import CANCELLED
from magictunnel.wire.messages import Unsent, error_data, error_line, result_line

HOT = frozenset({*LISTS, *CALLS, COMPLETE})
_DEEP = 180
"""Levels of JSON that the SDK reads in any case."""
_GIVEN_UP = MCPError(code=-32800, message="Request cancelled")
"""What the SDK answers a cancelled request of the handshake era with, whose stream has to end somehow."""


class Asked(NamedTuple):
    """A hot request as its client sent it."""

    method: str
    params: Json
    number: RequestId
    session: str
    connection: Connection | None
    """That of its session; None in the stateless era."""

    @property
    def stateless(self) -> bool:
        return self.connection is None


class HotCall(ShortCall[tuple[int, tuple[Text, ...]]]):
    """A call that came over HTTP, and was begun."""

    @abstractmethod
    def client_gone(self) -> None:
        """Its client waits for it no more."""


class HotRequests:
    """Tells which requests are hot, and answers them."""

    def __init__(self, server: FrontServer, touch: Callable[[str], bool]) -> None:
        """`touch`: tells the SDK that a session is in use, unless (False) that is over."""
        self._server = server
        self.short = server.short
        self._sessions = server.handlers.sessions
        self._touch = touch
        self._under_way: dict[tuple[str, RequestId], Carried | HotCall] = {}

    def asked(self, head: Head, body: bytes) -> Asked | None:
        """The hot request in a body; None: what it is, the SDK may find out."""
        if len(body) > 2 * _DEEP and not _is_flat(body):
            return None
        try:
            message = loads(body)
        except ValueError:
            return None
        if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
            return None
        method, params, number = message.get("method"), message.get("params", {}), message.get("id")
        if type(number) is not int and not _is_text(number := as_request_id(number)):
            return None
        if not isinstance(params, dict) or not isinstance(method, str):
            return None
        if "_meta" in params and not isinstance(params["_meta"], dict):
            return None
        if method == CANCELLED:
            self._cancel(head, as_request_id(params.get("requestId")))
        if method not in HOT or number is None:
            return None
        if head.version in MODERN_PROTOCOL_VERSIONS:
            return Asked(method, params, number, "", None) if self._is_right(head, message) else None
        connection = self._connection(head)
        return Asked(method, params, number, head.session, connection) if connection else None

    def begin(self, asked: Asked, call: HotCall) -> bool:
        """Begin a call. False: it is to be answered as all requests are."""
        if asked.method not in CALLS or not self.short.begin(call, asked.method, asked.params, asked.connection):
            return False
        if asked.session:
            self._under_way[asked.session, asked.number] = call
        return True

    def over(self, asked: Asked, one: HotCall | Carried) -> None:
        """A request is answered, or goes on in another way."""
        key = (asked.session, asked.number)
        if asked.session and self._under_way.get(key) is one:
            del self._under_way[key]

    async def answer(self, asked: Asked, carried: Carried, begun: HotCall | None = None) -> Json | MCPError:
        """What a request is answered with; `carried` is its channel, and gives it up when its client does."""
        key = (asked.session, asked.number)
        if asked.session:
            self._under_way[key] = carried
        try:
            stateless = asked.connection is None
            let_go = None if stateless else carried.let_go
            method, params, number = asked.method, asked.params, asked.number
            answer = self._server.handlers.answer(
                Inbound(
                    method, params, number, carried, asked.connection, stateless=stateless, let_go=let_go, begun=begun
                )
            )
            assert answer is not None, "it is hot"
            return await answer
        except MCPError as error:
            return error
        except asyncio.CancelledError:
            if not carried.is_given_up:
                raise
            carried.survive()
            return _GIVEN_UP
        except Exception as error:  # noqa: BLE001 whatever it is becomes an answer
            return error_data(error)
        finally:
            carried.end()
            self.over(asked, carried)

    def _connection(self, head: Head) -> Connection | None:
        """The session of the handshake era that a request belongs to; None: the SDK is to see this one."""
        if head.version and head.version not in HANDSHAKE_PROTOCOL_VERSIONS:
            return None
        connection = self._sessions.over_http(head.session)
        if connection is None or not connection.initialize_accepted:
            return None
        return connection if self._touch(head.session) else None

    def _is_right(self, head: Head, message: Json) -> bool:
        """Whether a request of the stateless era says the same in its head and its body."""
        is_routed = agrees(head.routing, message) or isinstance(
            classify_inbound_request(message, headers=head.routing), InboundModernRoute
        )
        if not is_routed:
            return False
        is_mirrored = head.mirrors or self._server.mirrors(message["params"].get("name"))
        return not (is_mirrored and message["method"] == "tools/call")

    def _cancel(self, head: Head, number: RequestId | None) -> None:
        known = self._under_way.get((head.session, number)) if head.session and number is not None else None
        if known is not None:
            known.client_gone()


def agrees(routing: Mapping[str, str], message: Json) -> bool:
    """Whether the head of a request says the same as its body, word for word: what the SDK would find out at length."""
    method, params = message["method"], message.get("params") or {}
    key = NAME_BEARING_METHODS.get(method)
    name = routing.get(MCP_NAME_HEADER, "")
    return (
        is_enveloped(params)
        and params["_meta"][PROTOCOL_VERSION_META_KEY] == routing.get(MCP_PROTOCOL_VERSION_HEADER)
        and method == routing.get(MCP_METHOD_HEADER)
        and (key is None or (params.get(key) == name and not name.startswith("=?")))
    )


def _is_flat(body: bytes) -> bool:
    """Whether the SDK can read it, which may have to carry it on: it takes fewer levels than we do."""
    if body.count(b"{") + body.count(b"[") < _DEEP:
        return True
    try:
        from_json(body)
    except ValueError:
        return False
    return True


def _is_text(number: RequestId | None) -> bool:
    """Whether an id can be written as JSON: one may hold half a character."""
    return not isinstance(number, str) or number.isascii() or is_writable(number)


def written(asked: Asked, outcome: Json | MCPError) -> tuple[int, tuple[Text, ...]]:
    """An answer's status and body, in pieces."""
    if not isinstance(outcome, MCPError):
        try:
            return 200, result_line(asked.number, outcome)
        except Unsent as error:
            outcome = error_data(error)
    status = ERROR_CODE_HTTP_STATUS.get(outcome.code, 200) if asked.stateless else 200
    return status, error_line(asked.number, outcome)
