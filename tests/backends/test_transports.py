"""From a server's config to a connection: variables, commands, URLs, and a command that serves a URL."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp.server import Server

from magictunnel.backends.base import AddressTaken, Phase
from magictunnel.backends.transports import Target, memory_wire, open_wire, resolve
from magictunnel.config.model import ServerConfig, Transport
from magictunnel.errors import UnsetVariable
from magictunnel.secrets import Secrets
from magictunnel.wire.dispatcher import WireDispatcher
from magictunnel.wire.evidence import Evidence
from tests.support.raw import Script, command
from tests.support.web import raw_http

pytestmark = pytest.mark.anyio

PATIENCE = 10.0
SECRETS = Secrets({"TOKEN": "a-secret", "DIR": "/srv"})


async def refuse(_ctx: Any, method: str, _params: Any) -> dict[str, Any]:
    raise AssertionError(f"nobody asks {method} here")


async def ignore(_ctx: Any, _method: str, _params: Any) -> None:
    return


async def answer(wire: WireDispatcher, method: str) -> dict[str, Any]:
    """What the other end says to one request."""
    async with anyio.create_task_group() as tasks:
        await tasks.start(wire.run, refuse, ignore)
        found = await wire.send_raw_request(method, {})
        tasks.cancel_scope.cancel()
    return found


def target(transport: Transport = Transport.STDIO, **keys: Any) -> Target:
    empty: dict[str, Any] = {"command": (), "env": {}, "cwd": None, "url": "", "headers": {}}
    return Target(transport, **(empty | keys))


def ignored(_phase: Phase) -> None:
    return


# --- resolve


def test_every_variable_of_a_config_is_resolved() -> None:
    config = ServerConfig(
        type=Transport.STDIO,
        command="${DIR}/bin/x",
        args=("--root", "${DIR}", "$HOME"),
        env={"KEY": "${TOKEN}"},
        cwd="${DIR}",
    )

    found = resolve(config, SECRETS)

    assert found.command == ("/srv/bin/x", "--root", "/srv", "$HOME")
    assert found.env["KEY"] == "a-secret"
    assert found.cwd == "/srv"


def test_headers_and_url_are_resolved() -> None:
    config = ServerConfig(type=Transport.HTTP, url="http://x/${TOKEN}", headers={"Authorization": "Bearer ${TOKEN}"})

    found = resolve(config, SECRETS)

    assert (found.url, found.headers, found.command) == (
        "http://x/a-secret",
        {"Authorization": "Bearer a-secret"},
        (),
    )


def test_a_server_gets_our_path_but_not_our_other_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/our/path")
    monkeypatch.setenv("OUR_TOKEN", "private")

    config = ServerConfig(type=Transport.STDIO, command="x", env={"HOME": "/theirs"})
    found = resolve(config, SECRETS)

    assert found.env["PATH"] == "/our/path"
    assert found.env["HOME"] == "/theirs"
    assert "OUR_TOKEN" not in found.env


@pytest.mark.parametrize(
    ("keys", "where"),
    [
        ({"command": "${NONE}"}, "command"),
        ({"command": "x", "args": ("${NONE}",)}, "args"),
        ({"command": "x", "env": {"KEY": "${NONE}"}}, "env.KEY"),
        ({"command": "x", "cwd": "${NONE}"}, "cwd"),
        ({"url": "http://${NONE}"}, "url"),
        ({"url": "http://x", "headers": {"X-Key": "${NONE}"}}, "headers.X-Key"),
    ],
)
def test_a_variable_without_a_value_is_told_with_its_place(keys: dict[str, Any], where: str) -> None:
    with pytest.raises(UnsetVariable) as caught:
        resolve(ServerConfig(type=Transport.STDIO, **keys), SECRETS)

    assert (caught.value.name, caught.value.where) == ("NONE", where)


# --- stdio


async def test_a_command_is_found_on_the_path_that_the_server_itself_gets(tmp_path: Path) -> None:
    _python, _flag, raw, script = command(Script(answers={"x": {"it": "works"}}), tmp_path)
    program = tmp_path / "my-server"
    program.write_text(f"#!/bin/sh\nexec {sys.executable} -S {raw} {script}\n")
    program.chmod(0o755)
    phases: list[Phase] = []
    there = target(command=("my-server",), env={"PATH": str(tmp_path)})

    with anyio.fail_after(PATIENCE):
        async with open_wire("s", there, Evidence(), phases.append) as wire:
            assert await answer(wire, "x") == {"it": "works"}

    assert phases == [Phase.LAUNCH]


@pytest.mark.parametrize("name", ["sh", "no-such-command"])
async def test_a_command_that_is_not_on_that_path_is_not_found(name: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=name):
        async with open_wire("s", target(command=(name,), env={"PATH": str(tmp_path)}), Evidence(), ignored):
            raise AssertionError("it cannot be running")


# --- over HTTP


@pytest.mark.parametrize(("transport", "path"), [(Transport.HTTP, "mcp"), (Transport.SSE, "sse")])
async def test_a_url_is_reached_over_its_transport(transport: Transport, path: str) -> None:
    phases: list[Phase] = []
    with anyio.fail_after(PATIENCE):
        async with raw_http(Script(answers={"x": {"it": "works"}})) as (_server, port):
            there = target(transport, url=f"http://127.0.0.1:{port}/{path}")
            async with open_wire("s", there, Evidence(), phases.append) as wire:
                assert await answer(wire, "x") == {"it": "works"}

    assert phases == [Phase.CONNECT]


async def test_the_status_of_a_refusal_is_kept_as_evidence() -> None:
    evidence = Evidence()
    with anyio.fail_after(PATIENCE):
        async with raw_http(Script(), status=401) as (_server, port):
            there = target(Transport.SSE, url=f"http://127.0.0.1:{port}/sse")
            with pytest.raises(httpx2.HTTPStatusError):
                async with open_wire("s", there, evidence, ignored):
                    raise AssertionError("it cannot be open")

    assert evidence.http_status == 401


SERVES_LATE = """
import http.server, json, sys, time
print("chatter on stdout " * 9999)
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args): pass
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        body = json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": {"it": "works"}}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_a_command_with_a_url_is_started_waited_for_and_reached_there() -> None:
    port = free_port()
    phases: list[Phase] = []
    evidence = Evidence()
    there = target(
        Transport.HTTP,
        command=(sys.executable, "-c", SERVES_LATE, str(port)),
        url=f"http://127.0.0.1:{port}/mcp",
    )
    with anyio.fail_after(PATIENCE):
        async with open_wire("s", there, evidence, phases.append) as wire:
            assert await answer(wire, "x") == {"it": "works"}

    assert list(dict.fromkeys(phases)) == [Phase.LAUNCH, Phase.CONNECT]
    assert evidence.exit_code is not None


