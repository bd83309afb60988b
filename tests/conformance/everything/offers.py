"""Resources, templates, prompts and completions of the server."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping

from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS

from tests.conformance.everything.asking import asking_prompt, holding
from tests.conformance.everything.box import Context, Json, arguments, png, stateless

_NOT_FOUND = -32002
"""What the handshake era says of a resource that is not there; the stateless era says INVALID_PARAMS."""
_TEXTS = {
    "test://static-text": "This is the content of the static text resource.",
    "test://watched-resource": "Watched resource content",
}
_BINARY = "test://static-binary"
_TEMPLATE = re.compile(r"test://template/([^/]+)/data")

RESOURCES: list[Json] = [
    {"uri": "test://static-text", "name": "static-text", "mimeType": "text/plain"},
    {"uri": _BINARY, "name": "static-binary", "mimeType": "image/png"},
    {"uri": "test://watched-resource", "name": "watched-resource", "mimeType": "text/plain"},
]
TEMPLATES: list[Json] = [
    {"uriTemplate": "test://template/{id}/data", "name": "template", "mimeType": "application/json"}
]
CITIES = ("paris", "park city", "pisa", "prague")


def read(ctx: Context, uri: str) -> Json:
    """The contents of a resource.

    Raises:
        MCPError: there is none of that URI.
    """
    if uri in _TEXTS:
        return {"contents": [{"uri": uri, "mimeType": "text/plain", "text": _TEXTS[uri]}]}
    if uri == _BINARY:
        return {"contents": [{"uri": uri, "mimeType": "image/png", "blob": png()}]}
    if match := _TEMPLATE.fullmatch(uri):
        text = json.dumps({"id": match[1], "templateTest": True, "data": f"Data for ID: {match[1]}"})
        return {"contents": [{"uri": uri, "mimeType": "application/json", "text": text}]}
    raise MCPError(INVALID_PARAMS if stateless(ctx) else _NOT_FOUND, f"Resource not found: {uri}", {"uri": uri})


def complete(argument: Json, given: Mapping[str, str]) -> Json:
    """Completions of what has been written of an argument, and the arguments that were `given` already."""
    values = [city for city in CITIES if city.startswith(str(argument.get("value", "")))]
    values += [f"{name}={value}" for name, value in given.items()]
    return {"completion": {"values": values, "total": len(values), "hasMore": False}}


def _user(content: Json) -> Json:
    return {"role": "user", "content": content}


def _text(text: str) -> Json:
    return _user({"type": "text", "text": text})


async def _simple(_ctx: Context) -> Json:
    return {"messages": [_text("This is a simple prompt for testing.")]}


async def _with_arguments(ctx: Context) -> Json:
    given = arguments(ctx)
    return {"messages": [_text(f"Prompt with arguments: arg1='{given.get('arg1')}', arg2='{given.get('arg2')}'")]}


async def _with_resource(ctx: Context) -> Json:
    inside = {"uri": arguments(ctx).get("resourceUri"), "mimeType": "text/plain", "text": "Embedded resource content."}
    return {"messages": [_user({"type": "resource", "resource": inside}), _text("Please process the resource above.")]}


async def _with_image(_ctx: Context) -> Json:
    picture = {"type": "image", "data": png(), "mimeType": "image/png"}
    return {"messages": [_user(picture), _text("Please analyze the image above.")]}


_PROMPTS: dict[str, tuple[str, tuple[str, ...], Callable[[Context], Awaitable[Json]]]] = {
    "test_simple_prompt": ("One message.", (), _simple),
    "test_prompt_with_arguments": ("A message with both arguments in it.", ("arg1", "arg2"), _with_arguments),
    "test_prompt_with_embedded_resource": ("A message with a resource inside.", ("resourceUri",), _with_resource),
    "test_prompt_with_image": ("A message with an image.", (), _with_image),
    "test_input_required_result_prompt": ("Asks for its context first.", (), holding(asking_prompt)),
}


def prompts() -> list[Json]:
    """All prompts as they are listed."""
    return [
        {"name": name, "description": told, "arguments": [{"name": one, "required": True} for one in needed]}
        for name, (told, needed, _) in _PROMPTS.items()
    ]


async def prompt(ctx: Context, name: str) -> Json:
    """A prompt, filled in.

    Raises:
        MCPError: there is none of that name.
    """
    if name not in _PROMPTS:
        raise MCPError(INVALID_PARAMS, f"Unknown prompt: {name}")
    return await _PROMPTS[name][2](ctx)
