"""Failure mode 15, once more: a host that lists once, the moment it has started us, is to get everything.

What it is told at once was written by the run before. The store itself is taken away here and servers are not up, so
that nobody but the first words can have answered.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.support.process import Tunnel, config_file, entry, over_stdio, shell
from tests.support.raw import HANDSHAKE, Json, Script, command, tool
from tests.support.wires import own_wire

pytestmark = [pytest.mark.anyio, own_wire]

PATIENCE = 40.0
WAITS = 'flag=$1; shift; until [ -e "$flag" ]; do sleep 0.05; done; exec "$@"'
CHANGED = "notifications/tools/list_changed"


class Ground:
    """One config whose only server waits for a flag, and the place where things are kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.flag = folder / "flag"
        self.env = {"MAGICTUNNEL_STORE": str(folder / "state" / "store.db")}
        self.config = folder / "magictunnel.json"
        self.offer("one", "two")

    def offer(self, *tools: str, **more: Any) -> None:
        """What the server offers when it is started next."""
        script = Script(name="srv", offers={"tools": [tool(name) for name in tools]}, **more)
        line = shell(WAITS, str(self.flag), *command(script, self.folder))
        if not self.config.exists():
            config_file(self.folder, {"srv": line}, start_wait="30s")

    @property
    def kept(self) -> list[Path]:
        return [path for path in (self.folder / "state" / "first").glob("*") if path.name[0] != "."]

    async def before(self) -> None:
        """A run in which all was well; of all that it knew, only the first words are left."""
        self.flag.touch()
        async with over_stdio(self.config, env=self.env) as host:
            assert await listed(host, "handshake") == ["srv__one", "srv__two"]
            await host.until(lambda: bool(self.kept))
            await host.close_stdin()
            await host.ended()
        for path in (self.folder / "state").glob("store*"):
            path.unlink()
        self.flag.unlink()


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


async def listed(host: Tunnel, era: str) -> list[str]:
    """What a host sees that lists once, as soon as it can."""
    await host.open(era)
    return names(await host.request("tools/list"))


def names(answer: Json) -> list[str]:
    return sorted(one["name"] for one in answer["result"]["tools"])


async def called(host: Tunnel, name: str) -> Json:
    return await host.request("tools/call", {"name": name, "arguments": {}})


async def test_a_host_is_told_everything_before_any_server_is_up(ground: Ground, client_era: str) -> None:
    with anyio.fail_after(PATIENCE):
        await ground.before()
        async with over_stdio(ground.config, env=ground.env) as host:
            assert await listed(host, client_era) == ["srv__one", "srv__two"]
            number = await host.ask("tools/call", {"name": "srv__one", "arguments": {}})
            ground.flag.touch()
            await host.until(lambda: any(message.get("id") == number for message in host.messages))
            assert [message["id"] for message in host.messages if "id" in message] == [1, 2, 3]
            assert "result" in host.messages[-1]
            assert host.heard(CHANGED) == []


async def test_a_host_that_was_told_what_is_not_so_any_more_hears_of_it(ground: Ground) -> None:
    with anyio.fail_after(PATIENCE):
        await ground.before()
        ground.offer("two", "three")
        async with over_stdio(ground.config, env=ground.env) as host:
            assert await listed(host, "handshake") == ["srv__one", "srv__two"]
            ground.flag.touch()
            await host.until(lambda: bool(host.heard(CHANGED)))
            assert names(await host.request("tools/list")) == ["srv__three", "srv__two"]
            assert "result" in await called(host, "srv__three")
            assert [message["id"] for message in host.messages if "id" in message] == [1, 2, 3, 4]


