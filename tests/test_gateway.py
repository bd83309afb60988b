"""All parts together: who is started, when lists may be answered, what is told once, what is left at the end."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest

from magictunnel.backends.states import State
from magictunnel.catalog.model import Kind, Listing
from magictunnel.config.model import Config, Naming, ServerConfig, ServerSettings, ToolConfig, Transport
from magictunnel.front.server import FrontServer
from magictunnel.gateway import build, own_secrets, publisher, running
from magictunnel.pipeline.call import Call
from magictunnel.wire.caller import Caller
from tests.support.front import client_of
from tests.support.memory import PlayedBackend
from tests.support.raw import Script, command, tool

pytestmark = pytest.mark.anyio

PATIENCE = 10.0
TOOL = {Kind.TOOL: [{"name": "x"}]}


def config(**more: Any) -> Config:
    return Config(**({"start_wait": 3_600.0} | more))


def server(**more: Any) -> ServerConfig:
    return ServerConfig(type=Transport.STDIO, command="/no/such/command", **more)


async def test_it_is_settled_when_every_server_is_up_or_has_failed_once() -> None:
    good, bad = PlayedBackend("good", TOOL), PlayedBackend("bad", failures=[OSError("no")] * 9)
    with anyio.fail_after(PATIENCE):
        async with running(build(config(), backends=[good, bad])) as gateway:
            await gateway.settled()

            assert [status.state for status in gateway.status.values()] == [State.READY, State.BACKING_OFF]
            assert list(gateway.live.current.of(Kind.TOOL)) == ["good__x"]


async def test_a_server_that_hangs_is_waited_for_no_longer_than_start_wait() -> None:
    hangs = PlayedBackend("hangs", hangs=True)
    with anyio.fail_after(PATIENCE):
        async with running(build(config(start_wait=0.05), backends=[hangs])) as gateway:
            await gateway.settled()

            assert gateway.status["hangs"].state is State.STARTING


async def test_nobody_waits_for_a_gateway_without_servers() -> None:
    with anyio.fail_after(PATIENCE):
        async with running(build(config())) as gateway:
            await gateway.settled()

            assert gateway.live.current.capabilities == {}


async def test_every_connection_is_closed_when_the_block_ends() -> None:
    backend = PlayedBackend("good", TOOL)
    with anyio.fail_after(PATIENCE), pytest.RaisesGroup(LookupError):
        async with running(build(config(), backends=[backend])) as gateway:
            await gateway.settled()
            assert backend.open_now == 1
            raise LookupError

    assert backend.open_now == 0


@pytest.mark.parametrize(
    ("defaults", "entry", "started"),
    [
        ({}, {}, True),
        ({}, {"enabled": False}, False),
        ({"enabled": False}, {}, False),
        ({"enabled": False}, {"enabled": True}, True),
        ({}, {"enabled": False, "tools": {"x": ToolConfig(enabled=True)}}, True),
        ({}, {"enabled": False, "tools": {"x": ToolConfig(name="y")}}, False),
    ],
    ids=["on", "off", "off by default", "on in spite of it", "one tool on", "one tool renamed"],
)
def test_a_server_is_started_only_if_something_of_it_is_offered(
    defaults: dict[str, Any], entry: dict[str, Any], started: bool
) -> None:
    made = build(config(servers={"s": server(**entry)}, defaults=ServerSettings(**defaults)))

    assert ("s" in made.status) is started


async def test_a_real_server_is_called_through_the_whole_of_it(tmp_path: Path) -> None:
    words = command(Script(name="s", offers={"tools": [tool("echo")]}), tmp_path)
    entry = ServerConfig(
        type=Transport.STDIO, command=words[0], args=tuple(words[1:]), tools={"echo": ToolConfig(timeout=7)}
    )
    with anyio.fail_after(PATIENCE):
        async with running(build(config(servers={"s": entry}, naming=Naming(separator="-")))) as gateway:
            await gateway.settled()
            catalog = gateway.live.current
            made = Call("c1", "tools/call", Kind.TOOL, "s-echo", {"name": "s-echo"}, Caller("me"), catalog)

            result = await gateway.handle(made)

            assert '"tool": "echo"' in result["content"][0]["text"]
            assert gateway.timeout_of(catalog.of(Kind.TOOL)["s-echo"]) == 7


def test_a_clash_is_logged_once_however_often_lists_change(caplog: pytest.LogCaptureFixture) -> None:
    publish = publisher(build(config(naming=Naming(prefix="never"))).live)

    for backend in ("a", "b", "c", "d"):
        publish(backend, Listing({Kind.TOOL: [{"name": "x" if backend in "ab" else backend}]}))

    told = [record.getMessage() for record in caplog.records]
    assert told == ["tool 'x' of a, b: 'a' keeps the name; 'b' is reached by its prefixed name only"]


def test_a_clash_is_logged_even_if_no_list_changes_by_it(caplog: pytest.LogCaptureFixture) -> None:
    """Without prefixes the loser of a clash is not listed, so the visible lists stay as they were."""
    publish = publisher(build(config(naming=Naming(prefix="never"))).live)
    publish("a", Listing(TOOL))

    publish("b", Listing(TOOL))

    assert "'a' keeps the name" in caplog.text


def test_servers_written_in_python_can_run_on_our_own_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAGICTUNNEL_PYTHON", raising=False)
    assert own_secrets().expand("${MAGICTUNNEL_PYTHON}", "command") == sys.executable

    monkeypatch.setenv("MAGICTUNNEL_PYTHON", "/their/python")
    assert own_secrets().expand("${MAGICTUNNEL_PYTHON}", "command") == "/their/python"


async def test_what_was_given_to_a_server_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGICTUNNEL_TEST_TOKEN", "hunter2-hunter2")
    made = build(config(servers={"s": server(env={"KEY": "${MAGICTUNNEL_TEST_TOKEN}"})}))
    with anyio.fail_after(PATIENCE):
        async with running(made) as gateway:
            await gateway.settled()

            assert gateway.mask("with hunter2-hunter2") == "with ***"


async def test_what_is_said_to_an_extension_reaches_the_servers_that_have_it_and_no_others() -> None:
    has = PlayedBackend("has", TOOL, capabilities={"extensions": {"com.example/notes": {}}})
    other = PlayedBackend("other", TOOL)
    said = ("notifications/notes/seen", {"text": "for those who have it"})
    async with AsyncExitStack() as stack:
        stack.enter_context(anyio.fail_after(PATIENCE))
        gateway = await stack.enter_async_context(running(build(config(), backends=[has, other])))
        client = await stack.enter_async_context(client_of(FrontServer(gateway), "handshake"))
        await client.open()
        await client.send({"method": said[0], "params": said[1]})
        await client.send({"method": "notifications/roots/list_changed"})
        await client.until(lambda: len(other.links[0].told) > 0 and len(has.links[0].told) > 1)

        assert [method for method, _ in other.links[0].told] == ["notifications/roots/list_changed"]
        assert has.links[0].told[0] == said
