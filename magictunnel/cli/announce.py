"""What `serve` says over HTTP once its servers are up: what is merged, and how to reach it."""

from __future__ import annotations

import shutil
import socket
import sys
from pathlib import Path

import anyio

from magictunnel.backends.states import State
from magictunnel.catalog.model import Kind
from magictunnel.cli.facts import found_by
from magictunnel.cli.paste import pastes
from magictunnel.cli.show import counted, say
from magictunnel.gateway import Gateway

_MOMENT = 1.0
"""Seconds for servers whose listing is known from before to come up, before it is said how they are."""


def url_of(listener: socket.socket) -> str:
    """Where clients reach what `listener` is open for."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/mcp"


async def announce(gateway: Gateway, file: str, url: str) -> None:
    """Say what is merged and how to reach it, once the servers are up."""
    await gateway.settled()
    with anyio.move_on_after(_MOMENT):
        for name in gateway.status:
            await gateway.tried(name)
    catalog = gateway.live.current
    totals = counted({kind: len(catalog.of(kind)) for kind in Kind})
    say(f"\nMagicTunnel serves {totals or 'nothing yet'}:", "bold")
    for name, status in gateway.status.items():
        counts = counted(status.counts)
        is_down = status.failure is not None and status.state is not State.READY
        state = f"down: {status.failure.told}" if is_down and status.failure else status.state.value
        say(f"  {name}: {state}{f', {counts}' if counts else ''}")
    say(f"  {found_by(gateway.discovery_facts)}")
    say(f"\nAt {url} (and {url.removesuffix('/mcp')}/sse for older clients). To paste:", "bold")
    for host, text in pastes(_own_command(file), url):
        say(f"  {host}:\n    {text}")
    say("\nCtrl-C ends it.", "dim")


def _own_command(file: str) -> tuple[str, ...]:
    """What a host runs to start us with this config, from wherever it starts us."""
    program = shutil.which(sys.argv[0]) or sys.argv[0]
    return str(Path(program).absolute()), "serve", "--stdio", "-c", str(Path(file).absolute())
