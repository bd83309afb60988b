"""What the front says of itself is what its servers can do at that moment."""

from __future__ import annotations

from importlib.metadata import version

import anyio
import pytest

from magictunnel.catalog.live import LiveCatalog
from magictunnel.catalog.merge import MergeRules, ServerRules
from magictunnel.catalog.model import Kind, Listing
from magictunnel.front.http import listen_on, serve_http
from magictunnel.front.server import FrontServer
from tests.support.front import PlayedSource, client_of
from tests.support.raw import tool
from tests.support.rawclient import raw_client
from tests.support.world import ERAS

pytestmark = pytest.mark.anyio

SERVER_INFO = "io.modelcontextprotocol/serverInfo"


@pytest.mark.parametrize("era", ERAS)
async def test_capabilities_and_instructions_are_those_of_all_servers_together(era: str) -> None:
    source = PlayedSource()
    source.live.replace("a", Listing({Kind.TOOL: [tool("x")]}, {"completions": {}}, "be kind"))
    async with client_of(FrontServer(source), era) as client:
        about = await client.open()

    assert about["capabilities"] == {"tools": {"listChanged": True}, "completions": {}}
    assert about["instructions"] == "# a\nbe kind"


@pytest.mark.parametrize("era", ERAS)
async def test_without_instructions_none_are_said(era: str) -> None:
    async with client_of(FrontServer(PlayedSource()), era) as client:
        assert not (await client.open()).get("instructions")


@pytest.mark.parametrize("era", ERAS)
async def test_while_a_server_is_awaited_everything_is_promised(era: str) -> None:
    source = PlayedSource(LiveCatalog(MergeRules(servers={"a": ServerRules("a")})))
    async with client_of(FrontServer(source), era) as client:
        assert {"tools", "prompts", "resources"} <= set((await client.open())["capabilities"])


async def test_every_client_is_told_what_is_true_when_it_comes() -> None:
    source = PlayedSource()
    server = FrontServer(source)
    async with client_of(server, "handshake") as before:
        assert (await before.open())["capabilities"] == {}

        source.live.replace("a", Listing({Kind.TOOL: [tool("x")]}))

        async with client_of(server, "handshake") as after:
            assert "tools" in (await after.open())["capabilities"]


async def test_we_are_named_in_both_eras() -> None:
    server = FrontServer(PlayedSource())
    async with client_of(server, "handshake") as client:
        info = (await client.open())["serverInfo"]
    async with client_of(server, "stateless") as client:
        stamp = (await client.open())["_meta"][SERVER_INFO]

    for told in (info, stamp):
        assert (told["name"], told["title"], told["version"]) == ("magictunnel", "MagicTunnel", version("magictunnel"))


async def test_a_header_that_contradicts_the_argument_it_mirrors_is_refused() -> None:
    schema = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}
    source = PlayedSource()
    source.live.replace("a", Listing({Kind.TOOL: [tool("x", inputSchema=schema)]}))
    listener = listen_on("127.0.0.1", 0)
    call = {"name": "a__x", "arguments": {"region": "eu"}}
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve_http, FrontServer(source), listener)
            async with raw_client(listener.getsockname()[1], "stateless") as client:
                right = await client.request("tools/call", call, {"mcp-param-region": "eu"})
                wrong = await client.request("tools/call", call, {"mcp-param-region": "us"})
            tasks.cancel_scope.cancel()

    assert "result" in right
    assert "error" in wrong
    assert len(source.calls) == 1
