"""Steps, prompts and resources of a file, through a whole gateway: real programs, a real web server, a real client."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp.client.client import Client
from mcp.shared.exceptions import MCPError

from tests.support.recorder import Recorder, Reply, as_json, recorder
from tests.support.world import LIST_ALL, world

pytestmark = pytest.mark.anyio

PIXEL = b"\x89PNG\r\n\x1a\n"
SLEEPER = "import os, pathlib, time; pathlib.Path(f'pid-{os.getpid()}').touch(); time.sleep(60)"
PYTHON = sys.executable


def offered(port: int) -> dict[str, Any]:
    """A file with a bit of everything."""
    return {
        "http": {"base_url": f"http://127.0.0.1:{port}", "allow_private": True},
        "auth": {"key": {"type": "bearer", "token": "${TOKEN_OF_THE_TEST}"}},
        "tools": [
            {
                "name": "report",
                "inputSchema": {"type": "object", "properties": {"who": {"type": "string"}}, "required": ["who"]},
                "outputSchema": {"type": "object", "required": ["id", "hello"]},
                "steps": [
                    {"name": "user", "http": {"url": "/users/{{who}}"}},
                    {"name": "hello", "python": {"function": "own:hello", "arguments": {"who": "{{who}}"}}},
                    {"name": "count", "depends_on": ["user"],
                     "command": {"argv": [PYTHON, "-c", COUNT], "stdin": "{{steps.user}}"}},
                    {"name": "never", "depends_on": ["count"], "when": "steps.count.keys > 5",
                     "http": {"url": "/never"}},
                ],
                "result": {"id": "{{steps.user.id}}", "hello": "{{steps.hello}}", "keys": "{{steps.count.keys}}"},
            },
            {
                "name": "sleep",
                "steps": [{"name": name, "command": [PYTHON, "-c", SLEEPER]} for name in ("a", "b")],
            },
            {
                "name": "give_up",
                "steps": [
                    {"name": "long", "command": [PYTHON, "-c", SLEEPER]},
                    {"name": "bad", "command": [PYTHON, "-c", WAITING]},
                ],
            },
        ],
        "prompts": [{"name": "look", "messages": [{"text": "Look."}, {"image": "pixel.png"}, {"resource": "own://web"}]}],
        "resources": [
            {"uri": "own://web", "name": "web", "url": f"http://127.0.0.1:{port}/page", "auth": "key"},
            {"uri": "own://files", "name": "files", "directory": "files"},
        ],
        "resourceTemplates": [
            {"uriTemplate": "own://user/{id}", "name": "user", "http": {"url": "/users/{{id}}"}},
            {"uriTemplate": "own://page/{name}", "name": "page", "file": "files/{{name}}.md"},
        ],
    }  # fmt: skip


COUNT = "import json, sys; print(json.dumps({'keys': len(json.load(sys.stdin))}))"
WAITING = """
import pathlib, sys, time
while not list(pathlib.Path().glob("pid-*")):
    time.sleep(0.01)
sys.exit("it is broken")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOKEN_OF_THE_TEST", "very-secret-token")
    folder = tmp_path / "caps"
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "a.md").write_text("# A")
    (folder / "pixel.png").write_bytes(PIXEL)
    (folder / "own.py").write_text("def hello(who):\n    print('to nobody')\n    return f'Hello, {who}!'\n")
    (tmp_path / "secret.md").write_text("private words")
    return folder


@asynccontextmanager
async def served(folder: Path, era: str = "stateless") -> AsyncIterator[tuple[Recorder, Client]]:
    with anyio.fail_after(30):
        async with recorder() as web:
            file = folder / "own.yaml"
            file.write_text(json.dumps(offered(web.port)))
            async with world(declared=(str(file),), **LIST_ALL) as built, built.client(era, "http") as client:
                assert not built.gateway.config.problems
                yield web, client


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def pids(folder: Path) -> list[int]:
    return [int(path.name.removeprefix("pid-")) for path in folder.glob("pid-*")]


