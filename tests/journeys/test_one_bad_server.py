"""One bad server empties the catalogue (13): whatever is wrong with one, the others are listed and can be called."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import pytest
from mcp.shared.exceptions import MCPError

from magictunnel.backends.states import State, Status
from magictunnel.config.model import ServerConfig, Transport
from tests.support.raw import Script, command, text, tool
from tests.support.web import raw_http
from tests.support.world import ERAS, PATIENCE, World, world

pytestmark = pytest.mark.anyio

START_TIMEOUT = 1.0
"""Seconds that a server gets which is meant to be given up; the others have all the time of the test."""
FOUND_BY_TIME = "no answer", "not JSON-RPC"
UNSET = "${MAGICTUNNEL_TEST_NEVER_SET}"
TOOLS = {"tools": [tool("echo")]}
GOOD = Script(name="good", offers=TOOLS, answers={"tools/call echo": text("hello")})


class Trouble(NamedTuple):
    """What is wrong with a server, how far it gets, and what is said of it."""

    phase: str
    cause: str
    script: dict[str, Any] = {}  # noqa: RUF012 never changed
    keys: dict[str, Any] = {}  # noqa: RUF012
    status: int = 0


HANGS_AT_FIRST = Trouble("handshake", "no answer", {"hang_on": ["initialize", "server/discover"]})
HANGS_IN_LIST = Trouble("list", "no answer", {"hang_on": ["tools/list"]})

OF_PROCESSES = {
    "missing binary": Trouble("launch", "no-such-binary", keys={"command": "no-such-binary"}),
    "missing file": Trouble("launch", "/no/such/binary", keys={"command": "/no/such/binary"}),
    "not executable": Trouble("launch", "not allowed to run", keys={"command": __file__}),
    "no such cwd": Trouble("launch", "/no/such/folder", keys={"cwd": "/no/such/folder"}),
    "unset variable": Trouble("resolve", UNSET, keys={"env": {"KEY": UNSET}}),
}
OF_STDIO = {
    **OF_PROCESSES,
    "hang at first": HANGS_AT_FIRST,
    "hang in list": HANGS_IN_LIST,
    "crash in list": Trouble("list", "exit code 3", {"crash_on": ["tools/list"]}),
    "exits at once": Trouble("handshake", "exit code 7", {"exit_at_once": 7}),
    "only junk": Trouble("handshake", "not JSON-RPC", {"only_junk": True}),
}
OF_HTTP = {
    "refused port": Trouble("connect", "cannot connect"),
    "unset variable": Trouble("resolve", UNSET, keys={"headers": {"Authorization": f"Bearer {UNSET}"}}),
    **{f"HTTP {status}": Trouble("handshake", f"HTTP {status}", status=status) for status in (401, 403, 500)},
    "hang at first": HANGS_AT_FIRST,
    "hang in list": HANGS_IN_LIST,
    "crash in list": Trouble("list", "HTTP 500", {"crash_on": ["tools/list"]}),
}
OF_SSE = {
    **OF_HTTP,
    **{f"HTTP {status}": Trouble("connect", f"HTTP {status}", status=status) for status in (401, 403, 500)},
    "crash in list": Trouble("list", "onnection", {"crash_on": ["tools/list"]}),
}
OF_STARTED_HTTP = {
    **OF_PROCESSES,
    "exits at once": Trouble("connect", "exit code 7", keys={"command": sys.executable, "args": ("-c", "exit(7)")}),
    "never listens": Trouble("connect", "no answer", keys={"command": "/bin/sleep", "args": ("60",)}),
}


ALL = {"stdio": OF_STDIO, "http": OF_HTTP, "sse": OF_SSE, "started http": OF_STARTED_HTTP}


@pytest.mark.parametrize("transport", ALL)
async def test_bad_servers_are_named_and_the_others_are_served(transport: str, tmp_path: Path) -> None:
    with anyio.fail_after(4 * PATIENCE):
        async with contextlib.AsyncExitStack() as stack:
            entries = {
                name: await stack.enter_async_context(bad_server(transport, trouble, tmp_path, name))
                for name, trouble in ALL[transport].items()
            }
            w = await stack.enter_async_context(beside_a_good_one(entries, tmp_path))
            for era in ERAS:
                await assert_good_is_served(w, era)
            for name, trouble in ALL[transport].items():
                # On a busy machine what hangs in its list may first be given up in its handshake: it is tried again.
                await w.until(lambda name=name, trouble=trouble: is_told(w.gateway.status[name], trouble))
                status = w.gateway.status[name]
                assert status.failure is not None
                assert status.failure.server == name
                assert status.state is not State.READY, name
                assert status.attempts >= 1, name


async def test_a_client_waits_no_longer_than_start_wait_for_a_server_that_hangs(
    client_era: str, tmp_path: Path
) -> None:
    with anyio.fail_after(PATIENCE):
        async with (
            bad_server("stdio", HANGS_AT_FIRST, tmp_path, start_timeout=600.0) as bad,
            beside_a_good_one({"bad": bad}, tmp_path, start_wait=0.5) as w,
        ):
            await assert_good_is_served(w, client_era)
            assert w.gateway.status["bad"].state is State.STARTING
            assert w.gateway.status["bad"].phase == "handshake"


async def test_a_tool_of_a_server_that_never_came_up_is_unknown_at_once(client_era: str, tmp_path: Path) -> None:
    with anyio.fail_after(PATIENCE):
        async with (
            bad_server("stdio", OF_STDIO["exits at once"], tmp_path) as bad,
            beside_a_good_one({"bad": bad}, tmp_path) as w,
            w.client(client_era) as client,
        ):
            with pytest.raises(MCPError) as refusal:
                await client.call_tool("bad__echo")
            assert refusal.value.code == -32602
            assert "bad__echo" in refusal.value.message


async def test_a_server_that_cannot_list_one_kind_is_no_half_a_server(client_era: str, tmp_path: Path) -> None:
    """Tools come first: they may be listed when the prompts fail, but the server is not called ready."""
    refusal = {"error": {"code": -32603, "message": "the database is down"}}
    script = Script(name="half", offers={**TOOLS, "prompts": [{"name": "ask"}]}, answers={"prompts/list": refusal})
    with anyio.fail_after(PATIENCE):
        async with world([GOOD, script], tmp_path) as w:
            await assert_good_is_served(w, client_era)
            failure = w.gateway.status["half"].failure
            assert failure is not None
            assert failure.phase == "list"
            assert "the database is down" in failure.cause


def is_told(status: Status, trouble: Trouble) -> bool:
    return (
        status.failure is not None and status.failure.phase == trouble.phase and trouble.cause in status.failure.cause
    )


async def assert_good_is_served(w: World, era: str) -> None:
    async with w.client(era) as client:
        assert [item.name for item in (await client.list_tools()).tools] == ["good__echo"]
        result = await client.call_tool("good__echo")
        assert result.content[0].text == "hello"


@asynccontextmanager
async def beside_a_good_one(
    bad: dict[str, ServerConfig], tmp_path: Path, start_wait: float = 5.0
) -> AsyncIterator[World]:
    async with world([GOOD], tmp_path, more=bad, start_wait=start_wait) as w:
        yield w


@asynccontextmanager
async def bad_server(
    transport: str, trouble: Trouble, folder: Path, name: str = "bad", start_timeout: float | None = None
) -> AsyncIterator[ServerConfig]:
    """The config entry of a server with that trouble; the server runs if it is one that we do not start."""
    script = Script(name=name, offers=TOOLS, **trouble.script)
    limits = {"start_timeout": start_timeout or (START_TIMEOUT if trouble.cause in FOUND_BY_TIME else PATIENCE)}
    if transport == "stdio":
        program, *args = command(script, folder)
        keys = {"command": program, "args": tuple(args), **trouble.keys}
        yield ServerConfig(type=Transport.STDIO, **limits, **keys)
        return
    path = "sse" if transport == "sse" else "mcp"
    if (trouble.phase == "connect" and not trouble.status) or transport == "started http":
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))  # bound but not listening: nobody can connect, and nobody else gets it
            url = f"http://127.0.0.1:{unused.getsockname()[1]}/{path}"
            program = {"command": "/bin/sleep", "args": ("60",)} if transport == "started http" else {}
            yield ServerConfig(
                type=Transport.HTTP if path == "mcp" else Transport.SSE, url=url, **limits, **program | trouble.keys
            )
        return
    async with raw_http(script, status=trouble.status) as (_server, port):
        url = f"http://127.0.0.1:{port}/{path}"
        yield ServerConfig(type=Transport(transport), url=url, **limits, **trouble.keys)
