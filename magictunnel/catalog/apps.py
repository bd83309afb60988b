"""MCP Apps: the views (`ui://` resources) that tools name in their `_meta`, whether their server lists them or not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from magictunnel.catalog.model import EMPTY, Entry, Json, Kind
from magictunnel.catalog.names import public_uri

_FLAT = "ui/resourceUri"
"""The older spelling of `_meta.ui.resourceUri`."""


def view_of(definition: Json) -> str:
    """The URI of the view a tool has; empty if it has none."""
    meta = definition.get("_meta")
    if not isinstance(meta, dict):
        return ""
    ui = meta.get("ui")
    uri = ui.get("resourceUri") if isinstance(ui, dict) else meta.get(_FLAT)
    return uri if isinstance(uri, str) else ""


def with_views(
    tools: Iterable[Entry], claims: Mapping[str, Mapping[str, Entry]], alias_of: Callable[[str], str]
) -> tuple[dict[str, Entry], dict[str, Entry]]:
    """The tools, by public name, each naming its view by the URI that leads to it; and the views that nobody lists.

    `claims`: URI -> backend -> listed resource. A view that only one server means keeps its URI.
    """
    tools = list(tools)
    meant: defaultdict[str, set[str]] = defaultdict(set)
    for tool in tools:
        meant[view_of(tool.definition)] |= {tool.backend, *claims.get(view_of(tool.definition), ())}
    named: dict[str, Entry] = {}
    unlisted: dict[str, Entry] = {}
    for tool in tools:
        uri = view_of(tool.definition)
        listed: Entry | None = claims.get(uri, EMPTY).get(tool.backend)
        public = uri if len(meant[uri]) == 1 else public_uri(alias_of(tool.backend), uri)
        if uri and listed is None:
            unlisted[public] = Entry(Kind.RESOURCE, public, tool.backend, uri, {"uri": public})
        named[tool.name] = _naming(tool, listed.name if listed else public) if uri else tool
    return named, unlisted


def _naming(tool: Entry, view: str) -> Entry:
    if view == view_of(tool.definition):
        return tool
    meta: Json = tool.definition["_meta"]
    if isinstance(meta.get("ui"), dict):
        meta = meta | {"ui": meta["ui"] | {"resourceUri": view}}
    if _FLAT in meta:
        meta = meta | {_FLAT: view}
    return replace(tool, definition=tool.definition | {"_meta": meta})
