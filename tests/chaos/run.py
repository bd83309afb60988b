"""One run, from its first process to the last: quiet, then faults, then what is left."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio
from anyio.abc import Process

from tests.chaos.clients import Client, Host, Web, host, serving, started
from tests.chaos.judge import Evidence, Figures, verdict_of
from tests.chaos.load import HOST, Load
from tests.chaos.plan import PACE, Fault, faults
from tests.chaos.server import OFTEN, ONCE
from tests.chaos.strike import forget, strike
from tests.chaos.world import World, accepting, family, figures, named
from tests.support.process import gone

COME_BACK = 60.0
"""Seconds after the last fault within which every server answers again."""
EMPTY = 40.0
"""Seconds within which the gateway is as it was, once its clients have gone."""
PATIENCE = 30.0
ERAS = ("handshake", "stateless")
LOGS = ("gateway.log", "host.log")
_LOOK = 0.25


@dataclass(frozen=True)
class Options:
    """How long, how many, and which faults."""

    seconds: float = 300.0
    quiet: float = 60.0
    """Seconds of calls before the faults, which the others are compared with."""
    settle: float = 10.0
    """Seconds for which the gateway must not change to count as at rest."""
    seed: int = 1
    pace: float = PACE
    """Seconds between two faults, on average."""
    clients: int = 20
    polite: bool = False
    """Whether every client says goodbye."""
    with_p99: bool = True
    keep: Path | None = None
    """Where the logs are kept."""


@dataclass
class Told:
    """What a run has come to, besides what is judged."""

    evidence: Evidence = field(default_factory=Evidence)
    struck: list[Fault] = field(default_factory=list)
    came_back: float = 0.0
    """Seconds from the last fault until every server had answered again."""
    joined: Counter[str] = field(default_factory=Counter)
    """Whose processes there are at the end that were not there before."""
    sessions: dict[str, int] = field(default_factory=dict)
    """Those that servers of the handshake era still knew at the end, once we had gone."""


async def run(options: Options) -> Told:
    """Run it; everything that it started has ended when it returns."""
    told = Told()
    with tempfile.TemporaryDirectory(prefix="chaos-") as name:
        folder = Path(name)
        world = World(folder)
        load = Load([server.name for server in world.servers], options.seed, options.polite)
        try:
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(world.standing())
                await _within(world, load, options, told, stack)
        finally:
            with anyio.CancelScope(shield=True):
                orphans = await gone(str(folder))
            if options.keep:
                shutil.copytree(folder, options.keep, dirs_exist_ok=True)
        evidence = told.evidence
        evidence.records, evidence.with_p99, evidence.orphans = load.records, options.with_p99, orphans
        evidence.once, evidence.often = world.executed(ONCE), world.executed(OFTEN)
        evidence.log = _log(folder)
    return told


async def _within(world: World, load: Load, options: Options, told: Told, stack: AsyncExitStack) -> None:
    gateway_log, host_log = (world.folder / name for name in LOGS)
    address = f"127.0.0.1:{world.ports['gateway']}"
    command = serving(world.config, "--http", address, "--log-level", "info")
    gateway = await stack.enter_async_context(started(command, gateway_log, world.env))
    stdio = await stack.enter_async_context(host(world.config, host_log, world.env))
    await stdio.open()
    await accepting(world.ports["gateway"], gateway_log)
    crew = _Crew(world, load, options, stdio)
    with anyio.fail_after(3 * PATIENCE):
        await crew.warm_up()
    async with crew.at_work("quiet"):
        await anyio.sleep(options.quiet)
    told.evidence.baseline = await _at_rest(gateway, options.settle)
    before = named(family(gateway.pid))
    async with crew.at_work("faults"):
        await _befall(world, options, told)
        load.phase = "after"
        told.came_back, told.evidence.missing = await _recovered(load)
        told.evidence.unheard = await _unheard(world)
    told.evidence.final = await _back_to(gateway, told.evidence.baseline)
    told.joined = named(family(gateway.pid)) - before
    told.evidence.ended = await _end(gateway, stdio)
    told.sessions = {path.parent.name: int(path.read_text()) for path in world.folder.glob("servers/*/sessions")}


class _Crew:
    """The clients: the host that stays, and those over HTTP in turn in the one era and the other."""

    def __init__(self, world: World, load: Load, options: Options, stdio: Host) -> None:
        self._port = world.ports["gateway"]
        self._load = load
        self._count = options.clients - 1
        self._stdio = stdio

    @asynccontextmanager
    async def at_work(self, phase: str) -> AsyncIterator[None]:
        """While the block lasts they make calls, which belong to this phase; then they go."""
        load = self._load
        load.phase, load.goes_on = phase, True
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(load.play, HOST, lambda: self._stdio, stays=True))
            for number in range(self._count):
                era = ERAS[number % 2]
                tasks.start_soon(load.play, f"{era} {number}", partial(Web, self._port, era))
            try:
                yield
            finally:
                load.goes_on = False

    async def warm_up(self) -> None:
        """Have each server called once, on every way in; until then a start may still be going on."""
        await self._tour(self._stdio)
        for era in ERAS:
            client = Web(self._port, era)
            await client.open()
            await self._tour(client)
            await client.close()

    async def _tour(self, client: Client) -> None:
        for server in self._load.servers:
            deadline = anyio.current_time() + PATIENCE
            call = {"name": f"{server}__peek", "arguments": {"call_id": "warm"}}
            while verdict_of(answer := await client.request("tools/call", call), "warm") != "ok":
                if anyio.current_time() > deadline:
                    raise RuntimeError(f"{server} does not come up: {answer}")
                await anyio.sleep(_LOOK)


async def _befall(world: World, options: Options, told: Told) -> None:
    """Let each fault happen at its time, and wait for the end of all."""
    began = anyio.current_time()
    async with anyio.create_task_group() as under_way:
        for fault in faults(options.seed, options.seconds, world.servers, options.pace):
            await anyio.sleep_until(began + fault.at)
            told.struck.append(fault)
            under_way.start_soon(strike, world, fault)
        await anyio.sleep_until(began + options.seconds)
    forget(world)


async def _recovered(load: Load) -> tuple[float, frozenset[str]]:
    """Wait until every server answers again: how long it took, and who does not."""
    since, missing = load.now, frozenset(load.servers)
    while missing and load.now < since + COME_BACK:
        await anyio.sleep(_LOOK)
        missing = frozenset(load.servers) - load.answered_since(since)
    return load.now - since, missing


async def _unheard(world: World) -> list[str]:
    """Look at a list: which tools are still, or again, as an earlier config had them."""
    client = Web(world.ports["gateway"], "handshake")
    await client.open()
    tools = (await client.request("tools/list", {}))["result"]["tools"]
    await client.close()
    now = {f"{server.name}__count": f"count, generation {world.generation_of(server)}" for server in world.servers}
    found = {tool["name"]: tool["description"] for tool in tools if tool["name"].endswith("__count")}
    return [
        f"{name}: {found.get(name)}" for name in sorted(found.keys() | now.keys()) if found.get(name) != now.get(name)
    ]


async def _at_rest(gateway: Process, settle: float) -> Figures:
    """Wait until nothing has changed for a while; what the gateway has then."""
    last, since = figures(gateway.pid), anyio.current_time()
    deadline = since + settle + EMPTY
    while anyio.current_time() < min(since + settle, deadline):
        await anyio.sleep(_LOOK)
        if (now := figures(gateway.pid)) != last:
            last, since = now, anyio.current_time()
    return last


async def _back_to(gateway: Process, baseline: Figures) -> Figures:
    """Wait until the gateway has no more than before; what it has then."""
    deadline = anyio.current_time() + EMPTY
    while not (now := figures(gateway.pid)).within(baseline) and anyio.current_time() < deadline:
        await anyio.sleep(_LOOK)
    return now


async def _end(gateway: Process, stdio: Host) -> dict[str, float]:
    """Hang up, and tell the gateway to end: the seconds that each takes. Who takes too long is killed later."""
    took: dict[str, float] = {}

    async def timed(name: str, end: Callable[[], Awaitable[object]]) -> None:
        began = anyio.current_time()
        with anyio.move_on_after(PATIENCE):
            await end()
        took[name] = anyio.current_time() - began

    gateway.send_signal(signal.SIGTERM)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(timed, "the host", stdio.close)
        tasks.start_soon(timed, "the gateway", gateway.wait)
    return took


def _log(folder: Path) -> list[str]:
    """What both gateways said."""
    return [line for name in LOGS for line in (folder / name).read_text(errors="replace").splitlines()]
