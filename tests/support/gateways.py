"""`magictunnel serve` processes that the shell can steer, in a runtime folder of their own."""

from __future__ import annotations

import json
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from tests.support.process import Tunnel, tunnel
from tests.support.raw import Json, Script, command

NOBODY = 65_534
"""The number of a user who is not us."""
IS_ROOT = hasattr(os, "getuid") and os.getuid() == 0


@contextmanager
def runtime_folder() -> Iterator[Path]:
    """A folder that is ours alone, with a path that is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="mt") as folder:
        yield Path(folder)


def own_env(folder: Path) -> dict[str, str]:
    """What a gateway and a shell have in common."""
    return {"XDG_RUNTIME_DIR": str(folder), "MAGICTUNNEL_STORE": "off"}


@asynccontextmanager
async def steered(config: Path, env: Mapping[str, str]) -> AsyncIterator[tuple[Tunnel, int]]:
    """`magictunnel serve --http` with that config, and its port, once the shell can reach it and its servers are up."""
    async with tunnel("serve", "--http", "127.0.0.1:0", "-c", str(config), env=env) as host:
        port = int((await host.said(r"http://127\.0\.0\.1:(\d+)/mcp"))[1])
        await host.until(lambda: is_answered(socket_of(host, env)))
        yield host, port


def is_answered(path: Path) -> bool:
    """Whether somebody listens at a socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def socket_of(host: Tunnel, env: Mapping[str, str]) -> Path:
    """Where the shell reaches a gateway."""
    return Path(env["XDG_RUNTIME_DIR"], "magictunnel", f"{host.process.pid}.sock")


def line_of(script: Script, folder: Path) -> list[str]:
    """The words behind `servers add NAME --` for a scripted server."""
    return ["--", *command(script, folder)]


def yaml_file(path: Path, servers: Mapping[str, Json], *, above: str = "", below: str = "") -> Path:
    """A config file as a person writes it, with comments in it; `above` and `below` stand around the servers."""
    lines = [f"  {name}: {json.dumps(entry)}  # about {name}" for name, entry in servers.items()]
    path.write_text("\n".join(["# mine", above, "mcpServers:", *lines, below, "# the end", ""]), encoding="utf-8")
    return path
