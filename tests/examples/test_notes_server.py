"""The notebook example: real clients of both eras, over stdio and in memory."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import anyio
import mcp_types as types
import pytest
from mcp.client.client import Client
from mcp.client.session import IncomingMessage
from mcp.client.stdio import StdioServerParameters
from mcp.client.subscriptions import ResourcesListChanged, ResourceUpdated
from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError

pytestmark = pytest.mark.anyio

SCRIPT = Path(__file__).parents[2] / "examples" / "notes_server.py"
ODD_TITLE = "../lunch & 50% Käse / #1?"
PATIENCE = 20.0

Server = StdioServerParameters | MCPServer


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "notes.json"


@pytest.fixture
def example(file: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A fresh copy of the module, with its notebook in `file`."""
    spec = importlib.util.spec_from_file_location("notes_server", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "notes_server", module)
    spec.loader.exec_module(module)
    module.notebook.path = file
    return module


def over_stdio(file: Path) -> StdioServerParameters:
    return StdioServerParameters(command=sys.executable, args=[str(SCRIPT), "--file", str(file)])


@pytest.fixture(params=["stdio", "memory"])
def server(request: pytest.FixtureRequest, file: Path) -> Server:
    if request.param == "stdio":
        return over_stdio(file)
    return request.getfixturevalue("example").server


