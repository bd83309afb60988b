"""Processes that a test starts, beside those that speak MCP to it: their ports, their talk, and that they are gone."""

from __future__ import annotations

import socket
from pathlib import Path

import anyio
from anyio.abc import ByteReceiveStream

CAN_SEE = Path("/proc/self/environ").exists()
"""Whether this system tells what runs in which environment."""
GONE_WITHIN = 15.0
"""Seconds after the end of a test in which every process of it has to have left."""


def free_port() -> int:
    """A port of loopback that nobody listened at a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def drain(talk: ByteReceiveStream) -> None:
    """Read and forget, so that whoever writes is never held up."""
    while True:
        try:
            await talk.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
            return


async def until_gone(mark: str) -> None:
    """Wait until no process with `NAME=VALUE` in its environment is left: ours, a server's, or a child of one."""
    with anyio.move_on_after(GONE_WITHIN):
        while marked(mark):
            await anyio.sleep(0.02)
    assert not marked(mark), f"left behind: {marked(mark)}"


def marked(mark: str) -> dict[str, str]:
    """Processes with `mark` in their environment, with their command lines; none unless CAN_SEE."""
    found: dict[str, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found[folder.name] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return found
