"""A client that others wrote, in front of a server that others wrote, which asks it things through us."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.peers.install import NO_NODE, NODE, Peers
from tests.peers.test_clients import Shipped

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(NODE is None, reason=NO_NODE)]


@pytest.mark.parametrize("front", ["stdio", "http"])
@pytest.mark.parametrize(("mode", "version"), [("legacy", "2025-11-25"), ("auto", "2026-07-28")])
async def test_the_everything_server_asks_the_typescript_client(
    peers: Peers, tmp_path: Path, front: str, mode: str, version: str
) -> None:
    assert peers.node is not None
    server = {"command": peers.node, "args": [str(peers.package("server-everything") / "dist" / "index.js")]}
    config = tmp_path / "asked.json"
    config.write_text(json.dumps({"mcpServers": {"everything": server}}), encoding="utf-8")
    (home := tmp_path / "home").mkdir()
    script = shutil.copy(Path(__file__).with_name("asked.mjs"), peers.npm)
    shipped = Shipped(config, home)
    async with shipped.served(front) as target:
        found = await shipped.ask(peers.node, str(script), json.dumps(target), mode)

    assert found["version"] == version
    for method in ("elicitation/create", "sampling/createMessage", "roots/list"):
        assert method in found["asked"]
    assert "Ada" in json.dumps(found["results"]["elicited"])
    assert "sampled by typescript" in json.dumps(found["results"]["sampled"])
    assert "file:///from/typescript" in json.dumps(found["results"]["roots"])
    assert found["progress"] == [[step, 4] for step in (1, 2, 3, 4)]
    assert found["completed"]["completion"]["values"] == ["Engineering"]