@pytest.fixture(params=["legacy", "auto"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def stored(file: Path) -> object:
    return json.loads(file.read_text(encoding="utf-8"))


async def call(client: Client, tool: str, **arguments: str) -> types.CallToolResult:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return result


async def refusal(client: Client, tool: str, **arguments: str) -> str:
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    [content] = result.content
    assert isinstance(content, types.TextContent)
    return content.text


async def read(client: Client, uri: str) -> str:
    [content] = (await client.read_resource(uri)).contents
    assert isinstance(content, types.TextResourceContents)
    return content.text


async def resource_uris(client: Client) -> list[str]:
    return [resource.uri for resource in (await client.list_resources()).resources]


async def test_notes_are_added_found_and_removed(server: Server, mode: str, file: Path) -> None:
    with anyio.fail_after(PATIENCE):
        async with Client(server, mode=mode) as client:
            await call(client, "add_note", title="Milk", text="two litres")
            await call(client, "add_note", title="Shoes", text="Get them MENDED")

            found = (await call(client, "search_notes", query="mended shoes")).structured_content
            uri = "notes://note/Shoes"
            assert found == {"total": 1, "notes": [{"title": "Shoes", "text": "Get them MENDED", "uri": uri}]}

            await call(client, "remove_note", title="Shoes")
            await call(client, "remove_note", title="Shoes")
            assert stored(file) == {"Milk": "two litres"}
    assert [path.name for path in file.parent.iterdir()] == ["notes.json"], "no draft is left behind"


async def test_each_note_is_a_resource(server: Server, mode: str) -> None:
    with anyio.fail_after(PATIENCE):
        async with Client(server, mode=mode) as client:
            assert await resource_uris(client) == ["notes://all"]
            await call(client, "add_note", title="Milk", text="two litres")
            await call(client, "add_note", title=ODD_TITLE, text="cheese")

            everything, milk, odd = await resource_uris(client)
            assert await read(client, milk) == "two litres"
            assert await read(client, odd) == "cheese"
            assert await read(client, everything) == f"# Milk\n\ntwo litres\n\n# {ODD_TITLE}\n\ncheese"
            [template] = (await client.list_resource_templates()).resource_templates
            assert template.uri_template == "notes://note/{title}"


async def test_a_note_that_is_not_there_is_a_plain_error(server: Server, mode: str) -> None:
    with anyio.fail_after(PATIENCE):
        async with Client(server, mode=mode) as client:
            with pytest.raises(MCPError, match="no note called 'Milk'") as caught:
                await client.read_resource("notes://note/Milk")
    assert caught.value.code == types.INVALID_PARAMS


async def test_the_handshake_era_is_told_when_the_list_changes(server: Server) -> None:
    told = anyio.Event()

    async def hear(message: IncomingMessage) -> None:
        if isinstance(message, types.ResourceListChangedNotification):
            told.set()

    with anyio.fail_after(PATIENCE):
        async with Client(server, mode="legacy", message_handler=hear) as client:
            resources = client.server_capabilities.resources
            assert resources is not None
            assert resources.list_changed
            await call(client, "remove_note", title="Milk")
            assert not told.is_set(), "nothing changed"
            await call(client, "add_note", title="Milk", text="two litres")
            await told.wait()
            assert "notes://note/Milk" in await resource_uris(client)


@pytest.mark.parametrize("mode", ["auto", "2026-07-28"])
async def test_the_stateless_era_hears_of_changes_where_it_listens(server: Server, mode: str) -> None:
    with anyio.fail_after(PATIENCE):
        async with Client(server, mode=mode) as client:
            assert client.protocol_version == "2026-07-28"
            subscription = client.listen(resources_list_changed=True, resource_subscriptions=["notes://all"])
            async with subscription as events:
                await call(client, "add_note", title="Milk", text="two litres")
                assert await anext(events) == ResourcesListChanged()
                assert await anext(events) == ResourceUpdated("notes://all")
                assert "notes://note/Milk" in await resource_uris(client)


async def test_prompt_and_completions(server: Server, mode: str) -> None:
    prompt = types.PromptReference(name="summarize_notes")
    template = types.ResourceTemplateReference(uri="notes://note/{title}")
    with anyio.fail_after(PATIENCE):
        async with Client(server, mode=mode) as client:
            await call(client, "add_note", title="Milk", text="two litres")
            await call(client, "add_note", title="Shoes", text="mend")

            styles = await client.complete(prompt, {"name": "style", "value": "b"})
            assert styles.completion.values == ["brief", "bullets"]
            titles = await client.complete(template, {"name": "title", "value": "s"})
            assert titles.completion.values == ["Shoes"]
            nothing = await client.complete(prompt, {"name": "colour", "value": ""})
            assert nothing.completion.values == []

            ask, page = (await client.get_prompt("summarize_notes", {"style": "todo"})).messages
            assert isinstance(ask.content, types.TextContent)
            assert "to-do list" in ask.content.text
            assert isinstance(page.content, types.EmbeddedResource)
            assert page.content.resource.uri == "notes://all"
            with pytest.raises(MCPError, match="brief, bullets, todo"):
                await client.get_prompt("summarize_notes", {"style": "sonnet"})


async def test_bounds_hold_and_are_explained(example: ModuleType, file: Path, mode: str) -> None:
    example.notebook.write({f"note {number}": "x" for number in range(199)})
    with anyio.fail_after(PATIENCE):
        async with Client(example.server, mode=mode) as client:
            assert "taken" in str((await client.list_tools()).tools[0].description)
            assert "already" in await refusal(client, "add_note", title="note 7", text="again")
            assert "at most 4000" in await refusal(client, "add_note", title="long", text="x" * 4001)
            assert "pattern" in await refusal(client, "add_note", title="two\nlines", text="")
            await call(client, "add_note", title="note 199", text="x")
            assert "full" in await refusal(client, "add_note", title="one more", text="x")

            found = (await call(client, "search_notes", query="")).structured_content
            assert found is not None
            assert (found["total"], len(found["notes"])) == (200, 10)
            template = types.ResourceTemplateReference(uri="notes://note/{title}")
            titles = (await client.complete(template, {"name": "title", "value": "note"})).completion
            assert (len(titles.values), titles.total, titles.has_more) == (100, 200, True)
    assert len(example.notebook.read()) == 200


async def test_annotations_are_honest(example: ModuleType, mode: str) -> None:
    with anyio.fail_after(PATIENCE):
        async with Client(example.server, mode=mode) as client:
            tools = {tool.name: tool.annotations for tool in (await client.list_tools()).tools}
    add, search, remove = tools["add_note"], tools["search_notes"], tools["remove_note"]
    assert add is not None
    assert (add.read_only_hint, add.destructive_hint, add.idempotent_hint) == (None, False, None)
    assert search is not None
    assert search.read_only_hint
    assert remove is not None
    assert (remove.read_only_hint, remove.destructive_hint, remove.idempotent_hint) == (None, True, True)


async def test_notes_outlive_the_server(file: Path) -> None:
    with anyio.fail_after(PATIENCE):
        async with Client(over_stdio(file), mode="legacy") as client:
            await call(client, "add_note", title="Milk", text="two litres")
        async with Client(over_stdio(file), mode="auto") as client:
            assert await read(client, "notes://note/Milk") == "two litres"


@pytest.mark.parametrize("ending", [None, signal.SIGTERM, signal.SIGINT], ids=["eof", "term", "int"])
async def test_it_leaves_without_a_word(file: Path, ending: signal.Signals | None) -> None:
    ask = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    with anyio.fail_after(PATIENCE):
        async with await anyio.open_process([sys.executable, str(SCRIPT), "--file", str(file)]) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            await process.stdin.send(json.dumps(ask).encode() + b"\n")
            assert json.loads(await process.stdout.receive())["id"] == 1
            if ending:
                process.send_signal(ending)
            else:
                await process.stdin.aclose()
            assert [chunk async for chunk in process.stdout] == []
            assert [chunk async for chunk in process.stderr] == []
            assert await process.wait() == -(ending or 0)


def test_a_damaged_notebook_is_refused_with_a_remedy(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("[not a notebook", encoding="utf-8")
    command = [sys.executable, str(SCRIPT), "--file", str(file)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1
    assert done.stdout == b""
    assert b"--file" in done.stderr
    assert b"Traceback" not in done.stderr
    assert file.read_text(encoding="utf-8") == "[not a notebook", "what is there is left alone"
