"""Probes of what a server answers: who it is, what it has, and what it refuses."""

from __future__ import annotations

import base64
import json

import anyio
import mcp_types as types
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, SERVER_INFO_META_KEY

from tests.conformance.everything.box import png
from tests.conformance.everything.offers import RESOURCES, TEMPLATES
from tests.conformance.everything.plain import SCHEMA_2020_12
from tests.conformance.everything.probing import ODD_ERROR, ODD_SCHEMA
from tests.conformance.probes.probe import Probes, same
from tests.conformance.probes.seat import Json, Seat, word

ANSWERS = Probes()

CALLERS = 20
PROMISES: Json = {
    "tools": {"listChanged": True},
    "prompts": {"listChanged": True},
    "resources": {"listChanged": True, "subscribe": True},
    "completions": {},
    "logging": {},
}
"""What the server under test says it can do, in either era; and every word of it must be true."""
_READ_HINTS = {"ttlMs": 5_000, "cacheScope": "public"}
_TEXT = "test://static-text"


@ANSWERS.probe("identity")
async def identity(seat: Seat) -> None:
    opened = await _opened(seat)
    about = opened.get("serverInfo") or opened["_meta"][SERVER_INFO_META_KEY]
    assert about["name"], about
    assert about["version"], about


@ANSWERS.probe("capabilities are true")
async def capabilities(seat: Seat) -> None:
    promised = (await _opened(seat))["capabilities"]
    same({key: promised.get(key) for key in PROMISES}, PROMISES)
    for method in ("tools/list", "prompts/list", "resources/list", "resources/templates/list"):
        await seat.raw(method)
    await seat.client.complete(types.PromptReference(name=seat.name("test_simple_prompt")), {"name": "x", "value": ""})
    if not seat.is_stateless:
        await seat.raw("ping")
        for method in ("resources/subscribe", "resources/unsubscribe"):
            await seat.raw(method, {"uri": _TEXT})
        await seat.raw("logging/setLevel", {"level": "debug"})
        return
    listened = {f"{kind}_list_changed": True for kind in ("tools", "prompts", "resources")}
    async with seat.client.listen(**listened, resource_subscriptions=[_TEXT]) as stream:
        honoured = stream.honored.model_dump(exclude_none=True)
        same(honoured, listened | {"resource_subscriptions": [_TEXT]})


async def _opened(seat: Seat) -> Json:
    """What the server said of itself."""
    if seat.is_stateless:
        return await seat.raw("server/discover")
    results = [message.get("result", {}) for message in seat.heard]
    return dict(next(result for result in results if "serverInfo" in result))


@ANSWERS.probe("20 concurrent calls, each its own answer")
async def concurrent(seat: Seat) -> None:
    place, said = word(), dict[str, str]()

    async def call(own: str) -> None:
        said[own] = await seat.tool("probe_meet", at=place, word=own, of=CALLERS)

    async with anyio.create_task_group() as tasks:
        for number in range(CALLERS):
            tasks.start_soon(call, f"{place}-{number}")
    same(said, {own: own for own in said})
    same(len(said), CALLERS)


@ANSWERS.probe("binary resource")
async def binary(seat: Seat) -> None:
    (content,) = (await seat.client.read_resource("test://static-binary")).contents
    assert isinstance(content, types.BlobResourceContents)
    same(base64.b64decode(content.blob), base64.b64decode(png()))
    same((str(content.uri), content.mime_type), ("test://static-binary", "image/png"))


@ANSWERS.probe("URIs as they are")
async def uris(seat: Seat) -> None:
    listed = {one["uri"] for one in (await seat.raw("resources/list"))["resources"]}
    assert {one["uri"] for one in RESOURCES} <= listed, listed
    templates = {one["uriTemplate"] for one in (await seat.raw("resources/templates/list"))["resourceTemplates"]}
    assert {one["uriTemplate"] for one in TEMPLATES} <= templates, templates
    for uri in (*(one["uri"] for one in RESOURCES), "test://template/a%20b/data"):
        (content,) = (await seat.raw("resources/read", {"uri": uri}))["contents"]
        same(content["uri"], uri)
    (inside,) = (await seat.call("test_embedded_resource", {})).content
    assert isinstance(inside, types.EmbeddedResource)
    same(str(inside.resource.uri), "test://embedded-resource")


@ANSWERS.probe("completion, with context arguments")
async def completion(seat: Seat) -> None:
    prompt = types.PromptReference(name=seat.name("test_prompt_with_arguments"))
    template = types.ResourceTemplateReference(uri=str(TEMPLATES[0]["uriTemplate"]))
    for ref, argument in ((prompt, "arg1"), (template, "id")):
        told = await seat.client.complete(ref, {"name": argument, "value": "pa"}, {"z": "1", "arg2": "é"})
        same(told.completion.values, ["paris", "park city", "z=1", "arg2=é"])


@ANSWERS.probe("input schemas verbatim")
async def schemas(seat: Seat) -> None:
    listed = {one["name"]: one["inputSchema"] for one in (await seat.raw("tools/list"))["tools"]}
    for own, schema in (("json_schema_2020_12_tool", SCHEMA_2020_12), ("probe_schema", ODD_SCHEMA)):
        found, expected = json.dumps(listed[seat.name(own)]), json.dumps(schema)
        at = next((at for at, (one, other) in enumerate(zip(found, expected, strict=False)) if one != other), 0)
        same(found[at : at + 60], expected[at : at + 60])
        same(len(found), len(expected))


@ANSWERS.probe("unknown tool")
async def unknown_tool(seat: Seat) -> None:
    name = f"nobody_has_{word()}"
    error = await _refused(seat, name)
    same(error.code, INVALID_PARAMS)
    assert name in error.message, error.message


@ANSWERS.probe("an error with its data")
async def error_with_data(seat: Seat) -> None:
    error = (await _refused(seat, "probe_error")).error
    same(error.model_dump(exclude_none=True), ODD_ERROR)


async def _refused(seat: Seat, own: str) -> MCPError:
    try:
        result = await seat.call(own, {})
    except MCPError as error:
        return error
    raise AssertionError(f"it is no error: {result}")


@ANSWERS.probe("cache hints", ("stateless",))
async def hints(seat: Seat) -> None:
    for method in ("tools/list", "prompts/list", "resources/list", "resources/templates/list"):
        _hinted(await seat.raw(method))
    _hinted(await seat.raw("resources/read", {"uri": _TEXT}))


@ANSWERS.probe("cache hints of the server", ("stateless",))
async def server_hints(seat: Seat) -> None:
    """Of a read they are the server's; of a list that others are in too, no weaker."""
    read = await seat.raw("resources/read", {"uri": _TEXT})
    same({key: read[key] for key in _READ_HINTS}, _READ_HINTS)
    listed = await seat.raw("tools/list")
    same((listed["ttlMs"], listed["cacheScope"]), (0, "private"))


def _hinted(result: Json) -> None:
    assert isinstance(result["ttlMs"], int), result
    assert result["ttlMs"] >= 0, result
    assert result["cacheScope"] in ("public", "private"), result
