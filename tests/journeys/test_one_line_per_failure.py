"""Opaque `ExceptionGroup` errors (37): each failure is one line that names server, phase, cause and next step."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import pytest
from mcp.shared.exceptions import MCPError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from magictunnel.config.model import Config, Era, ServerConfig, Transport
from magictunnel.errors import StartFailure
from magictunnel.gateway import build, running
from magictunnel.secrets import Secrets
from tests.support.process import config_file, entry, over_stdio, ran, shell
from tests.support.raw import Script, command, tool
from tests.support.web import raw_http, served
from tests.support.world import PATIENCE, python_server, world

pytestmark = pytest.mark.anyio

TOOLS = {"tools": [tool("echo")]}
TANGLE = re.compile(r"ExceptionGroup|unhandled errors|TaskGroup|Traceback|cancel scope|File \"")
SECRET = "s3cr3t-Value!of'a\\token"
"""With characters that quoting would change."""


class Told(NamedTuple):
    """What the line about a failure has to say: phase, cause and next step as patterns."""

    phase: str
    cause: str
    hint: str


def scripted(**script: Any) -> Any:
    return lambda folder: stdio(command(Script(name="bad", offers=TOOLS, **script), folder))


def stdio(words: list[str], **keys: Any) -> ServerConfig:
    return ServerConfig(type=Transport.STDIO, command=words[0], args=tuple(words[1:]), start_timeout=1.0, **keys)


def line_of_shell(line: str) -> Any:
    return lambda _folder: stdio(["/bin/sh", "-c", line])


def executable_nonsense(folder: Path) -> ServerConfig:
    path = folder / "nonsense"
    path.write_bytes(b"\x00\x01\x02 this is no program")
    path.chmod(0o755)
    return stdio([str(path)])


def server_in_its_own_words(folder: Path) -> ServerConfig:
    """It says on stdout what it is, as many do, and goes on to fail for a reason of its own."""
    return stdio(
        command(Script(name="bad", offers=TOOLS, junk=["Server v1.2 starting"], crash_on=["tools/list"]), folder)
    )


def module_missing(folder: Path) -> ServerConfig:
    path = folder / "server.py"
    path.write_text("import no_such_module_at_all\n", encoding="utf-8")
    return python_server(path)


REFUSAL = {"error": {"code": -32000, "message": "the licence has expired"}}

STARTED = {
    "a command that is not installed": (
        lambda _: stdio(["no-such-binary"]),
        Told("launch", "'no-such-binary' was not found", "install it"),
    ),
    "a path that leads nowhere": (
        lambda _: stdio(["/no/such/binary"]),
        Told("launch", "^(?!.*folder).*/no/such/binary", "`command`|install"),
    ),
    "a file that may not be run": (lambda _: stdio([__file__]), Told("launch", "not allowed to run", r"chmod \+x")),
    "a file that cannot be run": (executable_nonsense, Told("launch", "nonsense", "`command`")),
    "a folder that is not there": (
        lambda _: stdio(["sh"], cwd="/no/such/folder"),
        Told("launch", "no such folder: /no/such/folder", "`cwd`"),
    ),
    "a variable that is not set": (
        lambda _: stdio(["sh"], env={"KEY": "${NEVER_SET}"}),
        Told("resolve", r"\$\{NEVER_SET\} in env.KEY is not set", "set NEVER_SET"),
    ),
    "no answer at all": (
        scripted(hang_on=["initialize", "server/discover"]),
        Told("handshake", "no answer within 1 s", "start_timeout"),
    ),
    "no answer to a list": (scripted(hang_on=["tools/list"]), Told("list", "no answer within 1 s", "start_timeout")),
    "an exit": (scripted(exit_at_once=7), Told("handshake", "exit code 7", "by hand|command")),
    "an exit with last words": (
        scripted(exit_at_once=7, chatter=["loading", "fatal: no database"]),
        Told("handshake", "exit code 7", "fatal: no database"),
    ),
    "a crash in a list": (scripted(crash_on=["tools/list"]), Told("list", "exit code 3", "by hand|command")),
    "a kill": (line_of_shell("kill -9 $$"), Told("handshake", "SIGKILL", "memory|by hand|command")),
    "only junk": (
        scripted(only_junk=True),
        Told("handshake", "not JSON-RPC.*I have no idea what you mean", "MCP server.*stderr"),
    ),
    "a banner before the real trouble": (server_in_its_own_words, Told("list", "exit code 3", "by hand|command")),
    "a module that is missing": (
        module_missing,
        Told("handshake", "No module named 'no_such_module_at_all'", "install"),
    ),
    "a refused handshake": (
        scripted(era="handshake", answers={"initialize": REFUSAL}),
        Told("handshake", "the licence has expired", "."),
    ),
    "a refused list": (scripted(answers={"tools/list": REFUSAL}), Told("list", "the licence has expired", ".")),
    "a list that is none": (scripted(answers={"tools/list": {"tools": 7}}), Told("list", "no list of tools", ".")),
    "a handshake that is none": (
        scripted(era="handshake", answers={"initialize": {"protocolVersion": 7}}),
        Told("handshake", "not valid MCP", "."),
    ),
    "a revision nobody knows": (
        scripted(
            era="handshake",
            answers={
                "initialize": {
                    "protocolVersion": "1999-01-01",
                    "capabilities": {},
                    "serverInfo": {"name": "old", "version": "1"},
                }
            },
        ),
        Told("handshake", "1999-01-01", "."),
    ),
}


@pytest.mark.parametrize("trouble", STARTED)
async def test_a_failure_of_a_server_that_we_start_is_one_line(trouble: str, tmp_path: Path) -> None:
    make, told = STARTED[trouble]
    assert_told(await failure_of(make(tmp_path)), told)


REACHED = {
    "HTTP 401": (401, Told("handshake", "HTTP 401", "headers.*Authorization")),
    "HTTP 403": (403, Told("handshake", "HTTP 403", "headers.*Authorization")),
    "HTTP 404": (404, Told("handshake", "HTTP 404", "`url`")),
    "HTTP 500": (500, Told("handshake", "HTTP 500", ".")),
}


@pytest.mark.parametrize("transport", ["http", "sse"])
@pytest.mark.parametrize("trouble", REACHED)
async def test_a_refusal_of_a_server_behind_a_url_is_one_line(trouble: str, transport: str) -> None:
    status, told = REACHED[trouble]
    async with raw_http(Script(name="bad"), status=status) as (_server, port):
        failure = await failure_of(remote(transport, port))
    assert_told(failure, told if transport == "http" else told._replace(phase="connect"))


@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_a_port_where_nobody_listens_is_one_line(transport: str) -> None:
    failure = await failure_of(remote(transport, 1, user="me:s3cr3t-password@", query="?key=s3cr3t-key"))
    assert_told(
        failure, Told("connect", r"cannot connect to http://127\.0\.0\.1:1/", "start that server, or correct `url`")
    )
    assert "s3cr3t" not in str(failure)


@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_a_web_page_is_no_mcp_server_in_one_line(transport: str) -> None:
    async with web(lambda _request: HTMLResponse("<h1>hello</h1>")) as port:
        failure = await failure_of(remote(transport, port))
    assert_told(failure, Told("handshake" if transport == "http" else "connect", "text/html|Content-Type", "`url`"))


async def test_a_server_that_ends_before_it_listens_is_one_line(tmp_path: Path) -> None:
    words = ("-c", "import sys; sys.exit('the port is taken')")
    keys: dict[str, Any] = {"command": sys.executable, "args": words}
    failure = await failure_of(remote("http", 1, **keys))
    assert_told(failure, Told("connect", "exit code 1|ended before it listened", "the port is taken"))


async def test_silence_behind_a_url_is_one_line() -> None:
    async with raw_http(Script(name="bad", offers=TOOLS, hang_on=["server/discover", "initialize"])) as (_server, port):
        failure = await failure_of(remote("sse", port))
    assert_told(failure, Told("handshake", "no answer within 1 s", "start_timeout"))


async def test_what_a_server_does_not_offer_over_http_is_not_blamed_for_what_fails_later() -> None:
    """A server of the handshake era refuses the probe and the GET stream, as the revision lets it: 400 and 405."""

    async def answer(request: Request) -> Response:
        if request.method != "POST":
            return Response(status_code=405)
        message = await request.json()
        if message["method"] == "server/discover":
            return Response("Bad Request: no session", status_code=400)
        if message["method"] == "initialize":
            about = {"name": "old", "version": "1"}
            result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": about}
            return JSONResponse({"jsonrpc": "2.0", "id": message["id"], "result": result})
        if "id" not in message:
            return Response(status_code=202)
        return JSONResponse({"jsonrpc": "2.0", "id": message["id"], **REFUSAL})

    async with web(answer) as port:
        failure = await failure_of(remote("http", port))
    assert_told(failure, Told("list", "the licence has expired", "."))


async def test_a_failure_after_the_start_is_one_line_too(tmp_path: Path) -> None:
    script = Script(name="bad", offers=TOOLS, crash_on=["tools/call echo"], chatter=["low on ink"])
    with anyio.fail_after(PATIENCE):
        async with world([script], tmp_path) as w, w.client() as client:
            with pytest.raises(MCPError, match="broke"):
                await client.call_tool("bad__echo")
            await w.until(lambda: w.gateway.status["bad"].failure is not None)
            failure = w.gateway.status["bad"].failure
    assert failure is not None
    assert_told(failure, Told("serve", "exit code 3", "low on ink"))


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"env": {"TOKEN": "${TOKEN}"}}, 'printf "bad token %s\\n" "$TOKEN" >&2; exit 3'),
        ({"env": {"TOKEN": "${TOKEN}"}}, 'printf "bad token %s\\n" "$TOKEN"; exec cat >/dev/null'),
        ({"env": {"TOKEN": "Bearer ${TOKEN}"}}, 'for i in 1 2 3; do printf "(%s)\\n" "$TOKEN" >&2; done; exit 3'),
        ({}, 'printf "bad token %s\\n" "$1" >&2; exit 3'),
    ],
    ids=["on stderr", "on stdout", "often", "from args"],
)
async def test_a_secret_that_a_server_repeats_is_masked(keys: dict[str, Any], words: str) -> None:
    failure = await failure_of(stdio(["/bin/sh", "-c", words, "sh", "${TOKEN}"], **keys))
    assert "***" in str(failure)
    assert "s3cr3t" not in str(failure)


async def test_a_secret_cut_off_at_the_end_of_a_long_line_is_masked() -> None:
    line = 'printf "%0490d%s\\n" 0 "$TOKEN" >&2; exit 3'
    failure = await failure_of(stdio(["/bin/sh", "-c", line], env={"TOKEN": "${TOKEN}"}))
    assert "s3cr3t" not in str(failure)


async def test_each_line_of_a_secret_with_many_lines_is_masked() -> None:
    line = 'printf "%s\\n" "$KEY" >&2; exit 3'
    failure = await failure_of(stdio(["/bin/sh", "-c", line], env={"KEY": "${KEY}"}))
    assert "s3cr3t" not in str(failure)


async def test_check_says_one_line_for_each_server(tmp_path: Path) -> None:
    bad = several(tmp_path)
    done = await ran("check", "-c", str(config_file(tmp_path, bad)), env={"TOKEN": SECRET})
    assert done.code == 1
    assert_clean(done.out + done.err)
    lines = done.out.splitlines()
    assert [line.split("\t")[0] for line in lines] == list(bad)
    for line, phase in zip(lines, PHASES, strict=True):
        assert line.split("\t")[1:3] == ["FAILED", phase]
        assert re.search(r"\t[^\t]+ \(.+\)$", line)
    assert "bad token ***" in done.out
    assert not done.err


async def test_check_as_json_has_phase_cause_and_next_step_of_each_server(tmp_path: Path) -> None:
    bad = several(tmp_path)
    done = await ran("check", "--json", "-c", str(config_file(tmp_path, bad)), env={"TOKEN": SECRET})
    assert done.code == 1
    assert_clean(done.out + done.err)
    facts = json.loads(done.out)
    assert [fact["server"] for fact in facts] == list(bad)
    assert [fact["phase"] for fact in facts] == PHASES
    assert all(fact["error"] and fact["hint"] for fact in facts)


async def test_serve_logs_one_line_for_each_failure(tmp_path: Path) -> None:
    bad = several(tmp_path)
    with anyio.fail_after(PATIENCE):
        async with over_stdio(config_file(tmp_path, bad), env={"TOKEN": SECRET}) as host:
            await host.open()
            for name in bad:
                await host.said(f"server '{name}': ")
            await host.close_stdin()
            await host.ended()
    assert_clean("\n".join([*host.talk, *host.lines]))
    for name, phase in zip(bad, PHASES, strict=True):
        said = {line.split("WARNING")[-1].strip() for line in host.talk if name in line}
        assert len(said) == 1, said
        assert re.fullmatch(rf"server '{name}': {phase}: .+ \(.+\)", said.pop())
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in host.talk), host.talk


async def test_the_childs_own_talk_is_masked_in_the_debug_log(tmp_path: Path) -> None:
    script = Script(name="chatty", offers=TOOLS, chatter=[f"my token is {SECRET}"])
    servers = {"chatty": entry(script, tmp_path, env={"TOKEN": "${TOKEN}"})}
    with anyio.fail_after(PATIENCE):
        async with over_stdio(config_file(tmp_path, servers), "--log-level", "debug", env={"TOKEN": SECRET}) as host:
            await host.said(r"chatty \| my token is \*\*\*$")
            await host.close_stdin()
            await host.ended()
    assert not [line for line in host.talk if "s3cr3t" in line]


PHASES = ["launch", "launch", "handshake", "handshake", "list", "connect"]


def several(folder: Path) -> dict[str, Any]:
    """One server for each of PHASES."""
    return {
        "missing": {"command": "no-such-binary"},
        "homeless": {"command": "sh", "cwd": "/no/such/folder"},
        "leaky": shell('printf "bad token %s\\n" "$TOKEN" >&2; exit 3', env={"TOKEN": "${TOKEN}"}),
        "mute": entry(Script(name="mute", only_junk=True), folder, start_timeout=1),
        "crashing": entry(Script(name="crashing", offers=TOOLS, crash_on=["tools/list"]), folder),
        "refused": {"url": "http://127.0.0.1:1/mcp"},
    }


def remote(transport: str, port: int, user: str = "", query: str = "", **keys: Any) -> ServerConfig:
    path = "sse" if transport == "sse" else "mcp"
    url = f"http://{user}127.0.0.1:{port}/{path}{query}"
    return ServerConfig(type=Transport(transport), url=url, start_timeout=1.0, era=Era.AUTO, **keys)


@asynccontextmanager
async def web(answer: Any) -> AsyncIterator[int]:
    """A web server that gives `answer` to everything at /mcp and /sse."""
    methods = ["GET", "POST", "DELETE"]
    async with served(Starlette(routes=[Route(path, answer, methods=methods) for path in ("/mcp", "/sse")])) as port:
        yield port


async def failure_of(server: ServerConfig) -> StartFailure:
    """Why a gateway says that this one server failed."""
    secrets = Secrets({"TOKEN": SECRET, "KEY": f"-----BEGIN KEY-----\n{SECRET}"})
    gateway = build(Config(servers={"bad": server}), secrets=secrets)
    with anyio.fail_after(PATIENCE):
        async with running(gateway):
            await gateway.settled()
            failure = gateway.status["bad"].failure
    assert failure is not None
    return failure


def assert_told(failure: StartFailure, told: Told) -> None:
    assert (failure.server, failure.phase) == ("bad", told.phase)
    assert re.search(told.cause, failure.cause)
    assert re.search(told.hint, failure.hint)
    line = str(failure)
    assert line == f"server 'bad': {failure.phase}: {failure.cause} ({failure.hint})"
    assert len(line.splitlines()) == 1
    assert line.isprintable()
    assert len(line) < 1_000
    assert_clean(line)


def assert_clean(text: str) -> None:
    assert not TANGLE.search(text)
    assert "s3cr3t" not in text
