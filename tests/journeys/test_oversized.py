"""Failure mode 34: large messages are refused, or a line without an end is read until no memory is left."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from mcp.shared.exceptions import MCPError

from tests.support.office import PIECE, site
from tests.support.process import config_file, over_stdio
from tests.support.setting import NO_STORE
from tests.support.worker import worker, worker_entry
from tests.support.world import PATIENCE, world

pytestmark = pytest.mark.anyio

SIZE = 20 * 1024 * 1024
WAYS = [
    ("stdio", "handshake"),
    ("stdio", "stateless"),
    ("http", "handshake"),
    ("http", "stateless"),
    ("sse", "handshake"),
]


@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_a_large_result_in_one_line_passes(way: tuple[str, str], tmp_path: Path) -> None:
    over, era = way
    with anyio.fail_after(PATIENCE):
        async with site(over, tmp_path, era=era) as srv, world(more={"srv": srv.config}) as w:
            await w.until_ready()
            async with w.client(era) as client:
                result = await client.call_tool("srv__big", {"size": SIZE})
                assert len(result.content[0].text) == SIZE


async def test_a_large_result_passes_to_the_host_in_one_line(tmp_path: Path) -> None:
    config = config_file(tmp_path, {"srv": worker_entry(worker("srv", tmp_path), tmp_path)})
    with anyio.fail_after(PATIENCE):
        async with over_stdio(config, env=NO_STORE) as host:
            await host.open()
            await host.request("tools/list")
            await host.ask("tools/call", {"name": "srv__big", "arguments": {"size": SIZE}})
            await host.until(lambda: any(len(line) > SIZE for line in host.lines))


@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_a_line_without_an_end_ends_the_connection_of_its_server_alone(
    way: tuple[str, str], tmp_path: Path
) -> None:
    over, era = way
    with anyio.fail_after(PATIENCE):
        async with (
            site(over, tmp_path, "bad", era=era) as bad,
            site("stdio", tmp_path, "good") as good,
            world(more={"bad": bad.config, "good": good.config}) as w,
        ):
            await w.until_ready()
            async with w.client(era) as client:
                await client.call_tool("bad__echo")
                over_by_then = anyio.Event()

                async def wait_for_the_end() -> None:
                    with pytest.raises(MCPError):
                        await client.call_tool("bad__endless")
                    over_by_then.set()

                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(wait_for_the_end)
                    while not over_by_then.is_set():
                        assert (await client.call_tool("good__echo")).content
                if bad.office is not None:
                    assert bad.office.sent < 200 * len(PIECE)
                assert w.gateway.status["good"].failure is None
                await works_again(client)


async def works_again(client: object) -> None:
    """Call until it works; the test bounds how long."""
    while True:
        try:
            await client.call_tool("bad__echo")  # type: ignore[attr-defined]
            return
        except MCPError:
            await anyio.sleep(0.05)
