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

from magictunnel.front.first import First, Taken
from magictunnel.front.first_replay import FirstWriter, replay
from magictunnel.front.pipe import PipeClient
from magictunnel.front.server import FrontServer
from magictunnel.front.sessions import pipe
from magictunnel.front.standard import claim_standard_streams
from magictunnel.wire.lines import LineTooLong, split_lines
from magictunnel.wire.ours import can_be_polled, is_ours
from magictunnel.wire.pipes import LineReader, PipeWriter, read_lines, write_to
from magictunnel.wire.typed import decode, encode

_CHUNK = 1 << 16
_LAST_ANSWERS = 1.0
"""Seconds for what was asked before the client closed our stdin."""
_GLANCE = 0.5
"""Seconds between two looks at whether whoever started us is still there."""

logger = logging.getLogger(__name__)


async def serve_stdio(server: FrontServer, first: First | None = None) -> None:
    """Serve the client that started us, until it closes our stdin; what it has asked by then is still answered.

    `first`: has heard and answered it until now.

    Somebody else may hold our stdin open: that whoever started us has ended is taken as its end, too.

    Raises:
        ConfigError: we have no stdin or stdout to serve on.
    """
    pipe.set("stdio")
    taken = first.take() if first else Taken(*claim_standard_streams(), [], b"", b"")
    is_pollable = is_ours() and can_be_polled(taken.reading, taken.writing)
    if is_pollable:
        await _serve_pipes(server, taken)
    else:
        await _serve_streams(server, taken.reading, taken.writing)


async def _serve_pipes(server: FrontServer, taken: Taken) -> None:
    """Serve a client over pipes that the event loop itself waits for."""
    gone = anyio.Event()
    over = anyio.CancelScope()

    def hung_up(broke: LineTooLong | None) -> None:
        if broke:
            logger.error("our client lost the protocol: %s", broke)
        gone.set()

    def lost() -> None:  # nobody is left to read an answer
        over.cancel()

    writer = FirstWriter(on_lost=lost, on_stale=server.notifier.missed) if taken.heard else PipeWriter(on_lost=lost)
    client = PipeClient(server, writer)
    client.peer.inlet = reader = LineReader(client.peer.received, hung_up)
    try:
        await write_to(taken.writing, writer)
        replay(taken, writer, reader, client.peer.received)
        await read_lines(taken.reading, reader)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_end_without_parent, over)
            tasks.start_soon(server.run_aside)
            tasks.start_soon(client.run)
            with over:
                await gone.wait()
                with anyio.move_on_after(_LAST_ANSWERS):
                    await server.answered()
            client.peer.end()
            if not over.cancel_called:
                with anyio.move_on_after(_LAST_ANSWERS):
                    await writer.flushed()
            tasks.cancel_scope.cancel()
    finally:
        reader.close()
        writer.finish()


async def _serve_streams(server: FrontServer, reading: int, writing: int) -> None:
    """Serve a client over what cannot be polled, such as files and terminals, in threads, by the SDK's own loop."""
    for fd in (reading, writing):
        os.set_blocking(fd, True)  # a thread waits for it
    inbox, received = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    to_send, outbox = anyio.create_memory_object_stream[SessionMessage](0)
    async with anyio.create_task_group() as tasks:
        listening = anyio.CancelScope()
        tasks.start_soon(_read, reading, inbox, server.answered, listening)
        tasks.start_soon(_end_without_parent, listening)
        written = anyio.Event()
        tasks.start_soon(_write, writing, outbox, written, listening)
        tasks.start_soon(server.run_aside)
        await serve_dual_era_loop(server, received, to_send, lifespan_state=None)
        with anyio.move_on_after(_LAST_ANSWERS):
            await written.wait()
        tasks.cancel_scope.cancel()


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
        with contextlib.suppress(OSError):  # a terminal that hung up, a socket that was reset: nothing more comes
            while chunk := os.read(fd, _CHUNK):
                anyio.from_thread.run(send.send, chunk, token=token)
        anyio.from_thread.run_sync(send.close, token=token)
    except (RuntimeError, anyio.BrokenResourceError, anyio.ClosedResourceError):
        return  # the loop has ended, and nobody waits for more


async def _write(
    fd: int,
    outbox: MemoryObjectReceiveStream[SessionMessage],
    written: anyio.Event,
    listening: anyio.CancelScope,
) -> None:
    """Write what is to be sent, in a thread of its own: a client that does not read must stop neither the loop that
    serves everything else, nor our end. If nothing can be written any more, nothing more is listened to.
    """
    lines: queue.Queue[tuple[bytes, anyio.Event] | None] = queue.Queue(1)
    pour = threading.Thread(
        target=_pour, args=(fd, lines, listening.cancel, current_token()), name="stdout", daemon=True
    )
    pour.start()
    try:
        async for message in outbox:
            done = anyio.Event()
            lines.put_nowait((encode(message), done))
            await done.wait()
        written.set()
    finally:
        with contextlib.suppress(queue.Full):  # it is stuck in a write, and ends with the process
            lines.put_nowait(None)


def _pour(
    fd: int, lines: queue.Queue[tuple[bytes, anyio.Event] | None], lost: Callable[[], None], token: EventLoopToken
) -> None:
    is_lost = False
    with contextlib.suppress(RuntimeError):  # the loop has ended
        while (line := lines.get()) is not None:
            if not is_lost and not _poured(fd, line[0]):
                is_lost = True
                anyio.from_thread.run_sync(lost, token=token)
            anyio.from_thread.run_sync(line[1].set, token=token)


def _poured(fd: int, line: bytes) -> bool:
    """Whether somebody reads, or keeps, what is written."""
    view = memoryview(line)
    try:
        while view:
            view = view[os.write(fd, view) :]
    except OSError as error:
        logger.error("our client cannot be answered any more: %s", error)
        return False
    return True
