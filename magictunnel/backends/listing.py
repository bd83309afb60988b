"""What a server offers: every page of its lists, bounded, and without tools that its era forbids."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable

from mcp.shared.inbound import find_invalid_x_mcp_header
from mcp_types import INTERNAL_ERROR

from magictunnel.catalog.model import Json, Kind
from magictunnel.errors import BackendError

MAX_PAGES = 1_000
"""Pages of one listing that are followed."""
MAX_ENTRIES = 50_000
"""Definitions of one kind that are taken from one backend."""

LIST_METHODS = {
    Kind.TOOL: "tools/list",
    Kind.PROMPT: "prompts/list",
    Kind.RESOURCE: "resources/list",
    Kind.TEMPLATE: "resources/templates/list",
}

Fetch = Callable[[str, Json], Awaitable[Json]]
"""Method and params -> result."""

logger = logging.getLogger(__name__)


async def all_pages(name: str, kind: Kind, fetch: Fetch) -> tuple[tuple[Json, ...], Json]:
    """Every definition of one kind, and what the first page says of keeping it (`ttlMs`, `cacheScope`; empty: nothing).

    A list of `name` that does not end is cut, and said so.

    Raises:
        BackendError: the server's own, or an answer that is no list.
    """
    found: list[Json] = []
    hint: Json = {}
    cursor: str | None = None
    seen: set[str] = set()
    for _ in range(MAX_PAGES):
        page = await fetch(LIST_METHODS[kind], {"cursor": cursor} if cursor else {})
        found += _definitions(page, kind)
        hint = hint or {key: page[key] for key in ("ttlMs", "cacheScope") if key in page}
        cursor = page.get("nextCursor")
        if not isinstance(cursor, str) or not cursor:
            return tuple(found), hint
        if cursor in seen or len(found) > MAX_ENTRIES:
            break
        seen.add(cursor)
    logger.warning("%s: its list of %s does not end (cursor %.40r); kept %d", name, kind, cursor, len(found))
    return tuple(found[:MAX_ENTRIES]), hint


def callable_tools(name: str, tools: Iterable[Json]) -> tuple[Json, ...]:
    """`tools` without those whose header annotations are invalid, as the stateless era demands."""
    kept: list[Json] = []
    for tool in tools:
        if reason := find_invalid_x_mcp_header(tool.get("inputSchema")):
            logger.warning("%s: tool %.64r left out: %s", name, tool.get("name"), reason)
        else:
            kept.append(tool)
    return tuple(kept)


def _definitions(page: Json, kind: Kind) -> list[Json]:
    found = page.get(kind.value)
    if not isinstance(found, list):
        raise BackendError(INTERNAL_ERROR, f"its {LIST_METHODS[kind]} answer has no list of {kind}")
    return [definition for definition in found if isinstance(definition, dict)]
