"""Failure mode 31: an edit of the config restarts everything, or the watcher falls for its own backup file.

Only what changed starts anew; what is half-written changes nothing; and the shell does the same with one command.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from tests.support.gateways import is_answered, line_of, own_env, runtime_folder, socket_of, yaml_file
from tests.support.process import HAS_PROC, Tunnel, config_file, entry, gone, marked, over_stdio, ran
from tests.support.raw import Json, Script, tool
from tests.support.rawclient import raw_client
from tests.support.setting import over_http
from tests.support.web import raw_http

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(not HAS_PROC, reason="processes are found by /proc")]

PATIENCE = 30.0
TOOLS = [tool("echo"), tool("long"), tool("soon"), tool("change")]
CHANGED = "notifications/tools/list_changed"
UNKNOWN_NAME = -32602


def script(name: str) -> Script:
    """`long` is answered once two other calls were, `soon` in a moment."""
    waits = {"answer_after": {"tools/call long": 2}, "delay_on": {"tools/call soon": 0.5}}
    return Script(name=name, offers={"tools": TOOLS}, **waits)


@dataclass
class Scene:
    """A gateway over stdio whose client listens, and its config file."""

    host: Tunnel
    config: Path
    folder: Path
    env: dict[str, str]

    def pids(self, name: str) -> set[int]:
        """The processes of one server."""
        return set(marked(str(self.folder / f"{name}.script.json")))

    @property
    def told(self) -> int:
        """How often the client was told that the tools changed."""
        return len(self.host.heard(CHANGED))

    async def tools(self) -> list[str]:
        listed = await self.host.request("tools/list")
        return [one["name"] for one in listed["result"]["tools"]]

    async def call(self, name: str, **arguments: object) -> Json:
        return await self.host.request("tools/call", {"name": name, "arguments": arguments})

    def edit(self, old: str, new: str) -> str:
        """Write something else into the config, as editors do: beside it, and then in its place. What stood there."""
        text = self.config.read_text("utf-8")
        assert old in text
        beside = self.config.with_name("4913~")
        beside.write_text(text.replace(old, new), "utf-8")
        os.replace(beside, self.config)
        return text

    def content(self) -> str:
        return self.config.read_text("utf-8")


@asynccontextmanager
async def scene(tmp_path: Path, era: str = "handshake", below: str = "") -> AsyncIterator[Scene]:
    servers = {name: entry(script(name), tmp_path) for name in "ab"}
    config = yaml_file(tmp_path / "servers.yaml", servers, above="# ours", below=below)
    with runtime_folder() as runtime, anyio.fail_after(PATIENCE):
        env = own_env(runtime)
        async with over_stdio(config, env=env) as host:
            await host.open(era)
            if era == "stateless":
                await host.ask("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
                await host.until(lambda: bool(host.heard("notifications/subscriptions/acknowledged")))
            await host.until(lambda: is_answered(socket_of(host, env)))
            yield (here := Scene(host, config, tmp_path, env))
            assert all(json.loads(line) for line in here.host.lines)
    assert not await gone(str(tmp_path))


async def test_an_edit_starts_anew_what_it_concerns_and_nobody_else_notices(tmp_path: Path, client_era: str) -> None:
    async with scene(tmp_path, client_era) as here:
        for name in "ab":
            await here.call(f"{name}__echo")
        before = {name: here.pids(name) for name in "ab"}
        long = await here.host.ask("tools/call", {"name": "a__long", "arguments": {}})
        soon = await here.host.ask("tools/call", {"name": "b__soon", "arguments": {}})

        here.edit("  b: {", '  b: {"env": {"NEW": "1"}, ')

        await here.host.said("config: started anew b$")
        await here.host.until(lambda: here.pids("b") and not here.pids("b") & before["b"])
        await here.call("b__echo")
        assert here.pids("a") == before["a"]
        assert answer(here.host, long) is None
        await here.call("a__echo")
        await here.host.until(lambda: answer(here.host, long) is not None)
        for number in (long, soon):
            assert "result" in (answer(here.host, number) or {})
        assert here.told == 0


async def test_a_half_written_file_changes_nothing_and_says_so(tmp_path: Path, client_era: str) -> None:
    async with scene(tmp_path, client_era) as here:
        before = here.pids("a") | here.pids("b")

        whole = here.edit("  b: {", '  b: {"command')

        line = await here.host.said(r"the changed config cannot be used, nothing changes: (.*)")
        assert f"{here.config}:5: not valid YAML" in line[1]
        assert len(await here.tools()) == 2 * len(TOOLS)
        here.edit(here.content(), whole.replace("# ours", "# ours again"))
        here.edit("mcpServers:", "naming: {separator: '--'}\nmcpServers:")
        await here.host.said("config: names and filters changed")
        assert here.pids("a") | here.pids("b") == before


async def test_an_entry_with_a_slip_in_it_leaves_its_server_as_it_was(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        before = here.pids("a") | here.pids("b")

        here.edit("  b: {", '  b: {"commnd": "x", ')

        await here.host.said(r"servers.yaml:5: server 'b': commnd: unknown key .*; .* goes on as it was")
        assert "result" in await here.call("b__echo")
        assert here.pids("a") | here.pids("b") == before


async def test_backups_and_temporary_files_beside_it_change_nothing(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        before = here.pids("a") | here.pids("b")
        other = here.content().replace("  b: {", "  c: {")

        for name in (
            "servers.yaml~",
            "servers.yaml.bak",
            ".servers.yaml.swp",
            "4913",
            ".magictunnel-x.tmp",
            "other.yaml",
        ):
            (tmp_path / name).write_text(other, "utf-8")
            (tmp_path / name).unlink()
            shutil.copy2(here.config, tmp_path / name)
        os.utime(here.config)  # the same text at another time: read, and nothing changes
        here.edit("# the end", "# the very end")
        here.edit("mcpServers:", "naming: {separator: '--'}\nmcpServers:")

        await here.host.said("config: names and filters changed")
        assert here.pids("a") | here.pids("b") == before
        assert not [line for line in here.host.talk if "config:" in line and "names and filters" not in line]


async def test_a_server_that_is_taken_out_ends_and_is_told_once(tmp_path: Path, client_era: str) -> None:
    async with scene(tmp_path, client_era) as here:
        await here.call("a__echo")
        before = here.pids("a")
        (line,) = [line for line in here.content().splitlines(keepends=True) if line.startswith("  b: ")]

        here.edit(line, "")

        await here.host.said("config: removed b$")
        await here.host.until(lambda: here.told == 1)
        assert await here.tools() == [f"a__{one['name']}" for one in TOOLS]
        assert (await here.call("b__echo"))["error"]["code"] == UNKNOWN_NAME
        await here.host.until(lambda: not here.pids("b"))
        assert here.pids("a") == before
        assert here.told == 1


async def test_a_tool_that_gets_another_name_is_told_without_any_restart(tmp_path: Path, client_era: str) -> None:
    async with scene(tmp_path, client_era) as here:
        await here.call("a__echo")
        before = here.pids("a") | here.pids("b")

        here.edit("  a: {", '  a: {"tools": {"echo": {"name": "say"}}, ')

        await here.host.until(lambda: here.told == 1)
        assert "say" in await here.tools()
        assert "result" in await here.call("say")
        assert here.pids("a") | here.pids("b") == before


async def test_a_server_is_added_by_the_shell_while_a_client_is_connected(tmp_path: Path, client_era: str) -> None:
    async with scene(tmp_path, client_era, below="defaults: {timeout: 9s}") as here:
        await here.call("a__echo")
        text, before = here.content(), here.pids("a") | here.pids("b")

        done = await ran("servers", "add", "c", "-c", str(here.config), *line_of(script("c"), tmp_path), env=here.env)

        assert (done.code, done.err) == (0, "")
        assert f"served by gateway {here.host.process.pid} (stdio)" in done.out
        await here.host.until(lambda: here.told == 1)
        assert "result" in await here.call("c__echo")
        (added,) = [line for line in here.content().splitlines(keepends=True) if line not in text]
        assert added.startswith("  c: {")
        assert here.content().replace(added, "") == text
        assert here.content().index("  b: ") < here.content().index("  c: ") < here.content().index("defaults:")
        assert here.pids("a") | here.pids("b") == before


async def test_a_server_that_the_shell_could_not_add_leaves_no_trace(tmp_path: Path, client_era: str) -> None:
    async with scene(tmp_path, client_era) as here:
        text, before = here.content(), here.pids("a") | here.pids("b")

        done = await ran("servers", "add", "c", "-c", str(here.config), "--", "/bin/sh", "-c", "exit 3", env=here.env)

        assert (done.code, done.out) == (1, "")
        assert done.err.startswith("error: server 'c': handshake: the process ended with exit code 3")
        await here.host.said("config: removed c$")
        assert here.content() == text
        assert len(await here.tools()) == 2 * len(TOOLS)
        assert here.pids("a") | here.pids("b") == before
        assert here.told == 0


async def test_what_is_switched_off_by_the_shell_ends_and_comes_back_switched_on(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        text, before = here.content(), here.pids("a")

        done = await ran("servers", "disable", "b", "-c", str(here.config), env=here.env)
        assert (done.code, done.err) == (0, "")
        await here.host.until(lambda: here.told == 1 and not here.pids("b"))
        done = await ran("servers", "enable", "b", "-c", str(here.config), env=here.env)
        assert (done.code, done.err) == (0, "")
        await here.host.until(lambda: here.told == 2)

        assert "result" in await here.call("b__echo")
        assert here.content() == text
        assert here.pids("a") == before


@pytest.mark.parametrize("over", ["http", "sse"])
async def test_sessions_with_servers_that_did_not_change_go_on(over: str, tmp_path: Path, server_era: str) -> None:
    if over == "sse" and server_era == "stateless":
        pytest.skip("the HTTP+SSE transport belongs to the handshake era")
    opened = ("initialize", "server/discover")
    with anyio.fail_after(PATIENCE):
        scripts = [Script(name=name, era=server_era, offers={"tools": TOOLS}) for name in "ab"]
        async with raw_http(scripts[0]) as (stays, a), raw_http(scripts[1]) as (changes, b):
            path = "sse" if over == "sse" else "mcp"
            servers: dict[str, Json] = {
                name: {"url": f"http://127.0.0.1:{port}/{path}", "type": over} for name, port in (("a", a), ("b", b))
            }
            async with over_http(tmp_path, servers) as (host, port), raw_client(port, "handshake") as client:
                await client.request("tools/call", {"name": "a__echo", "arguments": {}})
                before = [one["method"] for one in stays.received if one["method"] in opened]

                config_file(tmp_path, servers | {"b": servers["b"] | {"headers": {"X-New": "1"}}})

                await host.said("config: started anew b$")
                heard = len(changes.received)
                for name in "ab":
                    assert "result" in await client.request("tools/call", {"name": f"{name}__echo", "arguments": {}})
                assert [one["method"] for one in stays.received if one["method"] in opened] == before
                assert len(changes.received) > heard


def answer(host: Tunnel, number: int) -> Json | None:
    """The answer to a request, if it came."""
    return next((message for message in host.messages if message.get("id") == number), None)
