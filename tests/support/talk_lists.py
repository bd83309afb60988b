"""What the talker offers in each of its four lists, and how it tells that one changed. Data."""

from __future__ import annotations

from dataclasses import dataclass

from mcp.server.subscriptions import PromptsListChanged, ResourcesListChanged, ServerEvent, ToolsListChanged

from tests.support.raw import Json

WATCHED = "talk://watched"
TEMPLATE = "talk://{room}/{item}"


@dataclass(frozen=True)
class Sort:
    """One of the four lists."""

    method: str
    key: str
    offered: tuple[Json, ...]
    extra: Json
    """What is there every other time."""
    event: ServerEvent
    news: str


SORTS = {
    "tools": Sort(
        "tools/list",
        "tools",
        (),
        {"name": "extra", "inputSchema": {"type": "object"}},
        ToolsListChanged(),
        "notifications/tools/list_changed",
    ),
    "prompts": Sort(
        "prompts/list",
        "prompts",
        ({"name": "greet", "arguments": [{"name": "name"}, {"name": "tone"}]},),
        {"name": "extra"},
        PromptsListChanged(),
        "notifications/prompts/list_changed",
    ),
    "resources": Sort(
        "resources/list",
        "resources",
        ({"uri": WATCHED, "name": "watched"},),
        {"uri": "talk://extra", "name": "extra"},
        ResourcesListChanged(),
        "notifications/resources/list_changed",
    ),
    "templates": Sort(
        "resources/templates/list",
        "resourceTemplates",
        ({"uriTemplate": TEMPLATE, "name": "items"},),
        {"uriTemplate": "talk://extra/{id}", "name": "extra"},
        ResourcesListChanged(),
        "notifications/resources/list_changed",
    ),
}
