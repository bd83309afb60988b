"""JSON-RPC with a process over its stdin and stdout, as a pair of message streams for a dispatcher."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import Process
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage

from magictunnel.wire.dispatcher import WireDispatcher
from magictunnel.wire.evidence import Evidence
from magictunnel.wire.lines import LineTooLong, decode, split_lines
from magictunnel.wire.process import exited
from magictunnel.wire.written import line_of

_LAST_WORDS = 0.5
"""Seconds for what a server wrote just before it ended."""
_GONE = (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError)


@asynccontextmanager
async def process_wire(process: Process, evidence: Evidence) -> AsyncIterator[WireDispatcher]:
    """A dispatcher that talks to `process`; it closes when the process closes either pipe."""
    inbox, received = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    to_send, outbox = anyio.create_memory_object_stream[SessionMessage](0)
    async with inbox, received, to_send, outbox, anyio.create_task_group() as tasks:
        tasks.start_soon(_read, process, inbox, evidence)
        tasks.start_soon(_write, process, outbox, inbox)
        tasks.start_soon(_end_with, process, inbox, evidence)
        yield WireDispatcher(received, to_send)
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


async def _end_with(
    process: Process, inbox: MemoryObjectSendStream[SessionMessage | Exception], evidence: Evidence
) -> None:
    """A server whose process has ended is over, even if a child of it still holds the pipe open."""
    await exited(process)
    await anyio.sleep(_LAST_WORDS)
    evidence.hung_up = True
    inbox.close()


async def _write(
    process: Process,
    outbox: MemoryObjectReceiveStream[SessionMessage],
    inbox: MemoryObjectSendStream[SessionMessage | Exception],
) -> None:
    assert process.stdin is not None
    try:
        async for message in outbox:
            await process.stdin.send(line_of(message.message) + b"\n")
    except _GONE:
        # It may still be alive: end the reading side too, or its callers would wait for an answer for ever.
        inbox.close()
