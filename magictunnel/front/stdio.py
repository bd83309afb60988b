"""One client on stdin and stdout. Our stdout carries JSON-RPC and nothing else, whoever prints."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import AsyncIterator

import anyio
import anyio.from_thread
import anyio.to_thread
from anyio.lowlevel import EventLoopToken, current_token
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.server.runner import serve_dual_era_loop
from mcp.shared.message import SessionMessage

from magictunnel.front.server import FrontServer
from magictunnel.wire.lines import LineTooLong, decode, encode, split_lines

_CHUNK = 1 << 16

logger = logging.getLogger(__name__)


async def serve_stdio(server: FrontServer) -> None:
    """Serve the client that started us, until it closes our stdin."""
    reading, writing = _claim_standard_streams()
    inbox, received = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    to_send, outbox = anyio.create_memory_object_stream[SessionMessage](0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_read, reading, inbox)
        tasks.start_soon(_write, writing, outbox)
        tasks.start_soon(server.notifier.run)
        await serve_dual_era_loop(server, received, to_send, lifespan_state=None)
        tasks.cancel_scope.cancel()


def _claim_standard_streams() -> tuple[int, int]:
    """Private descriptors for the wire; fd 0 then reads nothing, and what is printed to fd 1 goes to stderr."""
    sys.stdout.flush()
    reading, writing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return reading, writing


async def _read(fd: int, inbox: MemoryObjectSendStream[SessionMessage | Exception]) -> None:
    async with inbox:
        try:
            async for line in split_lines(_chunks(fd)):
                if message := decode(line, lambda junk: logger.warning("our client wrote no JSON-RPC: %.80r", junk)):
                    await inbox.send(message)
        except LineTooLong as error:
            logger.error("our client lost the protocol: %s", error)


async def _chunks(fd: int) -> AsyncIterator[bytes]:
    """What comes in on `fd`, until its end.

    A thread reads, since stdin may be a file, a pipe or a terminal; it is a daemon, since a blocked read cannot
    be cancelled and must not keep us from ending.
    """
    send, receive = anyio.create_memory_object_stream[bytes](1)
    token = current_token()
    threading.Thread(target=_pump, args=(fd, send, token), name="stdin", daemon=True).start()
    with receive:
        async for chunk in receive:
            yield chunk


def _pump(fd: int, send: MemoryObjectSendStream[bytes], token: EventLoopToken) -> None:
    try:
        while chunk := os.read(fd, _CHUNK):
            anyio.from_thread.run(send.send, chunk, token=token)
        anyio.from_thread.run_sync(send.close, token=token)
    except (OSError, RuntimeError, anyio.BrokenResourceError, anyio.ClosedResourceError):
        return  # the loop has ended, and nobody waits for more


async def _write(fd: int, outbox: MemoryObjectReceiveStream[SessionMessage]) -> None:
    async for message in outbox:
        try:
            # In a thread: a client that does not read must not stop the loop that serves everything else.
            await anyio.to_thread.run_sync(_write_all, fd, encode(message), abandon_on_cancel=True)
        except OSError:
            return


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
