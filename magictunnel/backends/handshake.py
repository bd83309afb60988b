"""Opening a session in the right era: ask a server which it speaks, and believe the answer."""

from __future__ import annotations

from typing import Any

import anyio
from mcp.client.session import ClientSession
from mcp.shared.exceptions import MCPError
from mcp_types import UNSUPPORTED_PROTOCOL_VERSION, DiscoverResult
from mcp_types.version import LATEST_MODERN_VERSION, MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from magictunnel.config.model import Era

PROBE_TIMEOUT = 5.0
"""Seconds for `server/discover`; some servers of the handshake era never answer what they do not know."""


async def open_session(session: ClientSession, era: Era) -> None:
    """Negotiate in `era`; `auto` probes for the stateless era and falls back to the handshake.

    Raises:
        MCPError: the server refused.
    """
    if era is Era.HANDSHAKE:
        await session.initialize()
    elif era is Era.STATELESS:
        await session.discover()
    else:
        await _negotiate(session)


async def _negotiate(session: ClientSession) -> None:
    if await _discovered(session, LATEST_MODERN_VERSION):
        return
    try:
        await session.initialize()
    except MCPError as refusal:
        # A slow server may have opened in the stateless era after the probe gave up: this refusal says so.
        version = _common_version(refusal)
        if version is None or not await _discovered(session, version):
            raise


async def _discovered(session: ClientSession, version: str) -> bool:
    """Whether the server speaks the stateless era; if so the session has adopted it."""
    try:
        with anyio.move_on_after(PROBE_TIMEOUT):
            result = DiscoverResult.model_validate(await session.send_discover(version))
            if set(result.supported_versions) & set(MODERN_PROTOCOL_VERSIONS):
                session.adopt(result)
                return True
    except MCPError as refusal:
        other = _common_version(refusal)
        if other is not None and other != version:
            return await _discovered(session, other)
    except ValidationError:
        return False  # an answer, but not one of the stateless era
    return False


def _common_version(refusal: MCPError) -> str | None:
    """The newest stateless revision that a version refusal names and we speak."""
    data: Any = refusal.error.data
    supported = data.get("supported") if isinstance(data, dict) else None
    if refusal.code != UNSUPPORTED_PROTOCOL_VERSION or not isinstance(supported, list):
        return None
    return next((version for version in reversed(MODERN_PROTOCOL_VERSIONS) if version in supported), None)
