"""MagicTunnel behind MagicTunnel: two hops are as good as one, in either era of client and server."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from magictunnel.config.model import ServerConfig
from tests.conformance.everything.server import Everything
from tests.conformance.everything.tasks import Tasks
from tests.conformance.probes.probe import ERAS, Probe
from tests.conformance.probes.run import PROBES
from tests.conformance.probes.seat import Seat
from tests.conformance.probes.verdict import IMPOSSIBLE, ONLY_OF_STATELESS_SERVERS
from tests.support.process import config_file
from tests.support.raw import Json, Script, text, tool
from tests.support.web import raw_http, served
from tests.support.world import PATIENCE, world

pytestmark = [
    pytest.mark.anyio,
    # Half of what servers of the handshake era do is deprecated in the newest revision.
    pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning"),
]

LINKS = ("http", "stdio")
"""How the outer one reaches the inner one."""
TIMES = {"createdAt": "2026-01-01T00:00:00Z", "lastUpdatedAt": "2026-01-01T00:00:00Z", "ttl": 60_000}
JOB: Json = {"taskId": "job-1", "status": "working"} | TIMES
WORKER = Script(
    name="worker",
    era="handshake",
    offers={"tools": [tool("work")]},
    capabilities={"tools": {}, "tasks": {"cancel": {}, "requests": {"tools": {"call": {}}}}},
    answers={
        "tools/call work": {"task": JOB},
        "tasks/get": JOB | {"status": "completed"},
        "tasks/result": text("done", _meta={"io.modelcontextprotocol/related-task": {"taskId": "job-1"}}),
        "tasks/cancel": JOB | {"status": "cancelled"},
    },
)
"""Has the tasks of the handshake era, which the SDK does not."""


@dataclass(frozen=True)
class Way:
    """Client era, link between the two, server era."""

    client: str
    link: str
    server: str

    def __str__(self) -> str:
        return f"{self.client}--{self.link}--{self.server}"

    def has(self, probe: Probe) -> bool:
        """Whether there is anything to look at."""
        is_impossible = (probe.name, self.server) in IMPOSSIBLE
        is_foreign = probe.name in ONLY_OF_STATELESS_SERVERS and self.server == "handshake"
        return self.client in probe.eras and not is_impossible and not is_foreign


WAYS = [Way(client, link, server) for link in LINKS for client in ERAS for server in ERAS]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def servers() -> AsyncIterator[dict[str, Json]]:
    """One server of each era, and one with tasks of the handshake era: their config entries."""
    async with AsyncExitStack() as stack:
        group = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(group.cancel_scope.cancel)
        entries: dict[str, Json] = {}
        for era in ERAS:
            port = await stack.enter_async_context(served(Everything(Tasks(group), era).streamable_http_app()))
            entries[era] = {"type": "http", "url": f"http://127.0.0.1:{port}/mcp"}
        _, port = await stack.enter_async_context(raw_http(WORKER))
        yield entries | {WORKER.name: {"type": "http", "url": f"http://127.0.0.1:{port}/mcp"}}


@pytest.fixture(scope="module", params=WAYS, ids=str)
def way(request: pytest.FixtureRequest) -> Way:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
async def seat(way: Way, servers: dict[str, Json], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Seat]:
    """A client of the outer one."""
    behind = {"everything": servers[way.server], WORKER.name: servers[WORKER.name]}
    async with inner(way.link, behind, tmp_path_factory.mktemp("hops")) as entry, world(more={"inner": entry}) as outer:
        await outer.until_ready()
        async with Seat(way.client).opened(streamable_http_client(f"http://127.0.0.1:{outer.port}/mcp")) as seat:
            yield seat


@asynccontextmanager
async def inner(link: str, behind: dict[str, Json], folder: Path) -> AsyncIterator[ServerConfig]:
    """How the outer one reaches the inner one: over stdio it starts it."""
    if link == "stdio":
        serve = ("-m", "magictunnel", "serve", "--stdio", "--log-level", "error", "-c")
        path = config_file(folder, behind)
        yield ServerConfig.model_validate({"type": link, "command": sys.executable, "args": (*serve, str(path))})
        return
    async with world(more={name: ServerConfig.model_validate(entry) for name, entry in behind.items()}) as inside:
        await inside.until_ready()
        yield ServerConfig.model_validate({"type": link, "url": f"http://127.0.0.1:{inside.port}/mcp"})


@pytest.mark.parametrize("probe", PROBES.values(), ids=str)
async def test_as_over_one_hop(way: Way, seat: Seat, probe: Probe) -> None:
    if way.has(probe):
        with anyio.fail_after(PATIENCE):
            await probe.run(seat)


async def test_tasks_of_the_stateless_era(way: Way, seat: Seat) -> None:
    params = {"name": seat.name("slow_compute"), "arguments": {"seconds": 0.01, "label": "it"}}
    with anyio.fail_after(PATIENCE):
        made = await seat.raw("tools/call", params)
        if {way.client, way.server} != {"stateless"}:
            assert made["content"] == [{"type": "text", "text": "Computed it"}]
            return
        number, told = {"taskId": made["taskId"]}, made
        assert made["resultType"] == "task"
        while told["status"] == "working":
            told = await seat.raw("tasks/get", number)
        assert told["taskId"] == made["taskId"]
        assert told["result"]["content"] == [{"type": "text", "text": "Computed it"}]
        made = await seat.raw("tools/call", params | {"arguments": {"seconds": 60}})
        await seat.raw("tasks/cancel", {"taskId": made["taskId"]})
        assert (await seat.raw("tasks/get", {"taskId": made["taskId"]}))["status"] == "cancelled"


async def test_tasks_of_the_handshake_era(way: Way, seat: Seat) -> None:
    if seat.is_stateless:
        return
    with anyio.fail_after(PATIENCE):
        made = await seat.raw("tools/call", {"name": seat.name("work"), "task": {"ttl": 60_000}})
        number = {"taskId": made["task"]["taskId"]}
        assert made["task"] == JOB | number
        assert number["taskId"].endswith("job-1")
        assert await seat.raw("tasks/get", number) == JOB | number | {"status": "completed"}
        result = await seat.raw("tasks/result", number)
        assert result == text("done", _meta={"io.modelcontextprotocol/related-task": number})
        assert await seat.raw("tasks/cancel", number) == JOB | number | {"status": "cancelled"}


async def test_names_lead_through_both(seat: Seat) -> None:
    with anyio.fail_after(PATIENCE):
        assert seat.name("work") == "inner__worker__work"
        assert json.loads(await seat.tool("probe_followed")) == []
        with pytest.raises(MCPError, match="inner__everything__nothing"):
            await seat.call("inner__everything__nothing", {})
