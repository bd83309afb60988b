"""A gateway in a thread of its own, served twice: by our reader of HTTP, and by the SDK's way, to compare with."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import TaskGroup

from magictunnel.front.http import listen_on, serve_http
from magictunnel.front.server import FrontServer
from magictunnel.wire.ours import SWITCH
from tests.support.world import LIST_ALL, PATIENCE, World, python_server, world

BACKEND = Path(__file__).with_name("backend.py")


@dataclass
class Gate:
    """Where it listens, and what went wrong in it that nobody was told."""

    ours: int = 0
    sdks: int = 0
    faults: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Fail if something went wrong since the last check."""
        faults, self.faults[:] = self.faults[:], ()
        assert not faults, faults[:3]


@contextmanager
def gate() -> Iterator[Gate]:
    """A running gateway."""
    made = Gate()
    is_ready, is_over = threading.Event(), threading.Event()
    thread = threading.Thread(target=anyio.run, args=(_run, made, is_ready, is_over), daemon=True)
    thread.start()
    assert is_ready.wait(PATIENCE)
    try:
        yield made
    finally:
        is_over.set()
        thread.join(PATIENCE)
    assert not thread.is_alive()


async def _run(made: Gate, is_ready: threading.Event, is_over: threading.Event) -> None:
    def fault(_loop: asyncio.AbstractEventLoop, about: dict[str, Any]) -> None:
        made.faults.append(f"{about.get('message')}: {about.get('exception')!r}")

    asyncio.get_running_loop().set_exception_handler(fault)
    async with world(more={"e": python_server(BACKEND)}, **LIST_ALL) as running:
        await running.until_ready()
        made.ours = running.port
        with listen_on("127.0.0.1", 0) as listener:
            async with anyio.create_task_group() as tasks:
                made.sdks = listener.getsockname()[1]
                await _serve_as_sdk(running, listener, tasks)
                is_ready.set()
                while not is_over.is_set():
                    await anyio.sleep(0.05)
                tasks.cancel_scope.cancel()


async def _serve_as_sdk(running: World, listener: socket.socket, tasks: TaskGroup) -> None:
    """Serve the same gateway without our reader: the switch is looked at when serving begins."""
    was = os.environ.get(SWITCH)
    os.environ[SWITCH] = "sdk"
    tasks.start_soon(serve_http, FrontServer(running.gateway), listener)
    try:
        with anyio.fail_after(PATIENCE):
            async with await anyio.connect_tcp("127.0.0.1", listener.getsockname()[1]) as stream:
                await stream.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert (await stream.receive()).startswith(b"HTTP/1.1 200")
    finally:
        os.environ.pop(SWITCH)
        if was is not None:
            os.environ[SWITCH] = was