async def test_steps_of_all_sorts_come_to_one_result_with_progress(folder: Path, client_era: str) -> None:
    told: list[str | None] = []

    async def heard(_progress: float, _total: float | None, message: str | None) -> None:
        told.append(message)

    async with served(folder, client_era) as (web, client):
        web.on("/users/a%20b%2Fc", as_json({"id": 7, "name": "a"}))
        result = await client.call_tool("own__report", {"who": "a b/c"}, progress_callback=heard)
        assert not result.is_error, result.content
        assert result.structured_content == {"id": 7, "hello": "Hello, a b/c!", "keys": 2}
        assert [arrived.path for arrived in web.arrived] == ["/users/a%20b%2Fc"]
        assert {"never: skipped (its `when` does not hold)", "count: ok"} <= {str(line)[4:] for line in told}
        assert "hello: to nobody" in told


async def test_a_step_that_fails_ends_the_others_and_is_named(folder: Path) -> None:
    async with served(folder) as (_, client):
        result = await client.call_tool("own__give_up", {})
        assert result.is_error
        assert isinstance(result.content[0], types.TextContent)
        assert result.content[0].text.startswith("step 'bad': ")
        assert "it is broken" in result.content[0].text
        (pid,) = pids(folder)
        assert not is_there(pid)


async def test_a_call_that_is_cancelled_leaves_no_process(folder: Path) -> None:
    async with served(folder) as (_, client):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.call_tool, "own__sleep", {})
            while len(pids(folder)) < 2:
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
        while any(map(is_there, pids(folder))):
            await anyio.sleep(0.01)


async def test_a_prompt_shows_an_image_and_embeds_what_is_fetched(folder: Path) -> None:
    async with served(folder) as (web, client):
        web.on("/page", Reply(b"<p>Hi", content_type="text/html"))
        (_, image, page) = (message.content for message in (await client.get_prompt("own__look")).messages)
        assert isinstance(image, types.ImageContent)
        assert (base64.b64decode(image.data), image.mime_type) == (PIXEL, "image/png")
        assert isinstance(page, types.EmbeddedResource)
        assert isinstance(page.resource, types.TextResourceContents)
        assert (page.resource.text, page.resource.mime_type) == ("<p>Hi", "text/html")
        assert web.last.header("authorization") == "Bearer very-secret-token"


async def test_resources_are_read_through_their_templates_too(folder: Path) -> None:
    async with served(folder) as (web, client):
        web.on("/users/7", as_json({"id": 7}))
        for uri, text in (("own://files/a.md", "# A"), ("own://page/a", "# A"), ("own://user/7", '{"id": 7}')):
            (content,) = (await client.read_resource(uri)).contents
            assert isinstance(content, types.TextResourceContents)
            assert content.text == text
        (folder / "files" / "later.md").write_text("later")
        (content,) = (await client.read_resource("own://files/later.md")).contents
        assert isinstance(content, types.TextResourceContents)
        assert content.text == "later"


@pytest.mark.parametrize(
    "uri",
    ["own://files/../../secret.md", "own://files/%2e%2e/%2e%2e/secret.md", "own://files/..%2f..%2fsecret.md",
     "own://page/..%2f..%2fsecret", "own://page/%2e%2e", "own://user/../x", "own://none"],
)  # fmt: skip
async def test_what_is_not_offered_is_not_read(folder: Path, uri: str) -> None:
    async with served(folder) as (web, client):
        with pytest.raises(MCPError) as refused:
            await client.read_resource(uri)
        assert "private words" not in str(refused.value.data)
        assert str(folder.parent) not in str(refused.value)
        assert not web.arrived


async def test_a_page_that_cannot_be_had_is_an_error_without_secrets(folder: Path) -> None:
    async with served(folder) as (web, client):
        web.on("/page", Reply(b"very-secret-token", 500, "text/plain"))
        with pytest.raises(MCPError, match="own://web cannot be read: 500 Internal Server Error") as refused:
            await client.read_resource("own://web")
        assert "very-secret" not in str(refused.value)