async def test_a_command_that_ends_before_it_serves_its_url_is_not_waited_for() -> None:
    evidence = Evidence()
    there = target(
        Transport.HTTP,
        command=(sys.executable, "-S", "-c", "raise SystemExit(7)"),
        url=f"http://127.0.0.1:{free_port()}",
    )
    with anyio.fail_after(PATIENCE), pytest.raises(ExceptionGroup) as caught:
        async with open_wire("s", there, evidence, ignored):
            raise AssertionError("it cannot be open")

    assert caught.group_contains(ConnectionError, match="the process ended")
    assert (evidence.hung_up, evidence.exit_code) == (True, 7)


# --- in process


async def test_an_sdk_server_is_reached_over_memory() -> None:
    with anyio.fail_after(PATIENCE):
        async with memory_wire(Server("inner")) as wire:
            assert await answer(wire, "ping") == {}


async def test_a_port_that_somebody_else_has_is_no_place_for_a_server_of_ours() -> None:
    """Or we would talk to theirs, and think that ours keeps dying."""
    with socket.create_server(("127.0.0.1", 0)) as theirs:
        url = f"http://127.0.0.1:{theirs.getsockname()[1]}/mcp"
        there = target(Transport.HTTP, command=(sys.executable, "-S", "-c", ""), url=url)
        with anyio.fail_after(PATIENCE), pytest.raises(AddressTaken, match="something else listens"):
            async with open_wire("s", there, Evidence(), ignored):
                raise AssertionError("it cannot be open")


def test_a_server_that_we_start_and_reach_gets_a_free_port() -> None:
    config = ServerConfig(
        type=Transport.HTTP,
        command="serve",
        args=("--port", "${MAGICTUNNEL_PORT}"),
        url="http://127.0.0.1:${MAGICTUNNEL_PORT}/mcp",
    )
    found = resolve(config, Secrets({}))

    assert int(found.command[2]) > 0
    assert found.url == f"http://127.0.0.1:{found.command[2]}/mcp"
    with pytest.raises(UnsetVariable):
        resolve(ServerConfig(type=Transport.HTTP, url="http://127.0.0.1:${MAGICTUNNEL_PORT}/mcp"), Secrets({}))
