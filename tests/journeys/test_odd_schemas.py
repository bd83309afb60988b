"""A schema that is wrong, or stranger than we can read, is passed on as it is and stops nothing (25)."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest

from magictunnel.catalog.model import Json
from tests.support.raw import Script, text
from tests.support.rawclient import raw_client
from tests.support.world import LIST_ALL, PATIENCE, world

pytestmark = pytest.mark.anyio

DEEP: Json = {}
for _ in range(60):
    DEEP = {"type": "object", "properties": {"x": DEEP}}

SCHEMAS: dict[str, object] = {
    "dangling": {"type": "object", "properties": {"a": {"$ref": "#/$defs/nowhere"}}},
    "recursive": {"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}}}},
    "itself": {"$ref": "#"},
    "external": {"type": "object", "$ref": "https://example.invalid/schema.json#/x"},
    "file": {"$ref": "file:///etc/passwd"},
    "definitions": {
        "type": "object",
        "properties": {"a": {"$ref": "#/definitions/a"}},
        "definitions": {"a": {"type": "null"}},
    },
    "both": {"type": "object", "$defs": {"a": True}, "definitions": {"b": False}},
    "array": {"type": "array", "items": {"type": "string"}},
    "string": {"type": "string"},
    "types": {"type": ["object", "null"]},
    "untyped": {},
    "true": True,
    "false": False,
    "null": None,
    "text": "not a schema",
    "list": [],
    "number": 1,
    "properties are a list": {"type": "object", "properties": ["a"]},
    "properties are null": {"type": "object", "properties": None, "required": None},
    "property is true": {"type": "object", "properties": {"a": True, "b": None, "c": 1}},
    "required twice": {"type": "object", "required": ["a", "a", "missing"]},
    "bad pattern": {
        "type": "object",
        "properties": {"a": {"type": "string", "pattern": "(?P<x"}},
        "patternProperties": {"[": {}},
    },
    "bad type": {"type": "strnig", "minimum": "zero", "enum": [], "const": None},
    "2020-12": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://example.invalid/x",
        "$anchor": "here",
        "$dynamicAnchor": "node",
        "$vocabulary": {"https://example.invalid/v": True},
        "type": "object",
        "prefixItems": [True],
        "dependentSchemas": {"a": {"minProperties": 2}},
        "unevaluatedProperties": False,
        "if": {"$dynamicRef": "#node"},
        "then": {"contains": {}, "minContains": 0},
        "else": False,
    },
    "draft-03": {
        "$schema": "http://json-schema.org/draft-03/schema#",
        "properties": {"a": {"required": True, "divisibleBy": 2}},
    },
    "unknown dialect": {"$schema": "urn:nobody:knows", "kind": "object"},
    "deep": DEEP,
    "wide": {"type": "object", "properties": {f"p{at}": {"type": "string"} for at in range(2_000)}},
}
MISSING = "missing"


def server(era: str) -> Script:
    tools: list[Json] = [
        {"name": name, "inputSchema": schema, "outputSchema": schema} for name, schema in SCHEMAS.items()
    ]
    lying: Json = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    tools += [{"name": MISSING}, {"name": "lying", "inputSchema": lying, "outputSchema": lying}]
    answers = {f"tools/call {each['name']}": text("x", structuredContent={"n": "not a number"}) for each in tools}
    answers["tools/call list"] = text("x", structuredContent=["an", "array"])
    answers["tools/call lying"] = {"content": [], "structuredContent": {"other": 1}}
    answers["tools/call string"] = {"content": []}
    return Script(name="odd", era=era, offers={"tools": tools}, answers=answers)


async def test_odd_schemas_are_listed_as_they_are(client_era: str, server_era: str, over: str, tmp_path: Path) -> None:
    if over == "sse" and server_era == "stateless":
        pytest.skip("the HTTP+SSE transport belongs to the handshake era")
    script = server(server_era)
    with anyio.fail_after(PATIENCE):
        async with world([script], tmp_path, over=over, **LIST_ALL) as w, raw_client(w.port, client_era) as client:
            listed = (await client.request("tools/list"))["result"]["tools"]
            originals = [entry.original for entry in w.gateway.live.current.entries["tools"].values()]
            assert originals == [each["name"] for each in script.offers["tools"]]
            for given, offered in zip(listed, script.offers["tools"], strict=True):
                assert json.dumps(given | {"name": ""}) == json.dumps(offered | {"name": ""})


async def test_tools_with_odd_schemas_can_be_called(client_era: str) -> None:
    script = server("both")
    with anyio.fail_after(PATIENCE):
        async with world([script], over="http") as w, raw_client(w.port, client_era) as client:
            await client.request("tools/list")
            for name, entry in w.gateway.live.current.entries["tools"].items():
                answer = await client.request("tools/call", {"name": name, "arguments": {"a": 1, "p0": None}})
                result = answer["result"]
                expected = script.answers[f"tools/call {entry.original}"]
                assert {key: result[key] for key in expected} == expected
                assert not result.get("isError")


@pytest.mark.parametrize("front", ["memory", "http"])
async def test_an_sdk_client_reads_what_it_would_read_directly(client_era: str, front: str) -> None:
    """It refuses a whole list for one schema that does not say `type: object`: those are left out here."""
    script = server("both")
    readable = [each for each in script.offers["tools"] if _says_object(each.get("inputSchema"))]
    script.offers = {"tools": readable}
    with anyio.fail_after(PATIENCE):
        async with world([script], over="http", **LIST_ALL) as w, w.client(client_era, front) as client:
            tools = (await client.list_tools()).tools
            assert [item.input_schema for item in tools] == [each["inputSchema"] for each in readable]
            assert [item.output_schema for item in tools] == [each["outputSchema"] for each in readable]


def _says_object(schema: object) -> bool:
    """Also of its properties it wants to know that they are schemas."""
    if not isinstance(schema, dict) or schema.get("type") != "object" or schema.get("required", []) is None:
        return False
    properties = schema.get("properties", {})
    return isinstance(properties, dict) and all(isinstance(each, dict | bool) for each in properties.values())


async def test_arguments_that_break_a_schema_reach_the_server_that_wrote_it(client_era: str) -> None:
    script = Script(name="odd", offers={"tools": [{"name": "t", "inputSchema": {"type": "object", "required": ["a"]}}]})
    with anyio.fail_after(PATIENCE):
        async with world([script], over="http") as w, raw_client(w.port, client_era) as client:
            answer = await client.request("tools/call", {"name": "odd__t", "arguments": {"b": []}})
            assert json.loads(answer["result"]["content"][0]["text"])["arguments"] == {"b": []}


async def test_an_odd_header_annotation_stops_one_tool_at_most(client_era: str) -> None:
    """The stateless era makes a client leave such a tool out (over any transport); the others are served."""
    odd: list[object] = [1, None, "", "a b", {"x": 1}]
    tools: list[Json] = [
        {
            "name": f"t{at}",
            "inputSchema": {"type": "object", "properties": {"a": {"type": "string", "x-mcp-header": value}}},
        }
        for at, value in enumerate(odd)
    ]
    tools.append({"name": "root", "inputSchema": {"type": "object", "x-mcp-header": "A"}})
    fine: Json = {
        "name": "fine",
        "inputSchema": {"type": "object", "properties": {"a": {"type": "string", "x-mcp-header": "A"}}},
    }
    script = Script(name="odd", era="stateless", offers={"tools": [*tools, fine]})
    with anyio.fail_after(PATIENCE):
        async with world([script], over="http") as w, raw_client(w.port, client_era) as client:
            listed = (await client.request("tools/list"))["result"]["tools"]
            assert listed == [fine | {"name": "odd__fine"}]
            call = {"name": "odd__fine", "arguments": {"a": "ü"}}
            answer = await client.request("tools/call", call, {"mcp-param-a": "=?base64?w7w=?="})
            assert json.loads(answer["result"]["content"][0]["text"])["arguments"] == {"a": "ü"}
