"""JSON-RPC with a process over its stdin and stdout: pipes of our own, or its streams under the SDK's dispatcher."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
from anyio.abc import Process
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage

from magictunnel.wire.dispatcher import WireDispatcher
from magictunnel.wire.evidence import Evidence
from magictunnel.wire.lines import LineTooLong, split_lines
from magictunnel.wire.peer import Peer
from magictunnel.wire.pipes import LineReader, PipeWriter, read_lines, write_to
from magictunnel.wire.process import PipeEnds, exited
from magictunnel.wire.typed import decode
from magictunnel.wire.written import line_of

_LAST_WORDS = 0.5
"""Seconds for what a server wrote just before it ended, or writes after it has closed its stdin."""
_GONE = (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError)


class Pipes:
    """Two pipes to a process that is about to be started: our ends, and its own."""

    def __init__(self) -> None:
        its_stdin, self._to_it = os.pipe()
        self._from_it, its_stdout = os.pipe()
        self.ends = PipeEnds(its_stdin, its_stdout)

    def close(self) -> None:
        """Let go of what nobody has taken."""
        self.ends.close()
        for fd in (self.take_to_it(), self.take_from_it()):
            if fd >= 0:
                os.close(fd)

    def take_to_it(self) -> int:
        """The end that is written to; it is the taker's to close."""
        fd, self._to_it = self._to_it, -1
        return fd

    def take_from_it(self) -> int:
        """The end that is read from; it is the taker's to close."""
        fd, self._from_it = self._from_it, -1
        return fd


@asynccontextmanager
async def pipe_wire(process: Process, pipes: Pipes, evidence: Evidence) -> AsyncIterator[Peer]:
    """A dispatcher that talks to `process` over `pipes`; it closes when the process closes either.

    Of one that has closed its stdin what it took before may still be answered, for a moment.
    """
    writer = PipeWriter(on_lost=lambda: hears_no_more())
    peer = Peer(writer, on_junk=evidence.skipped)

    def hears_no_more() -> None:
        if not peer.is_closed:
            peer.ending()
            asyncio.get_running_loop().call_later(_LAST_WORDS, peer.end)

    def ended(broke: LineTooLong | None) -> None:
        evidence.broke = evidence.broke if broke is None else str(broke)
        evidence.hung_up = evidence.hung_up or broke is None
        peer.end()

    def over() -> None:
        evidence.hung_up = True
        peer.end()

    peer.inlet = reader = LineReader(peer.received, ended)
    try:
        await write_to(pipes.take_to_it(), writer)
        await read_lines(pipes.take_from_it(), reader)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_told_of_exit, process, over)
            yield peer
            tasks.cancel_scope.cancel()
    finally:
        peer.end()
        reader.close()
        writer.finish()


async def _told_of_exit(process: Process, told: Callable[[], None]) -> None:
    """A server whose process has ended is over, even if a child of it still holds the pipe open."""
    await exited(process)
    await anyio.sleep(_LAST_WORDS)
    told()


@asynccontextmanager
async def process_wire(process: Process, evidence: Evidence) -> AsyncIterator[WireDispatcher]:
    """A dispatcher that talks to `process`; it closes when the process closes either pipe."""
    inbox, received = anyio.create_memory_object_stream[SessionMessage | Exception](0)

    def over() -> None:
        evidence.hung_up = True
        inbox.close()

    to_send, outbox = anyio.create_memory_object_stream[SessionMessage](0)
    wire = WireDispatcher(received, to_send)

    async def hears_no_more() -> None:
        wire.ending()
        await anyio.sleep(_LAST_WORDS)
        inbox.close()

    async with inbox, received, to_send, outbox, anyio.create_task_group() as tasks:
        tasks.start_soon(_read, process, inbox, evidence)
        tasks.start_soon(_write, process, outbox, hears_no_more)
        tasks.start_soon(_told_of_exit, process, over)
        yield wire
        tasks.cancel_scope.cancel()


async def _read(
    process: Process, inbox: MemoryObjectSendStream[SessionMessage | Exception], evidence: Evidence
) -> None:
    assert process.stdout is not None
    async with inbox:
        try:
            async for line in split_lines(process.stdout):
                if message := decode(line, evidence.skipped):
                    await inbox.send(message)
            evidence.hung_up = True
        except LineTooLong as error:
            evidence.broke = str(error)
        except _GONE:
            return


async def _write(
    process: Process, outbox: MemoryObjectReceiveStream[SessionMessage], on_lost: Callable[[], Awaitable[None]]
) -> None:
    assert process.stdin is not None
    try:
        async for message in outbox:
            await process.stdin.send(line_of(message.message) + b"\n")
    except _GONE:
        # It may still be alive: end the reading side too, or its callers would wait for an answer for ever.
        await on_lost()
