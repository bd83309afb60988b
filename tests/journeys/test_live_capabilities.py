"""A capability file is edited, added, broken and deleted while clients are there: they hear of each change once, a
broken file takes nothing away, and is named in the status.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.support.gateways import is_answered, own_env, runtime_folder, socket_of
from tests.support.process import HAS_PROC, Tunnel, over_stdio, ran

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(not HAS_PROC, reason="gateways are found by /proc")]

PATIENCE = 30.0
CHANGED = "notifications/tools/list_changed"
ONE = """tools:
  - {name: say, inputSchema: {type: object, properties: {what: {type: string}}, required: [what]},
     command: [echo, "said {{what}}"]}
"""
MORE = ONE + "  - {name: again, command: [echo, again]}\n"
BROKEN = ONE + "  - {name: wrong, comand: [echo]}\n"


@dataclass
class Scene:
    host: Tunnel
    config: Path
    folder: Path
    env: dict[str, str]

    @property
    def told(self) -> int:
        """How often the client was told that the tools changed."""
        return len(self.host.heard(CHANGED))

    async def tools(self) -> list[str]:
        return [one["name"] for one in (await self.host.request("tools/list"))["result"]["tools"]]

    async def said(self, name: str, **arguments: object) -> str:
        result = (await self.host.request("tools/call", {"name": name, "arguments": arguments}))["result"]
        return str(result["content"][0]["text"]).strip()

    def write(self, name: str, text: str) -> None:
        """As editors do: beside it, and then in its place."""
        beside = self.folder / f".{name}~"
        beside.write_text(text, "utf-8")
        os.replace(beside, self.folder / name)

    async def status(self) -> dict[str, Any]:
        found = await ran("status", "-c", str(self.config), "--json", env=self.env)
        (gateway,) = json.loads(found.out)
        return {one["server"]: one for one in gateway["servers"]}


@asynccontextmanager
async def scene(tmp_path: Path, era: str) -> AsyncIterator[Scene]:
    folder, config = tmp_path / "capabilities", tmp_path / "servers.yaml"
    folder.mkdir(exist_ok=True)
    (folder / "one.yaml").write_text(ONE, "utf-8")
    config.write_text("capabilities: [capabilities/*.yaml]\n", "utf-8")
    with runtime_folder() as runtime, anyio.fail_after(PATIENCE):
        env = own_env(runtime)
        async with over_stdio(config, env=env) as host:
            await host.open(era)
            if era == "stateless":
                await host.ask("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
                await host.until(lambda: bool(host.heard("notifications/subscriptions/acknowledged")))
            await host.until(lambda: is_answered(socket_of(host, env)))
            yield Scene(host, config, folder, env)


async def test_edits_are_gone_by_and_told_once(tmp_path: Path, client_era: str) -> None:
    async with scene(tmp_path, client_era) as here:
        assert await here.tools() == ["one__say"]
        assert await here.said("one__say", what="a; b $(c)") == "said a; b $(c)"

        here.write("one.yaml", MORE)
        await here.host.until(lambda: here.told == 1)
        assert await here.tools() == ["one__say", "one__again"]
        assert await here.said("one__again") == "again"

        here.write("two.yaml", ONE)
        await here.host.until(lambda: here.told == 2)
        assert await here.tools() == ["one__say", "one__again", "two__say"]

        (here.folder / "one.yaml").unlink()
        await here.host.until(lambda: here.told == 3)
        assert await here.tools() == ["two__say"]


async def test_two_files_that_change_together_are_one_change(tmp_path: Path, client_era: str) -> None:
    async with scene(tmp_path, client_era) as here:
        here.write("one.yaml", MORE)
        here.write("two.yaml", ONE)
        await here.host.said("config: read again ")
        await here.host.until(lambda: here.told > 0)
        assert await here.tools() == ["one__say", "one__again", "two__say"]
        assert await here.said("two__say", what="it") == "said it"
        assert here.told == 1


async def test_a_file_that_comes_into_a_directory_is_a_resource(tmp_path: Path, client_era: str) -> None:
    (tmp_path / "capabilities/docs").mkdir(parents=True)
    (tmp_path / "capabilities/docs/a.md").write_text("# A")
    async with scene(tmp_path, client_era) as here:
        here.write("docs.yaml", "resources: [{uri: 'docs://all', name: docs, directory: docs}]\n")
        await here.host.said("config: read again docs")
        listed = await here.host.request("resources/list")
        assert [one["uri"] for one in listed["result"]["resources"]] == ["docs://all", "docs://all/a.md"]

        (tmp_path / "capabilities/docs/b.md").write_text("# B")
        await here.host.until(lambda: sum("config: read again docs" in line for line in here.host.talk) == 2)
        listed = await here.host.request("resources/list")
        assert [one["uri"] for one in listed["result"]["resources"]][1:] == ["docs://all/a.md", "docs://all/b.md"]
        read = await here.host.request("resources/read", {"uri": "docs://all/b.md"})
        assert read["result"]["contents"][0]["text"] == "# B"


async def test_a_broken_file_takes_nothing_away_and_is_named(tmp_path: Path, client_era: str) -> None:
    async with scene(tmp_path, client_era) as here:
        here.write("one.yaml", BROKEN)
        await here.host.said("what ran goes on as it was")
        here.write("two.yaml", ONE)
        await here.host.until(lambda: here.told == 1)

        assert await here.tools() == ["one__say", "two__say"]
        assert await here.said("one__say", what="still") == "said still"
        error = (await here.status())["one"]["last_error"]
        assert "one.yaml:4" in error["cause"]
        assert "comand: unknown key" in error["cause"]
        assert "did you mean 'command'?" in error["cause"]

        here.write("one.yaml", MORE)
        await here.host.until(lambda: here.told == 2)
        assert "last_error" not in {key for key, value in (await here.status())["one"].items() if value}
