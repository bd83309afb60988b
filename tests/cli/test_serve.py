"""Serving begins with saying where, or refuses in one line; and it ends when it is told to."""

from __future__ import annotations

import json
import re
import signal
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from magictunnel.cli.app import app
from tests.support.process import config_file, entry, over_stdio, tunnel
from tests.support.raw import Script, tool
from tests.support.rawclient import local_http

SCRIPT = Script(name="srv", offers={"tools": [tool("echo"), tool("other")]})


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return config_file(tmp_path, {"srv": entry(SCRIPT, tmp_path)})


def refusal(*args: object) -> str:
    result = CliRunner().invoke(app, ["serve", *map(str, args)])
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    return line.removeprefix("error: ")


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["--stdio", "--http", "127.0.0.1:0"], "--stdio and --http exclude each other (start one process for each)"),
        (["--loop", "hoop"], "there is no event loop 'hoop' (use one of auto, asyncio, uvloop)"),
        (["--log-level", "loud"], "there is no log level 'loud' (use one of debug, info, warning, error)"),
        (["--http", "nowhere"], "'nowhere' is not HOST:PORT (write it like 127.0.0.1:8420)"),
        (["--http", "127.0.0.1"], "'127.0.0.1' is not HOST:PORT (write it like 127.0.0.1:8420)"),
        (["--http", "127.0.0.1:65536"], "'127.0.0.1:65536' is not HOST:PORT (write it like 127.0.0.1:8420)"),
        (["--http", "127.0.0.1:-1"], "'127.0.0.1:-1' is not HOST:PORT (write it like 127.0.0.1:8420)"),
    ],
)
def test_what_cannot_be_served_is_refused_with_a_remedy(args: list[str], line: str, config: Path) -> None:
    assert refusal(*args, "-c", config) == line


def test_an_address_that_others_reach_is_refused(config: Path) -> None:
    assert refusal("--http", "0.0.0.0:0", "-c", config).startswith("refusing to serve on 0.0.0.0")


def test_a_port_that_is_taken_is_refused(config: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        assert refusal("--http", f"127.0.0.1:{port}", "-c", config).startswith(f"cannot listen on 127.0.0.1:{port}")


def test_options_can_come_from_the_environment(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGICTUNNEL_HTTP", "nowhere")
    assert refusal("-c", config).startswith("'nowhere' is not HOST:PORT")

    monkeypatch.setenv("MAGICTUNNEL_LOG_LEVEL", "loud")
    assert refusal("-c", config).startswith("there is no log level 'loud'")


@pytest.mark.anyio
async def test_over_http_it_says_what_is_served_where_and_ends_at_sigterm(config: Path) -> None:
    async with tunnel("serve", "--http", "127.0.0.1:0", "-c", str(config)) as running:
        found = await running.said(r"At (http://127\.0\.0\.1:(\d+)/mcp)")
        await running.said("Ctrl-C ends it")
        async with local_http(int(found[2])) as http:
            assert (await http.get("/health")).json() == {"status": "ok"}
        running.process.send_signal(signal.SIGTERM)

        assert await running.ended() == 0

    talk = "\n".join(running.talk)
    assert running.lines == []
    assert "MagicTunnel serves 2 tools:" in talk
    assert "  srv: ready, 2 tools" in talk
    assert f"claude mcp add --transport http magictunnel {found[1]}" in talk
    pasted = re.search(r'^ *(\{"mcpServers".*\})$', talk, re.MULTILINE)
    assert pasted is not None
    entry_of_ours = json.loads(pasted[1])["mcpServers"]["magictunnel"]
    assert entry_of_ours["args"] == ["serve", "--stdio", "-c", str(config)]
    assert Path(entry_of_ours["command"]).is_absolute()


@pytest.mark.anyio
async def test_over_stdio_an_http_address_in_the_environment_is_no_contradiction(config: Path) -> None:
    """Whoever exports it for `serve` still has hosts that start `serve --stdio`."""
    async with over_stdio(config, env={"MAGICTUNNEL_HTTP": "127.0.0.1:0"}) as running:
        assert "tools" in (await running.open())["capabilities"]
        await running.close_stdin()

        assert await running.ended() == 0
