"""How each fault is done to a server, and undone."""

from __future__ import annotations

import os
import signal

import anyio

from tests.chaos.plan import Fault
from tests.chaos.world import World, parent, send


async def strike(world: World, fault: Fault) -> None:
    """Let a fault happen; returns when it is over."""
    match fault.what:
        case "kill":
            _kill(world, fault)
            await anyio.sleep(fault.seconds)
        case "stop":
            await _stop(world, fault)
        case "expire":
            _order(world, fault, str(fault.detail))
        case "cut" | "torn" | "stall" | "hang" | "refuse":
            _order(world, fault, str(fault.seconds))
            await anyio.sleep(fault.seconds)
        case _:
            await _edit(world, fault)


def forget(world: World) -> None:
    """Take back all orders that nobody has taken."""
    for path in world.folder.glob("servers/*/orders/*"):
        path.unlink(missing_ok=True)


def _chosen(world: World, fault: Fault) -> int:
    """One of the server's processes; 0 if it has none now."""
    pids = world.pids(fault.server)
    return pids[fault.detail % len(pids)] if pids else 0


def _kill(world: World, fault: Fault) -> None:
    server = next(server for server in world.servers if server.name == fault.server)
    if pid := _chosen(world, fault):
        world.rests[fault.server] = fault.seconds
        # The shell goes and its child stays, or the other way round.
        send(parent(pid) if server.wrapped and fault.detail % 2 else pid, signal.SIGKILL)


async def _stop(world: World, fault: Fault) -> None:
    if pid := _chosen(world, fault):
        send(pid, signal.SIGSTOP)
        try:
            await anyio.sleep(fault.seconds)
        finally:
            send(pid, signal.SIGCONT)


def _order(world: World, fault: Fault, said: str) -> None:
    path = world.home(fault.server) / "orders" / fault.what
    draft = path.with_name(f"{fault.what}.draft")
    draft.write_text(said, encoding="utf-8")
    draft.rename(path)


async def _edit(world: World, fault: Fault) -> None:
    match fault.what:
        case "alter":
            world.generation += 1
        case "remove":
            world.removed = frozenset({fault.server})
        case "guest":
            world.guests = True
    text = world.text()
    in_place = bool(fault.detail % 2)
    _write(world, text[: len(text) // 2] if fault.what == "half" else text, in_place=in_place)
    await anyio.sleep(fault.seconds)
    world.removed, world.guests = frozenset(), False
    _write(world, world.text(), in_place=in_place)


def _write(world: World, text: str, *, in_place: bool) -> None:
    """Write the config as editors do: over the old one, or beside it first."""
    if in_place:
        world.config.write_text(text, encoding="utf-8")
        return
    draft = world.config.with_suffix(".json.tmp")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, world.config)
