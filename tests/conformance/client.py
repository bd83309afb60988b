"""The client that the suite starts: `python -m tests.conformance.client [--through LOG] URL`.

It does what the scenario in its environment asks for, connected to the URL itself, or to a MagicTunnel over stdio whose
one server is that URL (its log goes to LOG).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
from mcp.client.client import Client, ConnectMode
from mcp.client.context import ClientRequestContext
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

Json = dict[str, Any]
Act = Callable[[Client], Awaitable[None]]
_TIMEOUT = 25.0
"""Seconds for all of it; the suite waits for 30."""
_HANDSHAKE_ONLY = frozenset({"json-schema-ref-no-deref"})
"""Scenarios whose server shakes hands, whichever revision the suite says it speaks."""
_SAMPLES: Json = {"string": "x", "integer": 0, "number": 0, "boolean": False, "object": {}, "array": [], "null": None}


async def look(client: Client) -> None:
    """List what there is, if there is anything."""
    if client.server_capabilities.tools:
        await client.list_tools()


async def add(client: Client) -> None:
    """Have two numbers added, by a server that has tools at all."""
    if client.server_capabilities and not client.server_capabilities.tools:
        return
    await client.list_tools()
    await client.call_tool("add_numbers", {"a": 5, "b": 3})


async def reconnect(client: Client) -> None:
    """Call a tool whose stream is closed before it has answered."""
    await client.list_tools()
    await client.call_tool("test_reconnection", {})


async def fill_in(client: Client) -> None:
    """Call a tool that asks for what has defaults."""
    await client.list_tools()
    await client.call_tool("test_client_elicitation_defaults", {})


async def confirm(client: Client) -> None:
    """Call tools that ask before they answer, and others between them."""
    await client.list_tools()
    for name in ("test_mrtr_echo_state", "test_mrtr_unrelated", "test_mrtr_no_state"):
        await client.call_tool(name, {})
    # The result lacks what the newest revision demands. Whether that is an error here is the SDK's affair.
    with suppress(ValidationError):
        await client.call_tool("test_mrtr_no_result_type", {})


async def call_all(client: Client) -> None:
    """Call each tool that is still there after the ones that cannot be called were left out."""
    for tool in (await client.list_tools()).tools:
        schema = tool.input_schema
        properties = schema.get("properties", {})
        given = {name: _SAMPLES.get(properties.get(name, {}).get("type"), "x") for name in schema.get("required", [])}
        with suppress(MCPError):
            await client.call_tool(tool.name, given)


async def call_as_told(client: Client) -> None:
    """Make the calls that the scenario hands out."""
    told = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}")).get("toolCalls", [])
    listed = {tool.name for tool in (await client.list_tools()).tools}
    for call in told:
        if call["name"] in listed:
            with suppress(MCPError):
                await client.call_tool(call["name"], call.get("arguments") or {})


async def visit(client: Client) -> None:
    """Make a request of each kind."""
    for tool in (await client.list_tools()).tools:
        await client.call_tool(tool.name, {})
    for resource in (await client.list_resources()).resources:
        await client.read_resource(resource.uri)
    for prompt in (await client.list_prompts()).prompts:
        await client.get_prompt(prompt.name)


async def echo_schema(client: Client) -> None:
    """Send a schema back as it was listed."""
    listed = (await client.list_tools()).tools
    schema = next(tool.input_schema for tool in listed if tool.name == "json_schema_2020_12_tool")
    await client.call_tool("json_schema_echo", {"schema": schema})


ACTS: dict[str, Act] = {
    "initialize": look,
    "tools_call": add,
    "sse-retry": reconnect,
    "elicitation-sep1034-client-defaults": fill_in,
    "request-metadata": add,
    "http-standard-headers": visit,
    "http-custom-headers": call_as_told,
    "http-invalid-tool-headers": call_all,
    "json-schema-ref-no-deref": look,
    "json-schema-2020-12-preservation": echo_schema,
    "sep-2322-client-request-state": confirm,
}


async def _elicit(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
    """Accept, with the default of each property that has one, and yes to all else that can be said yes to."""
    properties = (
        params.requested_schema.get("properties", {}) if isinstance(params, types.ElicitRequestFormParams) else {}
    )
    content = {name: told["default"] for name, told in properties.items() if "default" in told}
    agreed = {name: True for name, told in properties.items() if told.get("type") == "boolean" and name not in content}
    return types.ElicitResult(action="accept", content=content | agreed)


async def _sample(context: ClientRequestContext, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
    return types.CreateMessageResult(role="assistant", content=types.TextContent(type="text", text="Hi"), model="none")


async def _roots(context: ClientRequestContext) -> types.ListRootsResult:
    return types.ListRootsResult(roots=[])


def _client(target: Any, mode: ConnectMode) -> Client:
    return Client(
        target,
        mode=mode,
        elicitation_callback=_elicit,
        sampling_callback=_sample,
        list_roots_callback=_roots,
    )


def _mode(scenario: str) -> ConnectMode:
    version = os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION", "")
    return "auto" if version in MODERN_PROTOCOL_VERSIONS and scenario not in _HANDSHAKE_ONLY else "legacy"


async def main(url: str, through: Path | None) -> None:
    """Act, within the time there is.

    Raises:
        KeyError: there is no act for the scenario.
        TimeoutError: it took too long.
    """
    scenario = os.environ["MCP_CONFORMANCE_SCENARIO"]
    act, mode = ACTS[scenario], _mode(scenario)
    with anyio.fail_after(_TIMEOUT):
        if through is None:
            async with _client(url, mode) as client:
                return await act(client)
        with tempfile.TemporaryDirectory() as folder, through.open("a", encoding="utf-8") as log:
            async with _client(stdio_client(_tunnel(url, Path(folder)), log), mode) as client:
                return await act(client)


def _tunnel(url: str, folder: Path) -> StdioServerParameters:
    config = folder / "config.json"
    told = {"mcpServers": {"suite": {"url": url}}, "naming": {"prefix": "never"}}
    config.write_text(json.dumps(told), encoding="utf-8")
    serve = ["-m", "magictunnel", "serve", "--stdio", "--log-level", "debug", "-c", str(config)]
    return StdioServerParameters(command=sys.executable, args=serve)


def _first(error: BaseException) -> BaseException:
    """What is at the bottom of nested groups of errors."""
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--through", type=Path)
    parser.add_argument("url")
    given = parser.parse_args()
    try:
        anyio.run(main, given.url, given.through)
    except (ExceptionGroup, MCPError, ValidationError, OSError, LookupError, RuntimeError) as error:
        # One line, which the report can quote.
        cause = _first(error)
        sys.exit(f"{type(cause).__name__}: {' '.join(str(cause).split())}")
