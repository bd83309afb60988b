"""Tools that answer by themselves: each kind of content, progress, log messages, errors, schemas, headers."""

from __future__ import annotations

from typing import Any

import anyio

from tests.conformance.everything.box import Box, Context, Json, arguments, png, said, takes, wav
from tests.conformance.everything.talk import capabilities, missing

PLAIN = Box()
_STEP = 0.05
"""Seconds between two notifications, so that they travel apart."""
_AWAY = 0.2
"""Seconds a call goes on after its stream was closed: time for a client to come back."""
_IMAGE: Json = {"type": "image", "data": png(), "mimeType": "image/png"}

ADDRESS: Json = {
    "$anchor": "addressDef",
    "type": "object",
    "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
}
SCHEMA_2020_12: Json = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {"address": ADDRESS},
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
"""Keywords that a listing loses when a schema goes through a model or a simplifier."""


def _resource(uri: str, kind: str, text: str) -> Json:
    return {"type": "resource", "resource": {"uri": uri, "mimeType": kind, "text": text}}


@PLAIN.tool("test_simple_text")
async def simple_text(_ctx: Context) -> Json:
    """Answers with one text."""
    return said("This is a simple text response for testing.")


@PLAIN.tool("test_image_content")
async def image(_ctx: Context) -> Json:
    """Answers with an image."""
    return {"content": [_IMAGE]}


@PLAIN.tool("test_audio_content")
async def audio(_ctx: Context) -> Json:
    """Answers with a sound."""
    return {"content": [{"type": "audio", "data": wav(), "mimeType": "audio/wav"}]}


@PLAIN.tool("test_embedded_resource")
async def embedded(_ctx: Context) -> Json:
    """Answers with a resource inside the result."""
    return {"content": [_resource("test://embedded-resource", "text/plain", "This is an embedded resource content.")]}


@PLAIN.tool("test_multiple_content_types")
async def mixed(_ctx: Context) -> Json:
    """Answers with a text, an image and a resource."""
    resource = _resource("test://mixed-content-resource", "application/json", '{"test": "data", "value": 123}')
    return {"content": [{"type": "text", "text": "Multiple content types test:"}, _IMAGE, resource]}


@PLAIN.tool("test_error_handling")
async def error(_ctx: Context) -> Json:
    """Fails, as a tool does."""
    return said("This tool intentionally returns an error for testing", isError=True)


@PLAIN.tool("test_tool_with_logging")
async def logging(ctx: Context) -> Json:
    """Logs three messages during the call."""
    for told in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await _log(ctx, told)
        await anyio.sleep(_STEP)
    return said("Tool with logging executed successfully")


@PLAIN.tool("test_logging_tool")
async def logging_once(ctx: Context) -> Json:
    """Logs a message, if the request asked for that."""
    await _log(ctx, "One message")
    return said("Logged where asked for")


@PLAIN.tool("test_tool_with_progress")
async def progress(ctx: Context) -> Json:
    """Reports its progress three times."""
    for done in (0, 50, 100):
        await ctx.session.report_progress(done, 100, f"Completed step {done} of 100")
        await anyio.sleep(_STEP)
    token: Any = ((ctx.params or {}).get("_meta") or {}).get("progressToken", 0)
    return said(str(token))


@PLAIN.tool("test_reconnection")
async def reconnection(ctx: Context) -> Json:
    """Closes its stream during the call and goes on; the client comes back for the rest."""
    await _log(ctx, "Before disconnect")
    if ctx.close_sse_stream is not None:
        await ctx.close_sse_stream()
    await anyio.sleep(_AWAY)
    await _log(ctx, "After reconnect")
    return said("Reconnection test completed")


@PLAIN.tool("test_missing_capability")
async def missing_capability(ctx: Context) -> Json:
    """Refuses clients that cannot sample."""
    if "sampling" not in capabilities(ctx):
        raise missing(sampling={})
    return said("Client declared sampling capability; proceeding.")


REGION: Json = {"type": "string", "description": "Mirrored into a header.", "x-mcp-header": "Region"}


@PLAIN.tool("test_x_mcp_header", takes(region=REGION))
async def header(ctx: Context) -> Json:
    """Takes an argument that also stands in a header."""
    return said(f"region={arguments(ctx).get('region', '<none>')}")


@PLAIN.tool("json_schema_2020_12_tool", SCHEMA_2020_12)
async def schema(ctx: Context) -> Json:
    """Has a schema with keywords of JSON Schema 2020-12."""
    return said(f"Called with {sorted(arguments(ctx))}")


async def _log(ctx: Context, told: str) -> None:
    await ctx.session.send_log_message("info", told, related_request_id=ctx.request_id)
