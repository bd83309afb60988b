"""Opening a session in the right era: ask a server which it speaks, and believe the answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import anyio
from mcp.client.session import ClientSession
from mcp.shared.dispatcher import Dispatcher
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_METHOD_HEADER, MCP_PROTOCOL_VERSION_HEADER
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    CONNECTION_CLOSED,
    PROTOCOL_VERSION_META_KEY,
    SERVER_INFO_META_KEY,
    UNSUPPORTED_PROTOCOL_VERSION,
    DiscoverResult,
    InitializeResult,
)
from mcp_types.version import (
    HANDSHAKE_PROTOCOL_VERSIONS,
    LATEST_HANDSHAKE_VERSION,
    LATEST_MODERN_VERSION,
    MODERN_PROTOCOL_VERSIONS,
)
from pydantic import ValidationError

from magictunnel.backends.envelope import CLIENT_INFO
from magictunnel.catalog.model import Json
from magictunnel.config.model import Era

PROBE_TIMEOUT = 5.0
"""Seconds for `server/discover`; some servers of the handshake era never answer what they do not know."""


class WrongVersion(Exception):
    """The server answered the handshake with a protocol version that we do not speak."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What a server said of itself when the session opened, as it wrote it."""

    version: str
    about: Json
    may_speak_other_era: bool
    """It was not asked for the other era, or did not refuse it."""

    @property
    def capabilities(self) -> Json:
        return _object(self.about.get("capabilities"))

    @property
    def instructions(self) -> str:
        told = self.about.get("instructions")
        return told if isinstance(told, str) else ""

    @property
    def server_info(self) -> Json:
        stamped = _object(self.about.get("_meta")).get(SERVER_INFO_META_KEY)
        return _object(self.about.get("serverInfo") or stamped)


async def open_session(
    session: ClientSession, wire: Dispatcher[Any], era: Era, capabilities: Json, *, handshake_first: bool = False
) -> Opened:
    """Negotiate in `era`; `auto` tries the stateless era and then the handshake, or the other way round.

    `capabilities`: what our clients can do, as it is declared to the server.

    Raises:
        MCPError: the server refused.
        WrongVersion: it speaks no version that we know.
    """
    opening = _Opening(session, wire, capabilities)
    if era is Era.HANDSHAKE:
        return await opening.shake_hands()
    if era is Era.STATELESS:
        return await opening.discover()
    return await (opening.handshake_first() if handshake_first else opening.stateless_first())


@dataclass(frozen=True, slots=True)
class _Opening:
    session: ClientSession
    wire: Dispatcher[Any]
    capabilities: Json

    async def handshake_first(self) -> Opened:
        version: str | None = None
        try:
            with anyio.move_on_after(PROBE_TIMEOUT):
                return replace(await self.shake_hands(), may_speak_other_era=True)
        except MCPError as refusal:
            if refusal.code == CONNECTION_CLOSED:
                raise
            version = _common_version(refusal)
        opened = await self._probe(version or LATEST_MODERN_VERSION)
        return opened or await self.shake_hands()

    async def stateless_first(self) -> Opened:
        if opened := await self._probe(LATEST_MODERN_VERSION):
            return replace(opened, may_speak_other_era=True)
        try:
            return await self.shake_hands()
        except MCPError as refusal:
            # A slow server may have opened in the stateless era after the probe gave up: this refusal says so.
            version = _common_version(refusal)
            opened = await self._probe(version) if version else None
            if opened is None:
                raise
            return opened

    async def shake_hands(self) -> Opened:
        params = {
            "protocolVersion": LATEST_HANDSHAKE_VERSION,
            "capabilities": self.capabilities,
            "clientInfo": CLIENT_INFO,
        }
        about = await self.wire.send_raw_request("initialize", params, {"cancel_on_abandon": False})
        result = InitializeResult.model_validate(about)
        version = result.protocol_version
        if version not in HANDSHAKE_PROTOCOL_VERSIONS:
            raise WrongVersion(f"it speaks version {version!r} of the protocol, which we do not know")
        self.session.adopt(result)
        await self.wire.notify("notifications/initialized", None, {"headers": {MCP_PROTOCOL_VERSION_HEADER: version}})
        return Opened(version, about, may_speak_other_era=False)

    async def _probe(self, version: str) -> Opened | None:
        """The session in the stateless era; None if the server does not seem to speak it."""
        try:
            with anyio.move_on_after(PROBE_TIMEOUT):
                return await self.discover(version)
        except MCPError as refusal:
            if refusal.code == CONNECTION_CLOSED:
                raise
        except (ValidationError, WrongVersion):
            return None  # an answer, but not one of the stateless era
        return None

    async def discover(self, version: str = LATEST_MODERN_VERSION, *, again: bool = True) -> Opened:
        """Ask a server of the stateless era what it is. A refusal that names versions is followed, once."""
        meta = {
            PROTOCOL_VERSION_META_KEY: version,
            CLIENT_INFO_META_KEY: CLIENT_INFO,
            CLIENT_CAPABILITIES_META_KEY: self.capabilities,
        }
        sent = {MCP_PROTOCOL_VERSION_HEADER: version, MCP_METHOD_HEADER: "server/discover"}
        try:
            about = await self.wire.send_raw_request(
                "server/discover", {"_meta": meta}, {"cancel_on_abandon": False, "headers": sent}
            )
        except MCPError as refusal:
            other = _common_version(refusal)
            if not again or other is None:
                raise
            return await self.discover(other, again=False)
        result = DiscoverResult.model_validate(about | {"ttlMs": 0})
        if not set(result.supported_versions) & set(MODERN_PROTOCOL_VERSIONS):
            raise WrongVersion(f"it speaks {', '.join(result.supported_versions)[:80]}, none of which we know")
        self.session.adopt(result)
        return Opened(self.session.protocol_version or "", about, may_speak_other_era=False)


def _common_version(refusal: MCPError) -> str | None:
    """The newest stateless revision that a version refusal names and we speak."""
    data: Any = refusal.error.data
    supported = data.get("supported") if isinstance(data, dict) else None
    if refusal.code != UNSUPPORTED_PROTOCOL_VERSION or not isinstance(supported, list):
        return None
    return next((version for version in reversed(MODERN_PROTOCOL_VERSIONS) if version in supported), None)


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}
