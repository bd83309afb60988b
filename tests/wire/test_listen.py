"""A socket of ours is listened on for as long as we live, whatever the system refuses meanwhile."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketStream

from magictunnel.wire.listen import serve_on

pytestmark = pytest.mark.anyio

PATIENCE = 15.0


@contextlib.contextmanager
def no_file_left() -> Iterator[None]:
    """No file can be opened by this process while the block lasts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_who_connects_while_no_file_can_be_opened_is_served_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def echo(stream: SocketStream) -> None:
        async with stream:
            await stream.send(await stream.receive())

    path = tmp_path / "socket"
    listener = await anyio.create_unix_listener(path)
    with anyio.fail_after(PATIENCE), socket.socket(socket.AF_UNIX) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve_on, listener, echo)
            await anyio.wait_all_tasks_blocked()
            with no_file_left():
                client.connect(str(path))
                client.send(b"hello")
                while "nobody can connect to us for now" not in caplog.text:
                    await anyio.sleep(0.01)
            client.setblocking(False)
            await anyio.wait_readable(client)
            assert client.recv(10) == b"hello"
            tasks.cancel_scope.cancel()
    assert "Too many open files" in caplog.text
