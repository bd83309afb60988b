"""One client at the other end of two pipes: its era is what it opens with; its calls are answered beside the SDK."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping
from typing import Any

from mcp.server.connection import Connection, NotifyOnlyOutbound
from mcp.server.runner import ServerRunner, aclose_shielded, serve_one
from mcp.shared.dispatcher import DispatchContext
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import InboundLadderRejection, InboundModernRoute, classify_inbound_request
from mcp.shared.transport_context import TransportContext
from mcp_types import INVALID_REQUEST, PROTOCOL_VERSION_META_KEY, UNSUPPORTED_PROTOCOL_VERSION
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from magictunnel.catalog.model import Json
from magictunnel.errors import BadParams
from magictunnel.front.decode import CALLS, is_enveloped
from magictunnel.front.inbound import Inbound
from magictunnel.front.server import FrontServer
from magictunnel.front.short import ShortCall, ShortWay
from magictunnel.wire.asked import Asked
from magictunnel.wire.codec import Text
from magictunnel.wire.peer import Outlet, Peer

Params = Mapping[str, Any] | None

logger = logging.getLogger(__name__)


class _PipeCall(ShortCall[tuple[Text, ...]]):
    """A call that came in one line, and is answered in one."""

    __slots__ = ("_asked", "_peer")

    def __init__(self, way: ShortWay, peer: Peer, asked: Asked) -> None:
        self._way = way
        self._peer = peer
        self._asked = asked

    def written(self, result: Json) -> tuple[Text, ...] | None:
        """See `ShortCall.written`."""
        return self._peer.written(self._asked, result)

    def give(self, written: tuple[Text, ...]) -> None:
        """See `ShortCall.give`."""
        self._peer.give(self._asked, written)

    def go_on(self) -> None:
        """See `Begun.go_on`."""
        self._peer.go_on(self._asked).add_done_callback(self.ended)


class PipeClient:
    """Whoever writes lines to us; `peer.received` takes them."""

    def __init__(self, server: FrontServer, outlet: Outlet) -> None:
        self._server = server
        self.peer = Peer(
            outlet, on_junk=_no_message, take=self._taken, begin=self._begun, inline=frozenset({"initialize"})
        )
        self._connection = Connection.for_loop(self.peer)
        self._runner = ServerRunner(server, self._connection, None)
        self._stateless: bool | None = None
        """Its era; None: it has asked nothing yet."""

        self._is_open = False
        """Whether it has shaken hands."""

    async def run(self) -> None:
        """Answer it until it is gone."""
        try:
            await self.peer.run(self._on_request, self._on_notify)
        finally:
            await aclose_shielded(self._connection)

    def _taken(self, asked: Asked) -> Awaitable[Json] | None:
        """The answer to what the SDK need not see: all that is right, and not about the connection itself."""
        method, params = asked.method, asked.params
        if self._stateless is None:
            self._stateless = method != "initialize" and _is_enveloped(params)
        if self._stateless:
            is_right = is_enveloped(params)
        else:
            self._is_open = self._is_open or self._connection.initialize_accepted
            is_right = self._is_open and not _is_enveloped(params)
        if not is_right:
            return None
        connection, begun = None if self._stateless else self._connection, asked.begun
        try:
            inbound = Inbound(
                method, params, asked.request_id, asked, connection, stateless=self._stateless, begun=begun
            )
        except BadParams:
            return None
        return self._server.handlers.answer(inbound)

    def _begun(self, asked: Asked) -> _PipeCall | None:
        """A call, once it is sent; None: it is to be answered as all requests are."""
        method, params = asked.method, asked.params
        if method not in CALLS or not isinstance(params, dict):
            return None
        stateless = self._stateless
        if not (is_enveloped(params) if stateless else self._is_open and not _is_enveloped(params)):
            return None
        call = _PipeCall(self._server.short, self.peer, asked)
        is_begun = self._server.short.begin(call, method, params, None if stateless else self._connection)
        return call if is_begun else None

    async def _on_request(self, dctx: DispatchContext[TransportContext], method: str, params: Params) -> dict[str, Any]:
        if self._stateless:
            return await self._on_stateless_request(dctx, method, params)
        if method != "initialize" and _is_enveloped(params):
            raise MCPError(
                INVALID_REQUEST,
                "this connection serves the handshake protocol era; it takes no requests of the stateless one",
            )
        return await self._runner.on_request(dctx, method, params)

    async def _on_stateless_request(
        self, dctx: DispatchContext[TransportContext], method: str, params: Params
    ) -> dict[str, Any]:
        if method == "initialize":
            raise MCPError(
                UNSUPPORTED_PROTOCOL_VERSION,
                "this connection serves the stateless protocol era; the initialize handshake is not accepted on it",
                data={"supported": list(MODERN_PROTOCOL_VERSIONS), "requested": (params or {}).get("protocolVersion")},
            )
        route = _route(method, params)
        if isinstance(route, InboundLadderRejection):
            raise MCPError(code=route.code, message=route.message, data=route.data)
        outbound = NotifyOnlyOutbound(self.peer)
        connection = Connection.from_envelope(
            route.protocol_version, route.client_info, route.client_capabilities, outbound=outbound
        )
        return await serve_one(self._server, dctx, method, params, connection=connection, lifespan_state=None)

    async def _on_notify(self, dctx: DispatchContext[TransportContext], method: str, params: Params) -> None:
        if not self._stateless:  # a client of the stateless era has nothing to tell but what it cancels
            await self._runner.on_notify(dctx, method, params)


def _route(method: str, params: Params) -> InboundModernRoute | InboundLadderRejection:
    return classify_inbound_request({"method": method, "params": params})


def _is_enveloped(params: Params) -> bool:
    """Whether a request says that it belongs to the stateless era."""
    meta = params.get("_meta") if params else None
    return meta is not None and isinstance(meta, Mapping) and PROTOCOL_VERSION_META_KEY in meta


def _no_message(junk: bytes) -> None:
    logger.warning("our client wrote no JSON-RPC: %.80r", junk)
