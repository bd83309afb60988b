"""A thousand clients that listen: one change behind is told to each of them, once, and none of them waits for long."""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import Iterator
from contextlib import suppress

import anyio
import pytest

from magictunnel.catalog.model import Json
from tests.support.raw import HANDSHAKE, STATELESS, VERSION_KEY, Script, tool
from tests.support.world import World, world

pytestmark = pytest.mark.anyio

CLIENTS = {"handshake": 300, "stateless": 1_000}
AT_ONCE = 50
"""Clients that come at the same time."""
BOUND = 60.0
"""Seconds for all of them to come, and to hear."""
FILES = 4 * max(CLIENTS.values())
"""Both ends of every connection are ours."""
ABOUT = {"name": "raw", "version": "1"}
PROMPT = {"name": "ask"}


@pytest.fixture(autouse=True)
def _enough_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FILES:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < FILES:
        pytest.skip(f"needs {FILES:,} open files (ulimit -n)")
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Ear(asyncio.Protocol):
    """One connection, and all that came on it."""

    def __init__(self) -> None:
        self._came = b""
        self._changed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._came += data
        self._changed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.data_received(b"<end>")

    def say(self, data: bytes) -> None:
        self._transport.write(data)

    def hang_up(self) -> None:
        self._transport.close()

    def count(self, said: str) -> int:
        """How often that was said."""
        return self._came.count(said.encode())

    async def until(self, said: str) -> str:
        """Wait until that was said; all that was."""
        while not self.count(said):
            assert not self.count("<end>"), self._came
            self._changed.clear()
            await self._changed.wait()
        return self._came.decode()


async def connected(port: int, first: bytes) -> Ear:
    """A connection on which that has been sent."""
    _, ear = await asyncio.get_running_loop().create_connection(Ear, "127.0.0.1", port)
    ear.say(first)
    return ear


def request(method: str, body: Json | None = None, **headers: str) -> bytes:
    """One HTTP request."""
    text = json.dumps({"jsonrpc": "2.0"} | body).encode() if body else b""
    named = {"host": "127.0.0.1", "accept": "application/json, text/event-stream", "content-length": str(len(text))}
    lines = [f"{key.replace('_', '-')}: {value}" for key, value in (named | headers).items()]
    return "\r\n".join([f"{method} /mcp HTTP/1.1", *lines, "", ""]).encode() + text


async def session_stream(port: int) -> Ear:
    """A session of the handshake era, and the stream on which it hears what belongs to none of its requests."""
    about = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": ABOUT}
    opening = request("POST", {"id": 1, "method": "initialize", "params": about}, content_type="application/json")
    ear = await connected(port, opening)
    head = (await ear.until("protocolVersion")).partition("\r\n\r\n")[0].lower()
    session = next(line.partition(": ")[2] for line in head.split("\r\n") if line.startswith("mcp-session-id"))
    said = {"method": "notifications/initialized"}
    ear.say(request("POST", said, content_type="application/json", mcp_session_id=session))
    await ear.until("202 Accepted")
    ear.hang_up()
    stream = await connected(port, request("GET", mcp_session_id=session))
    await stream.until("text/event-stream")
    return stream


async def listen_stream(port: int) -> Ear:
    """A listen stream of the stateless era."""
    keys = {"protocolVersion": STATELESS, "clientInfo": ABOUT, "clientCapabilities": {}}
    meta = {VERSION_KEY.replace("protocolVersion", key): value for key, value in keys.items()}
    wanted = {"toolsListChanged": True, "promptsListChanged": True}
    method = "subscriptions/listen"
    asked = {"id": 1, "method": method, "params": {"notifications": wanted, "_meta": meta}}
    headers = {"content_type": "application/json", "mcp_protocol_version": STATELESS, "mcp_method": method}
    stream = await connected(port, request("POST", asked, **headers))
    await stream.until("acknowledged")
    return stream


async def streams(port: int, era: str) -> list[Ear]:
    """All of them."""
    opened = session_stream if era == "handshake" else listen_stream
    ears: list[Ear] = []
    for _ in range(CLIENTS[era] // AT_ONCE):
        ears += await asyncio.gather(*(opened(port) for _ in range(AT_ONCE)))
    return ears


def change(w: World, kind: str) -> str:
    """Have the server offer something else; what clients are told."""
    new = {"tools": [tool("echo"), tool("new")], "prompts": [PROMPT, {"name": "new"}]}[kind]
    w.servers["srv"].change(kind, new)
    return f"notifications/{kind}/list_changed"


@pytest.mark.parametrize("era", CLIENTS)
async def test_a_change_is_told_to_every_stream_exactly_once(era: str) -> None:
    script = Script(name="srv", offers={"tools": [tool("echo")], "prompts": [PROMPT]})
    with anyio.fail_after(BOUND):
        async with world([script], over="http") as w:
            await w.until_ready()
            server = w.servers["srv"]
            await w.until(lambda: bool(server.pushes or server.listeners))
            ears = await streams(w.port, era)
            for kind in ("tools", "prompts"):
                told = change(w, kind)
                for ear in ears:
                    await ear.until(told)
            # News comes in order: behind that of prompts nothing can follow of what came before.
            counts = {(ear.count("tools/list_changed"), ear.count("prompts/list_changed")) for ear in ears}
            assert counts == {(1, 1)}
            for ear in ears:
                ear.hang_up()
            await w.until(lambda: not len(w.front.handlers.streams))
