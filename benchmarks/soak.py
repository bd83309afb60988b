"""What many calls and many clients leave behind: memory after each quarter, and what an idle gateway costs.

Ten servers (those of `tests/chaos`, without any fault), clients of both eras over HTTP that come, call and go, some
without a word, and a few hosts over stdio. Run `make soak`. Ratios count, not megabytes.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import anyio

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.chaos.clients import Client, Web, host, serving, started
from tests.chaos.judge import Figures, percentile, verdict_of
from tests.chaos.world import SESSION_IDLE, World, accepting, figures

QUARTERS = 4
AT_ONCE = 12
"""Clients that are connected at a time."""
HOSTS = 1
"""Hosts over stdio in each quarter: each is a gateway with servers of its own, beside the one that is measured."""
REST = SESSION_IDLE + 6.0
"""Seconds from the end of a quarter until what its clients have left is freed."""
IDLE = 10.0
"""Seconds over which the idle gateway is watched."""
MOST_MEMORY, MOST_IDLE = 1.03, 0.02
"""The bars: memory after the last quarter to that after the first; the share of a processor when idle."""
MISHAPS = (OSError, EOFError, ValueError, TimeoutError)
_TOOLS = ("count", "peek", "again")


@dataclass
class Quarter:
    """What the gateway has, once the clients of a quarter have gone."""

    memory: int
    """Bytes."""
    figures: Figures
    rate: float
    """Calls in a second."""
    slow: float
    """Seconds that 99 of 100 calls stay below."""


@dataclass
class Soak:
    """The calls of one quarter, shared by its clients."""

    world: World
    connects: int
    calls: int
    """Of each client."""
    outcomes: Counter[str] = field(default_factory=Counter)
    took: list[float] = field(default_factory=list)
    _turns: Iterator[int] = field(default_factory=lambda: iter(()))

    async def quarter(self) -> float:
        """Make all calls of a quarter; the seconds it took."""
        self.took.clear()
        self._turns = iter(range(self.connects))
        began = time.perf_counter()
        async with anyio.create_task_group() as tasks:
            for _ in range(AT_ONCE):
                tasks.start_soon(self._worker)
            for _ in range(HOSTS):
                tasks.start_soon(self._host)
        return time.perf_counter() - began

    async def _worker(self) -> None:
        """Clients one after the other, until all have been there."""
        for turn in self._turns:
            client = Web(self.world.ports["gateway"], ("handshake", "stateless")[turn % 2])
            try:
                await client.open()
                await self._call(client, turn)
            except MISHAPS as error:
                self.outcomes[f"! {error!r}"] += 1
            await client.close(politely=turn % 4 < 2)

    async def _host(self) -> None:
        async with host(self.world.config, self.world.folder / "host.log", self.world.env) as client:
            await client.open()
            await self._call(client, 0)
            await client.close()

    async def _call(self, client: Client, turn: int) -> None:
        servers = self.world.servers
        for number in range(self.calls):
            server, name = servers[(turn + number) % len(servers)].name, _TOOLS[number % len(_TOOLS)]
            params = {"name": f"{server}__{name}", "arguments": {"call_id": "soak"}}
            began = time.perf_counter()
            answer = await client.request("tools/call", params)
            self.took.append(time.perf_counter() - began)
            self.outcomes[verdict_of(answer, "soak")] += 1


def memory(pid: int) -> int:
    """Bytes of memory that a process has now."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def processor(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


async def measure(connects: int, calls: int) -> tuple[list[Quarter], float, Soak, dict[str, int]]:
    """The quarters, the idle share of a processor, all outcomes, and the sessions that servers still know of."""
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        world = World(Path(name))
        soak = Soak(world, connects // QUARTERS, max(1, calls // connects))
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(world.standing())
            address = f"127.0.0.1:{world.ports['gateway']}"
            command = serving(world.config, "--http", address, "--log-level", "warning")
            gateway = await stack.enter_async_context(started(command, world.folder / "gateway.log", world.env))
            await accepting(world.ports["gateway"], world.folder / "gateway.log")
            quarters = []
            for number in range(QUARTERS):
                seconds = await soak.quarter()
                await anyio.sleep(REST)
                rate, slow = len(soak.took) / seconds, percentile(soak.took, 0.99)
                quarters.append(Quarter(memory(gateway.pid), figures(gateway.pid), rate, slow))
                print(row(number + 1, quarters[-1]), flush=True)
            used = processor(gateway.pid)
            await anyio.sleep(IDLE)
            idle = (processor(gateway.pid) - used) / IDLE
            sessions = {path.parent.name: int(path.read_text()) for path in world.folder.glob("servers/*/sessions")}
            gateway.terminate()
            await gateway.wait()
    return quarters, idle, soak, sessions


def row(number: int, quarter: Quarter) -> str:
    """A line of the table."""
    has = quarter.figures
    left = f"{has.processes:9} {has.threads:7} {has.descriptors:11}"
    return f"{number:7} {quarter.memory / 2**20:8.1f} {left} {quarter.rate:8.0f} {quarter.slow * 1000:7.1f}"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000, help="in all (%(default)s)")
    parser.add_argument("--connects", type=int, default=1_000, help="clients in all (%(default)s)")
    options = parser.parse_args()
    print(f"{'quarter':7} {'MiB':>8} {'processes':>9} {'threads':>7} {'descriptors':>11} {'calls/s':>8} {'p99 ms':>7}")
    quarters, idle, soak, sessions = anyio.run(measure, options.connects, options.calls)
    ratio = quarters[-1].memory / quarters[0].memory
    failed = sum(times for outcome, times in soak.outcomes.items() if outcome != "ok")
    print(f"outcomes: {dict(soak.outcomes)}")
    print(f"sessions that servers still know of: {sessions}")
    is_good = ratio <= MOST_MEMORY and idle < MOST_IDLE and not failed
    figures_told = f"memory last/first quarter {ratio:.3f} (bar: {MOST_MEMORY}), idle {idle:.1%} (bar: {MOST_IDLE:.0%})"
    print(f"soak: {'passed' if is_good else 'FAILED'}: {figures_told}, {failed} call(s) failed")


if __name__ == "__main__":
    main()