async def test_a_host_that_opens_its_session_late_hears_then_of_what_it_was_told_and_is_not_so(ground: Ground) -> None:
    with anyio.fail_after(PATIENCE):
        await ground.before()
        ground.offer("two", "three")
        ground.flag.touch()
        async with over_stdio(ground.config, env=ground.env) as host:
            host.era = "handshake"
            about = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
            await host.request("initialize", about)
            assert names(await host.request("tools/list")) == ["srv__one", "srv__two"]
            while names(await host.request("tools/list")) != ["srv__three", "srv__two"]:
                await anyio.sleep(0.05)
            assert not host.heard(CHANGED)
            await host.send({"method": "notifications/initialized"})
            await host.until(lambda: bool(host.heard(CHANGED)))


async def test_a_host_that_listens_later_hears_of_what_it_was_told_and_is_not_so(ground: Ground) -> None:
    with anyio.fail_after(PATIENCE):
        await ground.before()
        ground.offer("two", "three")
        ground.flag.touch()
        async with over_stdio(ground.config, env=ground.env) as host:
            assert await listed(host, "stateless") == ["srv__one", "srv__two"]
            assert "result" in await called(host, "srv__three")
            await host.ask("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
            await host.until(lambda: bool(host.heard(CHANGED)))


async def test_a_server_that_is_down_fails_its_calls_and_nothing_else(ground: Ground, client_era: str) -> None:
    with anyio.fail_after(PATIENCE):
        await ground.before()
        ground.offer("one", "two", exit_at_once=3)
        ground.flag.touch()
        async with over_stdio(ground.config, env=ground.env) as host:
            assert await listed(host, client_era) == ["srv__one", "srv__two"]
            answer = await called(host, "srv__one")
            assert "error" in answer or answer["result"]["isError"]
            assert await host.request("tools/list")
            await host.close_stdin()
            assert await host.ended() == 0


async def test_another_config_is_nothing_that_was_known(ground: Ground, client_era: str) -> None:
    with anyio.fail_after(PATIENCE):
        await ground.before()
        other = Script(name="other", offers={"tools": [tool("new")]})
        config_file(ground.folder, {"other": entry(other, ground.folder)})
        async with over_stdio(ground.config, env=ground.env) as host:
            assert await listed(host, client_era) == ["other__new"]


async def test_what_a_host_writes_in_one_go_is_answered_each_once(ground: Ground) -> None:
    """Also when it uses one id for all, and has hung up by then."""
    about = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
    asked: list[Json] = [
        {"id": 7, "method": "initialize", "params": about},
        {"method": "notifications/initialized"},
        {"id": 7, "method": "ping"},
        {"id": 7, "method": "tools/list"},
        {"id": 8, "method": "nothing/known"},
        {"id": 9, "method": "tools/list"},
    ]
    lines = [json.dumps({"jsonrpc": "2.0"} | message) + "\n" for message in asked]
    with anyio.fail_after(PATIENCE):
        await ground.before()
        ground.flag.touch()
        async with over_stdio(ground.config, env=ground.env) as host:
            assert host.process.stdin is not None
            await host.process.stdin.send("".join(lines).encode())
            await host.until(lambda: len(host.lines) == 5)
            await host.close_stdin()
            assert await host.ended() == 0
        assert sorted(message["id"] for message in host.messages) == [7, 7, 7, 8, 9]
        assert [sorted(message.get("result", {"error": 0})) for message in host.messages[:3]] == [
            ["capabilities", "protocolVersion", "serverInfo"],
            [],
            ["tools"],
        ]
        assert host.messages[2]["result"] == next(one for one in host.messages if one["id"] == 9)["result"]


@pytest.mark.parametrize("spoil", ["flip", "cut", "open"])
async def test_what_cannot_be_believed_is_not_said(ground: Ground, client_era: str, spoil: str) -> None:
    with anyio.fail_after(PATIENCE):
        await ground.before()
        (path,) = ground.kept
        content = path.read_bytes()
        if spoil == "flip":
            path.write_bytes(content.replace(b"srv__one", b"srv__own"))
        elif spoil == "cut":
            path.write_bytes(content[:-1])
        else:
            path.chmod(0o666)
        ground.flag.touch()
        ground.offer("three")
        async with over_stdio(ground.config, env=ground.env) as host:
            assert await listed(host, client_era) == ["srv__three"]
