"""The server under test, and MagicTunnel in front of it beside two others: as processes of their own."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import Process
from mcp.client.client import Client

from tests.conformance.plan import Mode
from tests.conformance.processes import PATIENCE, ROOT, line_in, said, started

ALIAS = "everything"
"""The name of the server under test in the config."""
NEIGHBOURS = ("north", "south")
_ANNOUNCES = "test_simple_text"
"""A tool that is listed, by some name, once the server under test is there."""


@asynccontextmanager
async def everything(folder: Path) -> AsyncIterator[str]:
    """The server under test: its URL."""
    log = folder / "everything.log"
    async with started([sys.executable, "-m", "tests.conformance.everything"], log) as process:
        yield await line_in(log, process)


@asynccontextmanager
async def tunnel(url: str, mode: Mode, era: str | None, folder: Path) -> AsyncIterator[str]:
    """MagicTunnel in front of the server at `url`, all its servers ready: its URL."""
    config = folder / "config.json"
    config.write_text(json.dumps(_config(url, mode, era), indent=2), encoding="utf-8")
    log = folder / "magictunnel.log"
    port = _free_port()
    serve = ("serve", "--http", f"127.0.0.1:{port}", "--log-level", "debug", "-c", str(config))
    async with started([sys.executable, "-m", "magictunnel", *serve], log) as process:
        front = f"http://127.0.0.1:{port}/mcp"
        await _ready(front, process, log)
        yield front


def _config(url: str, mode: Mode, era: str | None) -> dict[str, Any]:
    tested = {"url": url} | ({"era": era} if era else {})
    beside = {
        name: {"command": sys.executable, "args": ["-m", "tests.conformance.neighbour", name], "cwd": str(ROOT)}
        for name in NEIGHBOURS
    }
    # The first answer is to have all servers in it, however slow the machine is.
    return {"mcpServers": {ALIAS: tested} | beside, "naming": {"prefix": mode.prefix}, "start_wait": "30s"}


async def _ready(front: str, process: Process, log: Path) -> None:
    """Wait until everything is listed.

    Raises:
        RuntimeError: it ended, or lists less.
    """
    with anyio.fail_after(PATIENCE):
        while not await _listening(front):
            if process.returncode is not None:
                raise RuntimeError(f"it ended with {process.returncode}: {said(log)}")
            await anyio.sleep(0.05)
        async with Client(front) as client:
            listed = [tool.name for tool in (await client.list_tools()).tools]
    wanted = (_ANNOUNCES, *NEIGHBOURS)
    if not all(any(name in tool for tool in listed) for name in wanted):
        raise RuntimeError(f"MagicTunnel lists only {listed}: {said(log)}")


async def _listening(front: str) -> bool:
    host, _, port = front.removeprefix("http://").removesuffix("/mcp").partition(":")
    try:
        stream = await anyio.connect_tcp(host, int(port))
    except OSError:
        return False
    await stream.aclose()
    return True


def _free_port() -> int:
    """A port of loopback that nobody listened at a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
