"""One client on stdin and stdout. Our stdout carries JSON-RPC and nothing else, whoever prints."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
import anyio.from_thread
from anyio.lowlevel import EventLoopToken, current_token
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.server.runner import serve_dual_era_loop
from mcp.shared.message import SessionMessage

from magictunnel.errors import ConfigError
from magictunnel.front.server import FrontServer
from magictunnel.front.sessions import pipe
from magictunnel.wire.lines import LineTooLong, decode, encode, split_lines

_CHUNK = 1 << 16
_LAST_ANSWERS = 1.0
"""Seconds for what was asked before the client closed our stdin."""
_GLANCE = 0.1
"""Seconds between two looks at whether whoever started us is still there."""

logger = logging.getLogger(__name__)


async def serve_stdio(server: FrontServer) -> None:
    """Serve the client that started us, until it closes our stdin; what it has asked by then is still answered.

    Somebody else may hold our stdin open: that whoever started us has ended is taken as its end, too.

    Raises:
        ConfigError: we have no stdin or stdout to serve on.
    """
    pipe.set("stdio")
    reading, writing = _claim_standard_streams()
    inbox, received = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    to_send, outbox = anyio.create_memory_object_stream[SessionMessage](0)
    async with anyio.create_task_group() as tasks:
        listening = anyio.CancelScope()
        tasks.start_soon(_read, reading, inbox, server.answered, listening)
        tasks.start_soon(_end_without_parent, listening)
        written = anyio.Event()
        tasks.start_soon(_write, writing, outbox, written)
        tasks.start_soon(server.run_aside)
        await serve_dual_era_loop(server, received, to_send, lifespan_state=None)
        with anyio.move_on_after(_LAST_ANSWERS):
            await written.wait()
        tasks.cancel_scope.cancel()


def _claim_standard_streams() -> tuple[int, int]:
    """Private descriptors for the wire; fd 0 then reads nothing, and what is printed to fd 1 goes to stderr."""
    try:
        sys.stdout.flush()
        reading, writing = os.dup(0), os.dup(1)
    except (AttributeError, OSError) as error:
        raise ConfigError(
            "there is no stdin or stdout to serve on", hint="let a host start this, or use --http"
        ) from error
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return reading, writing


async def _read(
    fd: int,
    inbox: MemoryObjectSendStream[SessionMessage | Exception],
    answered: Callable[[], Awaitable[None]],
    listening: anyio.CancelScope,
) -> None:
    async with inbox:
        try:
            with listening:
                async for line in split_lines(_chunks(fd)):
                    if message := decode(line, _no_message):
                        await inbox.send(message)
        except LineTooLong as error:
            logger.error("our client lost the protocol: %s", error)
        if listening.cancel_called:  # nobody is left to read an answer
            return
        with anyio.move_on_after(_LAST_ANSWERS):
            await answered()


def _no_message(junk: bytes) -> None:
    logger.warning("our client wrote no JSON-RPC: %.80r", junk)


async def _end_without_parent(listening: anyio.CancelScope) -> None:
    """Hear our client no more once the process that started us is gone; another then stands in its place."""
    parent = os.getppid()
    if parent == 1 or sys.platform == "win32":  # gone already, or never to go; or its number tells nothing
        return
    while os.getppid() == parent:
        await anyio.sleep(_GLANCE)
    logger.info("whoever started us has ended: so do we")
    listening.cancel()


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


async def _write(fd: int, outbox: MemoryObjectReceiveStream[SessionMessage], written: anyio.Event) -> None:
    """Write what is to be sent, in a thread of its own: a client that does not read must stop neither the loop that
    serves everything else, nor our end.
    """
    lines: queue.Queue[tuple[bytes, anyio.Event] | None] = queue.Queue(1)
    threading.Thread(target=_pour, args=(fd, lines, current_token()), name="stdout", daemon=True).start()
    try:
        async for message in outbox:
            done = anyio.Event()
            lines.put_nowait((encode(message), done))
            await done.wait()
        written.set()
    finally:
        with contextlib.suppress(queue.Full):  # it is stuck in a write, and ends with the process
            lines.put_nowait(None)


def _pour(fd: int, lines: queue.Queue[tuple[bytes, anyio.Event] | None], token: EventLoopToken) -> None:
    try:
        while (line := lines.get()) is not None:
            view = memoryview(line[0])
            while view:
                view = view[os.write(fd, view) :]
            anyio.from_thread.run_sync(line[1].set, token=token)
    except (OSError, RuntimeError):
        return  # nobody reads any more, or the loop has ended
