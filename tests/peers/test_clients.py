"""Clients that others wrote, in front of the config we ship: each calls a tool of each server in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.peers.install import NO_NODE, NODE, ROOT, Peers
from tests.peers.processes import drain, until_gone
from tests.peers.wires import Json, end

pytestmark = pytest.mark.anyio

CLIENT_TIMEOUT = 90.0
"""Seconds that one client may take, our start included."""
CALLS: list[Json] = [
    {"name": "notes__add_note", "arguments": {"title": "ü", "text": "from a client"}},
    {
        "name": "clock__convert_time",
        "arguments": {"time": "2026-03-01T14:30", "from_zone": "UTC", "to_zone": "UTC+02:00"},
    },
    {"name": "notes__search_notes", "arguments": {"query": "client"}},
]
needs_node = pytest.mark.skipif(NODE is None, reason=NO_NODE)
over = pytest.mark.parametrize("front", ["stdio", "http", "sse"])


@dataclass(frozen=True)
class Shipped:
    """Our shipped config, its fixed port exchanged for a free one; `home` is where its servers keep things."""

    config: Path
    home: Path

    @property
    def environ(self) -> Mapping[str, str]:
        return os.environ | {"HOME": str(self.home)}

    def command(self, *options: str) -> list[str]:
        return [sys.executable, "-m", "magictunnel", "serve", *options, "-c", str(self.config)]

    @asynccontextmanager
    async def served(self, front: str) -> AsyncIterator[Json]:
        """What a client is told: a command over stdio, the URL of a running process of ours otherwise."""
        if front == "stdio":
            program, *args = self.command("--stdio")
            yield {"command": program, "args": args}
            return
        process = await anyio.open_process(
            self.command("--http", "127.0.0.1:0"), env=self.environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        try:
            assert process.stderr is not None
            talk = BufferedByteReceiveStream(process.stderr)
            async with anyio.create_task_group() as tasks:
                with anyio.fail_after(CLIENT_TIMEOUT):
                    while b"At http://" not in (line := await talk.receive_until(b"\n", 100_000)):
                        pass
                tasks.start_soon(drain, talk)
                url = line.decode().split()[1]
                yield {"url": url if front == "http" else url.removesuffix("/mcp") + "/sse"}
                tasks.cancel_scope.cancel()
        finally:
            process.terminate()
            with anyio.CancelScope(shield=True):
                await end(process)

    async def ask(self, *command: str) -> Json:
        """Run a client to its end; the last line of what it prints is JSON."""
        with anyio.fail_after(CLIENT_TIMEOUT):
            done = await anyio.run_process(list(command), env=self.environ, cwd=self.home, check=False)
        assert done.returncode == 0, done.stderr.decode() + done.stdout.decode()
        found = json.loads(done.stdout)
        assert isinstance(found, dict)
        return found


@pytest.fixture
async def shipped(tmp_path: Path) -> AsyncIterator[Shipped]:
    text = (ROOT / "magictunnel-config.yaml").read_text(encoding="utf-8")
    text, folders = re.subn(r"^( +cwd: )\.", rf"\g<1>{ROOT}", text, flags=re.MULTILINE)
    assert folders
    config = tmp_path / "magictunnel-config.yaml"
    config.write_text(text, encoding="utf-8")
    (tmp_path / "home").mkdir()
    found = Shipped(config, tmp_path / "home")
    yield found
    await until_gone(f"HOME={found.home}")


def assert_served(found: Json) -> None:
    """The client saw both servers, and both did as they were told."""
    assert {call["name"] for call in CALLS} <= set(found["tools"])
    assert "notes__summarize_notes" in found["prompts"]
    assert found["templates"]
    added, converted, searched = found["results"]
    assert added["structuredContent"]["title"] == "ü"
    assert "16:30" in converted["content"][0]["text"]
    assert searched["structuredContent"]["total"] == 1


@needs_node
@over
async def test_the_typescript_sdk_is_served(peers: Peers, shipped: Shipped, front: str) -> None:
    script = shutil.copy(Path(__file__).with_name("client.mjs"), peers.npm)
    async with shipped.served(front) as target:
        assert_served(await shipped.ask(peers.node, str(script), json.dumps(target), json.dumps(CALLS)))


@over
@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_fastmcp_is_served(peers: Peers, shipped: Shipped, front: str, mode: str) -> None:
    script = Path(__file__).with_name("fastmcp_client.py")
    async with shipped.served(front) as target:
        assert_served(await shipped.ask(str(peers.fastmcp), str(script), json.dumps(target), json.dumps(CALLS), mode))


@needs_node
@over
@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_the_inspector_is_served(peers: Peers, shipped: Shipped, front: str, era: str) -> None:
    if front == "sse" and era == "modern":
        pytest.skip("the HTTP+SSE transport belongs to the handshake era")
    launcher = peers.package("inspector") / "clients" / "launcher" / "build" / "index.js"
    async with shipped.served(front) as target:

        async def ask(method: str, *options: str) -> Json:
            where = ("--server-url", target["url"]) if "url" in target else ("--", target["command"], *target["args"])
            return await shipped.ask(
                peers.node,
                str(launcher),
                "--cli",
                "--quiet",
                "--protocol-era",
                era,
                "--method",
                method,
                *options,
                *where,
            )

        tools = (await ask("tools/list"))["tools"]
        results = [
            await ask("tools/call", "--tool-name", call["name"], "--tool-args-json", json.dumps(call["arguments"]))
            for call in CALLS
        ]
        prompts = (await ask("prompts/list"))["prompts"]
        templates = (await ask("resources/templates/list"))["resourceTemplates"]
    assert_served(
        {
            "tools": [tool["name"] for tool in tools],
            "prompts": [prompt["name"] for prompt in prompts],
            "templates": templates,
            "results": results,
        }
    )
