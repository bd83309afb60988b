"""What to paste into a host so that it uses us. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence


def pastes(command: Sequence[str], url: str | None) -> list[tuple[str, str]]:
    """(host, text to paste) for a host that starts `command`, or reaches us at `url` if we are being served."""
    entry = {"command": command[0], "args": list(command[1:])}
    local = [
        ("Claude Desktop, Cursor, Windsurf (mcpServers)", _text({"mcpServers": {"magictunnel": entry}})),
        ("Claude Code", f"claude mcp add magictunnel -- {shlex.join(command)}"),
        ("VS Code (.vscode/mcp.json)", _text({"servers": {"magictunnel": {"type": "stdio"} | entry}})),
    ]
    if url is None:
        return local
    remote = {"type": "http", "url": url}
    return [
        *local,
        ("Claude Code, while this runs", f"claude mcp add --transport http magictunnel {url}"),
        ("VS Code, while this runs", _text({"servers": {"magictunnel": remote}})),
    ]


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
