"""A server on FastMCP, for what the reference servers do not show: icons, `_meta`, binary resources, both eras."""

from __future__ import annotations

import mcp_types as types
from fastmcp import FastMCP
from fastmcp.exceptions import ResourceError, ToolError
from fastmcp.tools import ToolResult
from fastmcp.utilities.types import Audio, Image

ICON = types.Icon(src="data:image/png;base64,iVBORw0KGgo=", mime_type="image/png", sizes=["1x1"])

server = FastMCP("fast", instructions="Only for comparison.", version="1.0.0")


@server.tool(title="With meta", icons=[ICON], tags={"shown"}, meta={"vendor/key": {"deep": [1, None]}})
def with_meta(value: str = "ü") -> ToolResult:
    """Answer with text, structured content and a `_meta` of its own."""
    content = [types.TextContent(text=value, annotations=types.Annotations(priority=0.5, audience=["user"]))]
    return ToolResult(content=content, structured_content={"value": value}, meta={"vendor/answer": [1, {"x": None}]})


@server.tool
def media() -> list[Image | Audio]:
    """Answer with an image and a sound."""
    return [Image(data=b"\x89PNG\r\n", format="png"), Audio(data=b"RIFF....WAVE", format="wav")]


@server.tool
def numbers(count: int) -> list[int]:
    """Answer with a structured list."""
    return list(range(count))


@server.tool
def fails() -> str:
    """Fail as a tool does."""
    raise ToolError("it failed, as asked")


@server.tool
def linked() -> ToolResult:
    """Answer with a link to a resource that is not listed, and with one embedded."""
    link = types.ResourceLink(uri="fast://unlisted/1", name="unlisted", size=3, meta={"vendor/link": True})
    inner = types.TextResourceContents(uri="fast://text", text="inside", meta={"vendor/inner": 1})
    return ToolResult(content=[link, types.EmbeddedResource(resource=inner, meta={"vendor/outer": 2})])


@server.resource("fast://text", mime_type="text/plain", icons=[ICON], meta={"vendor/resource": 1})
def text() -> str:
    """Some text."""
    return "some text"


@server.resource("fast://bytes", mime_type="application/x-odd")
def binary() -> bytes:
    """Some bytes."""
    return bytes(range(256))


@server.resource("fast://unlisted/{number}")
def unlisted(number: int) -> str:
    """One of many."""
    if number > 99:
        raise ResourceError("no such number")
    return f"number {number}"


@server.prompt(title="Ask", icons=[ICON], meta={"vendor/prompt": 1})
def ask(topic: str, style: str = "short") -> str:
    """Ask about something."""
    return f"Tell me about {topic}, {style}."


if __name__ == "__main__":
    server.run(show_banner=False)
