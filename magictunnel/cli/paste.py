"""What to paste into a host so that it uses us. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence


def pastes(command: Sequence[str], url: str | None) -> list[tuple[str, str]]:
    """(host, text to paste) for a host that starts `command`, or reaches us at `url` if we are being served."""
    entry = {"command": command[0], "args": list(command[1:])}
    remote = {"type": "http", "url": url}
    add = f"--transport http magictunnel {url}" if url else f"magictunnel -- {shlex.join(command)}"
    return [
        ("Claude Desktop, Cursor, Windsurf", _text({"mcpServers": {"magictunnel": entry}})),
        ("Claude Code", f"claude mcp add {add}"),
        ("VS Code (.vscode/mcp.json)", _text({"servers": {"magictunnel": remote if url else entry}})),
    ]


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
