"""What is to be pasted is what each host reads."""

from __future__ import annotations

import json
import shlex

from magictunnel.cli.paste import pastes

COMMAND = ("/opt/my tools/magictunnel", "serve", "--stdio", "-c", "/home/ü/config.yaml")
ENTRY = {"command": COMMAND[0], "args": list(COMMAND[1:])}
URL = "http://127.0.0.1:8420/mcp"


def test_a_host_that_starts_us_gets_our_command() -> None:
    texts = dict(pastes(COMMAND, None))

    assert json.loads(texts["Claude Desktop, Cursor, Windsurf (mcpServers)"]) == {"mcpServers": {"magictunnel": ENTRY}}
    assert json.loads(texts["VS Code (.vscode/mcp.json)"]) == {"servers": {"magictunnel": {"type": "stdio"} | ENTRY}}
    assert shlex.split(texts["Claude Code"]) == ["claude", "mcp", "add", "magictunnel", "--", *COMMAND]


def test_a_host_that_can_reach_us_gets_our_address() -> None:
    texts = dict(pastes(COMMAND, URL))

    assert json.loads(texts["VS Code, while this runs"]) == {"servers": {"magictunnel": {"type": "http", "url": URL}}}
    assert texts["Claude Code, while this runs"] == f"claude mcp add --transport http magictunnel {URL}"
    assert json.loads(texts["Claude Desktop, Cursor, Windsurf (mcpServers)"]) == {"mcpServers": {"magictunnel": ENTRY}}


def test_every_paste_is_one_line() -> None:
    assert all("\n" not in text for url in (None, URL) for _, text in pastes(COMMAND, url))
