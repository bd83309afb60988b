"""`notifications/initialized` forwarded to servers (35): each connection behind us says it once, whoever comes."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import anyio
import pytest

from tests.support.raw import Script, tool
from tests.support.world import ERAS, FRONTS, PATIENCE, World, world

pytestmark = pytest.mark.anyio

SAID = "notifications/initialized"


async def test_a_server_hears_of_one_client_however_many_come(server_era: str, over: str, tmp_path: Path) -> None:
    if over == "sse" and server_era == "stateless":
        pytest.skip("the HTTP+SSE transport belongs to the handshake era")
    transcript = tmp_path / "transcript"
    script = Script(name="srv", era=server_era, offers={"tools": [tool("echo")]}, transcript=str(transcript))
    with anyio.fail_after(PATIENCE):
        async with world([script], tmp_path, over=over) as w:
            await many_clients(w)
            methods = [json.loads(line)["method"] for line in transcript.read_text("utf-8").splitlines()]
    counts = Counter(methods)
    assert counts["tools/call"] == len(FRONTS) * len(ERAS) * 2
    if server_era == "handshake":
        assert counts["initialize"] == counts[SAID]
        # Over HTTP a session costs no process: one more may be had, for clients that can do less than it was told of.
        assert counts[SAID] in ((1, 2) if over == "http" else (1,))
        assert methods.index("initialize") < methods.index(SAID) < methods.index("tools/list")
    else:
        assert counts[SAID] == 0
        assert counts["initialize"] <= 1  # it was asked in the era of whoever came first, and refused
    assert counts["tools/list"] <= 2  # at the start, and once more when its listen stream is open


async def test_each_new_connection_says_it_once(tmp_path: Path) -> None:
    transcript = tmp_path / "transcript"
    script = Script(
        name="srv",
        era="handshake",
        offers={"tools": [tool("echo"), tool("die")]},
        transcript=str(transcript),
        crash_on=["tools/call die"],
    )
    with anyio.fail_after(PATIENCE):
        async with world([script], tmp_path) as w:
            await w.until_ready()
            async with w.client("handshake") as client:
                for connections in (2, 3):
                    with pytest.raises(Exception, match="broke"):
                        await client.call_tool("srv__die")
                    await w.until(lambda: transcript.read_text("utf-8").count('"initialize"') == connections)  # noqa: B023
                    await w.until_ready()
                    await client.call_tool("srv__echo")
            methods = [json.loads(line)["method"] for line in transcript.read_text("utf-8").splitlines()]
    counts = Counter(methods)
    assert counts["initialize"] == counts[SAID] == 3


async def many_clients(w: World) -> None:
    """Two clients of each kind come, one after the other and side by side, use it, and go."""

    async def visit(era: str, front: str) -> None:
        async with w.client(era, front) as client:
            await client.list_tools()
            await client.call_tool("srv__echo")

    for front in FRONTS:
        async with anyio.create_task_group() as tasks:
            for era in ERAS:
                tasks.start_soon(visit, era, front)
        for era in ERAS:
            await visit(era, front)
