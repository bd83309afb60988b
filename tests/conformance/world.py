"""The server under test, and MagicTunnel in front of it beside two others: as processes of their own."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from mcp.client.client import Client

from tests.conformance.plan import Mode
from tests.conformance.processes import PATIENCE, ROOT, found_in, said, started

ALIAS = "everything"
"""The name of the server under test in the config."""
Entry = dict[str, Any]
"""One server in the config."""
NEIGHBOURS = ("north", "south")
_ANNOUNCES = "test_simple_text"
"""A tool that is listed, by some name, once the server under test is there."""


@asynccontextmanager
async def everything(folder: Path, era: str = "both") -> AsyncIterator[str]:
    """The server under test, speaking `era` (both | handshake | stateless): its URL."""
    log = folder / "everything.log"
    async with started([sys.executable, "-m", "tests.conformance.everything", "--era", era], log) as process:
        yield await found_in(log, process, r"(.+)\n")


@asynccontextmanager
async def tunnel(tested: Entry, mode: Mode, folder: Path) -> AsyncIterator[str]:
    """MagicTunnel in front of the server under test, all its servers ready: its URL."""
    config = configured(tested, mode, folder)
    log = folder / "magictunnel.log"
    serve = ("serve", "--http", "127.0.0.1:0", "--log-level", "debug", "-c", str(config))
    async with started([sys.executable, "-m", "magictunnel", *serve], log) as process:
        front = await found_in(log, process, r"(?m)^At (http://\S+)\s")
        await _ready(front, log)
        yield front


def reached(url: str, era: str | None = None) -> Entry:
    """The config entry of the server under test where it listens at a URL."""
    return {"url": url} | ({"era": era} if era else {})


def piped(era: str = "both") -> Entry:
    """Its config entry where MagicTunnel starts it."""
    return _module("tests.conformance.everything", "--stdio", "--era", era)


def _module(*words: str) -> Entry:
    return {"command": sys.executable, "args": ["-m", *words], "cwd": str(ROOT)}


def configured(tested: Entry, mode: Mode, folder: Path) -> Path:
    """A config file with the entry of the server under test, and two neighbours."""
    beside = {name: _module("tests.conformance.neighbour", name) for name in NEIGHBOURS}
    # The first answer is to have all servers in it, however slow the machine is.
    told = {"mcpServers": {ALIAS: tested} | beside, "naming": {"prefix": mode.prefix}, "start_wait": "30s"}
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "config.json"
    config.write_text(json.dumps(told, indent=2), encoding="utf-8")
    return config


async def _ready(front: str, log: Path) -> None:
    """Wait until everything is listed. Raises RuntimeError: it lists less."""
    with anyio.fail_after(PATIENCE):
        async with Client(front) as client:
            listed = [tool.name for tool in (await client.list_tools()).tools]
    wanted = (_ANNOUNCES, *NEIGHBOURS)
    if not all(any(name in tool for tool in listed) for name in wanted):
        raise RuntimeError(f"MagicTunnel lists only {listed}: {said(log)}")
