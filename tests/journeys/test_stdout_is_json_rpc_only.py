"""stdout/stderr discipline (39): whoever prints, our stdout carries JSON-RPC only; a server's junk is skipped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from magictunnel.backends.mcp import McpBackend
from magictunnel.catalog.model import Kind
from magictunnel.config.model import ServerConfig, Transport
from magictunnel.secrets import Secrets
from tests.support.process import Tunnel, config_file, entry, over_stdio, shell
from tests.support.raw import Script, command, text, tool
from tests.support.world import PATIENCE

pytestmark = pytest.mark.anyio

TOOLS = {"tools": [tool("echo"), tool("die")]}
LOUD_LIBRARY = """
import atexit, os, sys, warnings

def bye():
    print("bye from a library")
    sys.stdout.flush()
    os.write(1, b"bye from native code\\n")
    warnings.warn("a library is old", DeprecationWarning)

atexit.register(bye)
warnings.warn("a library is loud", UserWarning)
"""
NOISE = ["Server v1.2 listening", '{"not": "json-rpc"}', "", "\x1b[31mred\x1b[0m", "[1, 2", "null"]


def noisy(folder: Path) -> dict[str, Any]:
    """Servers that print where they should not, each in a way of its own, and one that behaves."""
    good = Script(name="good", offers=TOOLS, answers={"tools/call echo": text("hello")})
    crashing = Script(name="crashing", offers=TOOLS, crash_on=["tools/call die"])
    junk = Script(name="junk", offers=TOOLS, junk=NOISE, chatter=["on stderr", '{"jsonrpc": "2.0", "method": "fake"}'])
    at_exit = entry(Script(name="at_exit", offers=TOOLS), folder)
    last_words = 'trap "" TERM; "$@"; echo bye; echo bye >&2'
    return {
        "good": entry(good, folder),
        "crashing": entry(crashing, folder),
        "junk": entry(junk, folder),
        "at_exit": shell(last_words, at_exit["command"], *at_exit["args"]),
        "only_junk": entry(Script(name="only_junk", only_junk=True), folder, start_timeout=0.5),
        "exits": shell("echo I am off; exit 3"),
    }


async def test_every_line_of_our_stdout_is_json_rpc_whatever_servers_do(client_era: str, tmp_path: Path) -> None:
    with anyio.fail_after(PATIENCE):
        async with over_stdio(config_file(tmp_path, noisy(tmp_path)), "--log-level", "debug") as host:
            await use_all(host, client_era)
            await host.close_stdin()
            assert await host.ended() == 0
    assert_only_json_rpc(host)
    assert any("junk" in line and "on stderr" in line for line in host.talk)


async def test_what_libraries_print_and_warn_in_our_process_goes_to_stderr(client_era: str, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    (library / "sitecustomize.py").write_text(LOUD_LIBRARY, encoding="utf-8")
    env = {"PYTHONPATH": str(library), "PYTHONWARNINGS": "always"}
    with anyio.fail_after(PATIENCE):
        async with over_stdio(config_file(tmp_path, noisy(tmp_path)), env=env) as host:
            await use_all(host, client_era)
            await host.close_stdin()
            assert await host.ended() == 0
            await until_said(host, "a library is old")
    assert_only_json_rpc(host)
    said = "\n".join(host.talk)
    for words in ("bye from a library", "bye from native code", "a library is loud"):
        assert words in said


async def test_a_client_that_writes_junk_gets_json_rpc_back(tmp_path: Path) -> None:
    with anyio.fail_after(PATIENCE):
        good = {"good": noisy(tmp_path)["good"]}
        async with over_stdio(config_file(tmp_path, good)) as host:
            assert host.process.stdin is not None
            await host.open("handshake")
            for junk in (b"hello?\n", b"{]\n", b"\n", b"\xff\xfe\n", b'{"jsonrpc": "2.0"}\n', b"[]\n"):
                await host.process.stdin.send(junk)
            answer = await host.request("tools/call", {"name": "good__echo"})
            assert answer["result"]["content"] == text("hello")["content"]
            await host.close_stdin()
            assert await host.ended() == 0
    assert_only_json_rpc(host)


async def test_an_empty_config_still_says_nothing_but_json_rpc(tmp_path: Path) -> None:
    with anyio.fail_after(PATIENCE):
        async with over_stdio(config_file(tmp_path, {})) as host:
            await host.open()
            await host.request("tools/list")
            await host.close_stdin()
            assert await host.ended() == 0
    assert_only_json_rpc(host)


async def test_a_config_that_cannot_be_used_is_told_on_stderr_alone(tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text('{"mcpServers": ', encoding="utf-8")
    with anyio.fail_after(PATIENCE):
        async with over_stdio(path) as host:
            assert await host.ended() == 2
            await until_said(host, "broken.json")
    assert host.lines == []


async def test_junk_lines_of_a_server_are_skipped_and_counted(tmp_path: Path) -> None:
    script = Script(name="junk", offers=TOOLS, junk=NOISE)
    program, *args = command(script, tmp_path)
    server = ServerConfig(type=Transport.STDIO, command=program, args=tuple(args))
    backend = McpBackend("junk", server, Secrets({}))
    with anyio.fail_after(PATIENCE):
        async with backend.connect(lambda _phase: None) as link:
            assert await link.list(Kind.TOOL)
    # The empty line is no line; each of the others is one that is not JSON-RPC.
    assert backend.evidence.junk == len(NOISE) - 1
    assert backend.evidence.first_junk == "Server v1.2 listening"


async def use_all(host: Tunnel, era: str) -> None:
    """Do with the servers what sets each of them off."""
    await host.open(era)
    tools = await host.request("tools/list")
    assert {"good__echo", "junk__echo", "at_exit__echo"} <= {item["name"] for item in tools["result"]["tools"]}
    crash = await host.request("tools/call", {"name": "crashing__die"})
    assert crash["error"]["code"] == -32062
    for name in ("good", "junk", "at_exit"):
        answer = await host.request("tools/call", {"name": f"{name}__echo", "arguments": {}})
        assert "result" in answer
    await host.said("only_junk")


async def until_said(host: Tunnel, words: str) -> None:
    """Wait for words on stderr of a process that may have ended."""
    while not any(words in line for line in host.talk):
        await anyio.sleep(0.01)


def assert_only_json_rpc(host: Tunnel) -> None:
    assert all(message["jsonrpc"] == "2.0" for message in host.messages)
    assert all(
        "method" in message or ("id" in message and ("result" in message) != ("error" in message))
        for message in host.messages
    )
