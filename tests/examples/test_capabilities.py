"""The shipped capability files: each tool called, each prompt had, each resource read, through a gateway."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import jsonschema
import mcp_types as types
import pytest
from mcp.client.client import Client
from ruamel.yaml import YAML

from magictunnel.capabilities.authoring.schema import json_schema
from magictunnel.capabilities.parse import read_file
from magictunnel.config.declared import capability_files
from tests.support.world import LIST_ALL, World, python_server, world

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "capabilities").glob("*.yaml"))
TOOLS = sorted(f"{path.stem}__{tool.name}" for path in FILES for tool in read_file(path).tools)
PATIENCE = 60.0


def is_checkout() -> bool:
    """Whether this is a git repository, and git is there to ask."""
    return shutil.which("git") is not None and subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, check=False
    ).returncode == 0  # fmt: skip


@asynccontextmanager
async def shipped(tmp_path: Path, *servers: str) -> AsyncIterator[tuple[World, Client]]:
    """A client of a gateway with the shipped capability files, and those of the example servers that are named."""
    scripts = {
        "notes": python_server(ROOT / "examples/notes_server.py", "--file", str(tmp_path / "notes.json")),
        "clock": python_server(ROOT / "tests/examples/clock_over_stdio.py"),
    }
    more = {name: scripts[name] for name in servers}
    declared = capability_files(["capabilities/*.yaml"], ROOT)
    with anyio.fail_after(PATIENCE):
        async with (
            world(more=more, declared=declared, start_wait=PATIENCE, **LIST_ALL) as built,
            built.client() as client,
        ):
            yield built, client


async def called(client: Client, name: str, **arguments: Any) -> types.CallToolResult:
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result.content
    return result


def text_of(result: types.CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, types.TextContent)
    return block.text


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_shipped_file_fits_the_published_schema_and_loads(path: Path) -> None:
    jsonschema.validate(YAML(typ="safe").load(path.read_text(encoding="utf-8")), json_schema())
    file = read_file(path)
    for tool in file.tools:
        assert tool.description
        assert tool.title
        assert "readOnlyHint" in tool.annotations


async def test_all_of_them_are_listed_and_none_is_broken(tmp_path: Path) -> None:
    async with shipped(tmp_path) as (built, client):
        assert not built.gateway.config.problems
        tools = (await client.list_tools()).tools
        assert sorted(tool.name for tool in tools) == TOOLS


async def test_texts(tmp_path: Path) -> None:
    async with shipped(tmp_path) as (_, client):
        text = "Käse & '$(x)'\nlast --line"
        counted = await called(client, "text__count", text=text)
        assert counted.structured_content == {"characters": len(text), "words": 5, "lines": 2}
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        assert text_of(await called(client, "text__hash", text=text)) == sha256
        assert text_of(await called(client, "text__hash", text="", algorithm="md5")) == hashlib.md5(b"").hexdigest()
        ids = text_of(await called(client, "text__uuid", many=3)).split()
        assert len({uuid.UUID(one) for one in ids}) == 3
        diff = text_of(await called(client, "text__difference", before="a\nb", after="a\nc"))
        assert diff.splitlines()[-2:] == ["-b", "+c"]
        profile = json.loads(text_of(await called(client, "text__profile", text=text)))
        assert profile == {"words": 5, "lines": 2, "sha256": sha256}


async def test_asking_json(tmp_path: Path) -> None:
    async with shipped(tmp_path) as (_, client):
        text = json.dumps({"items": [{"name": "a"}, {"name": "b"}], "n": 1})
        for path, found in (("items[1].name", "b"), ("items[*].name", ["a", "b"]), ("n", 1), ("", json.loads(text))):
            said = text_of(await called(client, "text__json_query", json=text, path=path))
            assert said == found or json.loads(said) == found
        wrong = await client.call_tool("text__json_query", {"json": text, "path": "none"})
        assert wrong.is_error
        assert "there is nothing at 'none'" in wrong.content[0].text  # type: ignore[union-attr]


async def test_the_machine(tmp_path: Path) -> None:
    (tmp_path / "small").write_text("1")
    (tmp_path / "large").write_text("12345")
    async with shipped(tmp_path) as (_, client):
        space = (await called(client, "system__disk_space", folder=str(tmp_path))).structured_content
        assert space is not None
        assert space["total"] >= space["used"] > 0
        assert json.loads(text_of(await called(client, "system__machine")))["python"].startswith("3.")
        found = json.loads(text_of(await called(client, "system__largest_files", folder=str(tmp_path), most=1)))
        assert found == [{"path": str(tmp_path / "large"), "bytes": 5}]
        wrong = await client.call_tool("system__largest_files", {"folder": "relative"})
        assert wrong.is_error


@pytest.mark.skipif(not is_checkout(), reason="no git repository to look at")
async def test_the_history_of_the_project(tmp_path: Path) -> None:
    async with shipped(tmp_path) as (_, client):
        (line,) = text_of(await called(client, "system__project_history", most=1)).splitlines()
        word = line.split()[-1].upper()
        assert line in text_of(await called(client, "system__project_history", words=word, most=100))
        nothing = await client.call_tool("system__project_history", {"words": "--output=/x $(no such words)"})
        assert not nothing.is_error


async def test_tools_made_of_other_servers_tools(tmp_path: Path) -> None:
    async with shipped(tmp_path, "notes", "clock") as (built, client):
        await built.until_ready()
        written = json.loads(text_of(await called(client, "notebook__journal", text="It {{rains}}.")))
        assert written["title"].startswith("Journal ")
        notes = (await called(client, "notebook__all_notes")).structured_content
        assert notes is not None
        assert [(note["title"], note["text"]) for note in notes["notes"]] == [(written["title"], "It {{rains}}.")]
        briefing = json.loads(text_of(await called(client, "notebook__briefing", words="rains")))["steps"]
        assert briefing["time"]["value"]["zone"] == "UTC"
        assert briefing["notes"]["value"]["total"] == 1


async def test_one_server_that_is_not_there_fails_alone(tmp_path: Path) -> None:
    async with shipped(tmp_path, "notes") as (built, client):
        await built.until_ready()
        briefing = json.loads(text_of(await called(client, "notebook__briefing")))["steps"]
        assert briefing["time"]["status"] == "failed"
        assert "clock__now" in briefing["time"]["error"]
        assert briefing["notes"]["status"] == "ok"
        journal = await client.call_tool("notebook__journal", {"text": "x"})
        assert journal.is_error
        assert "step 'now'" in journal.content[0].text  # type: ignore[union-attr]


async def test_the_prompt_embeds_what_it_speaks_of(tmp_path: Path) -> None:
    async with shipped(tmp_path) as (_, client):
        got = await client.get_prompt("notebook__plan_my_day", {"goal": "rest"})
        (asked, embedded) = (message.content for message in got.messages)
        assert isinstance(asked, types.TextContent)
        assert "What matters most: rest" in asked.text
        assert isinstance(embedded, types.EmbeddedResource)
        assert str(embedded.resource.uri) == "notebook://help"


async def test_resources_are_listed_and_read(tmp_path: Path) -> None:
    async with shipped(tmp_path) as (_, client):
        listed = [str(one.uri) for one in (await client.list_resources()).resources]
        for uri in ("notebook://help", "notebook://templates", "notebook://templates/meeting.md"):
            assert uri in listed
        for uri in [*listed, "notebook://template/decision"]:
            (content,) = (await client.read_resource(uri)).contents
            assert isinstance(content, types.TextResourceContents)
            assert content.text
