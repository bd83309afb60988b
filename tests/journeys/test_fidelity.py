"""What a server says comes out as it went in: raw JSON direct against raw JSON through us, in all combinations (24)."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest

from magictunnel.catalog.model import Json
from magictunnel.catalog.names import NameRules, public_name
from tests.support.kitchen import ANSWERS, ERRORS, META, ODD, OFFERS, kitchen
from tests.support.raw import RawServer, Script
from tests.support.rawclient import RawClient, raw_client
from tests.support.world import PATIENCE, World, world

pytestmark = pytest.mark.anyio

OF_ONE_CONNECTION = (
    "io.modelcontextprotocol/protocolVersion",
    "io.modelcontextprotocol/clientInfo",
    "io.modelcontextprotocol/clientCapabilities",
    "io.modelcontextprotocol/serverInfo",
    "io.modelcontextprotocol/logLevel",
    "progressToken",
)
OF_ONE_ERA = ("resultType", "ttlMs", "cacheScope")
KEYS = {"tools": "name", "prompts": "name", "resources": "uri", "resourceTemplates": "uriTemplate"}


def direct(script: Script, method: str, params: Json) -> Json:
    """What a client that is connected to the server itself reads off the wire."""
    answer = RawServer(script).handle({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, print)
    return dict(json.loads(json.dumps(answer)))


def comparable(answer: Json) -> Json:
    """An answer without what may differ: the id, what one era adds to every result, what belongs to one connection."""
    answer = {key: value for key, value in answer.items() if key not in ("jsonrpc", "id")}
    result = answer.get("result")
    if isinstance(result, dict):
        answer["result"] = {key: _forwarded(key, value) for key, value in result.items() if key not in OF_ONE_ERA}
        if not answer["result"].get("_meta", True):
            del answer["result"]["_meta"]
    return answer


def _forwarded(key: str, value: object) -> object:
    if key != "_meta" or not isinstance(value, dict):
        return value
    return {name: each for name, each in value.items() if name not in OF_ONE_CONNECTION}


def exactly(value: object) -> str:
    """JSON as text, so that 1, 1.0 and true differ; the order of keys is no difference."""
    return json.dumps(value, sort_keys=True)


def same(answer: Json, expected: Json, about: str) -> None:
    assert exactly(comparable(answer)) == exactly(comparable(expected)), about


def received(w: World, script: Script) -> list[Json]:
    """Every message that the server got."""
    if script.name in w.servers:
        return w.servers[script.name].received
    return [json.loads(line) for line in Path(script.transcript).read_text(encoding="utf-8").splitlines()]


def prefixed(name: str) -> str:
    return public_name("kit", name, NameRules())


async def lists_are_equal(client: RawClient) -> None:
    methods = {"tools": "tools/list", "prompts": "prompts/list", "resources": "resources/list"}
    for kind, method in (methods | {"resourceTemplates": "resources/templates/list"}).items():
        listed = (await client.request(method))["result"][kind]
        key = KEYS[kind]
        for given, expected in zip(listed, kitchen("both").offers[kind], strict=True):
            name = prefixed(expected[key]) if key == "name" else expected[key]
            assert exactly(given) == exactly(expected | {key: name})


async def results_are_equal(client: RawClient) -> None:
    script = kitchen("both")
    for key in ANSWERS:
        method, _, name = key.partition(" ")
        own: Json = {"uri" if method == "resources/read" else "name": name}
        if method == "completion/complete":
            own = {"ref": {"type": "ref/prompt", "name": "all"}, "argument": {"name": "a", "value": ""}}
        ours = own | ({"name": prefixed(name)} if "name" in own else {})
        if "ref" in own:
            ours = own | {"ref": own["ref"] | {"name": prefixed("all")}}
        expected = direct(script, method, own)
        same(await client.request(method, ours), expected, key)


async def errors_are_equal(client: RawClient) -> None:
    script = kitchen("both")
    for name in ERRORS:
        answer = await client.request("tools/call", {"name": prefixed(name)})
        same(answer, direct(script, "tools/call", {"name": name}), name)


async def requests_arrive_as_sent(client: RawClient, w: World, script: Script) -> None:
    sent: Json = {"name": prefixed("echo"), "arguments": ODD, "x-unknown": ODD, "_meta": META | {"progressToken": 5}}
    answer = await client.request("tools/call", sent)
    assert exactly(json.loads(answer["result"]["content"][0]["text"])["arguments"]) == exactly(ODD)
    (got,) = [message["params"] for message in received(w, script) if message.get("params", {}).get("name") == "echo"]
    token = got["_meta"].pop("progressToken", None)
    assert token != 5
    kept = {key: value for key, value in got["_meta"].items() if key not in OF_ONE_CONNECTION}
    assert exactly(got | {"_meta": kept}) == exactly(sent | {"name": "echo", "_meta": META})
    for arguments in ({}, None):
        await client.request("tools/call", {"name": prefixed("echo"), "arguments": arguments})
        assert received(w, script)[-1]["params"]["arguments"] == arguments
    await client.request("tools/call", {"name": prefixed("echo")})
    assert "arguments" not in received(w, script)[-1]["params"]


async def test_direct_and_through_us_are_the_same(client_era: str, server_era: str, over: str, tmp_path: Path) -> None:
    if over == "sse" and server_era == "stateless":
        pytest.skip("the HTTP+SSE transport belongs to the handshake era")
    script = kitchen(server_era)
    script.transcript = str(tmp_path / "transcript") if over == "stdio" else ""
    with anyio.fail_after(PATIENCE):
        async with world([script], tmp_path, over=over) as w, raw_client(w.port, client_era) as client:
            await lists_are_equal(client)
            await results_are_equal(client)
            await errors_are_equal(client)
            await requests_arrive_as_sent(client, w, script)


@pytest.mark.parametrize("front", ["memory", "http", "sse"])
async def test_an_sdk_client_sees_everything_it_knows_of(client_era: str, front: str) -> None:
    with anyio.fail_after(PATIENCE):
        async with world([kitchen("both")], over="http") as w, w.client(client_era, front) as client:
            tools = {item.name: item for item in (await client.list_tools()).tools}
            one, expected = tools["kit__all"], OFFERS["tools"][0]
            assert (one.title, one.input_schema, one.output_schema, one.meta) == (
                expected["title"], expected["inputSchema"], expected["outputSchema"], expected["_meta"],
            )  # fmt: skip
            assert one.annotations.read_only_hint
            assert one.icons[0].src == expected["icons"][0]["src"]
            read = await client.read_resource("raw://all?q=ü#f")
            assert read.contents[0].meta == META
            assert read.contents[1].blob == "eA=="


async def test_what_a_list_says_of_itself_does_not_get_into_entries(client_era: str) -> None:
    """Fields of a list result belong to that answer of that server: ours has its own."""
    answer: Json = {"tools": [{"name": "t", "inputSchema": {}}], "_meta": {"x": 1}, "y": 2, "nextCursor": None}
    script = Script(name="kit", capabilities={"tools": {}}, answers={"tools/list": answer})
    with anyio.fail_after(PATIENCE):
        async with world([script], over="http") as w, raw_client(w.port, client_era) as client:
            told = comparable(await client.request("tools/list"))["result"]
            assert told == {"tools": [{"name": "kit__t", "inputSchema": {}}]}
