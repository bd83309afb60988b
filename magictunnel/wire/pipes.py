"""Lines from one file descriptor and bytes to another, straight from the event loop: no stream, no task, no thread."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from time import monotonic
from typing import cast

from magictunnel.wire.codec import Text
from magictunnel.wire.lines import MAX_LINE, Lines, LineTooLong

_SOON = 100e-6
"""Seconds: one write takes the system about a tenth of this. Of calls one after another each takes longer, and of many
at once less: their answers wait for each other.
"""
_TOGETHER = 2 * 1024
"""Bytes of small things that wait for each other: whoever reads them is to begin while we make more."""
_JOINED = 64 * 1024
"""Bytes up to which one write of one piece is cheaper than several pieces that are not copied."""


class LineReader(asyncio.Protocol):
    """Hands on each line as it comes."""

    def __init__(
        self, on_line: Callable[[bytes], None], on_end: Callable[[LineTooLong | None], None], limit: int = MAX_LINE
    ) -> None:
        """`on_end`: told once, when the other side has closed its end, or with what it broke."""
        self._lines = Lines(limit)
        self._on_line = on_line
        self._on_end = on_end
        self._is_over = False
        self._is_paused = False
        self._transport: asyncio.ReadTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `BaseProtocol.connection_made`."""
        self._transport = cast("asyncio.ReadTransport", transport)  # uvloop's are no subclasses of asyncio's

    def data_received(self, data: bytes) -> None:
        """See `Protocol.data_received`."""
        try:
            for line in self._lines.feed(data):
                self._on_line(line)
        except LineTooLong as error:
            self._end(error)
            self.close()

    def eof_received(self) -> None:
        """See `Protocol.eof_received`."""
        self._end(None)

    def connection_lost(self, _error: Exception | None) -> None:
        """See `BaseProtocol.connection_lost`."""
        self._end(None)

    def pause(self, is_paused: bool) -> None:
        """Read nothing until further notice, or go on."""
        if self._transport is None or self._is_over or is_paused is self._is_paused:
            return
        self._is_paused = is_paused
        (self._transport.pause_reading if is_paused else self._transport.resume_reading)()

    def close(self) -> None:
        """Read no more; nobody is told."""
        self._is_over = True
        if self._transport is not None:
            self._transport.close()

    def _end(self, broke: LineTooLong | None) -> None:
        if not self._is_over:
            self._is_over = True
            self._on_end(broke)


class PipeWriter(asyncio.BaseProtocol):
    """Writes at once, and says when the other side reads more slowly than that."""

    def __init__(self, on_lost: Callable[[], None] = lambda: None, clock: Callable[[], float] = monotonic) -> None:
        """`on_lost`: told once, when nothing more can be written. `clock`: tells seconds."""
        self._on_lost = on_lost
        self._clock = clock
        self._transport: asyncio.WriteTransport | None = None
        self._room: asyncio.Future[None] | None = None
        self._is_over = False
        self._held: list[Text] = []
        """What goes out at the end of this step of the event loop."""
        self._size = 0
        """Bytes of it."""
        self._is_held = False
        """Whether the end of this step is waited for."""
        self._latest = float("-inf")
        """When something was written last, by the clock."""

    @property
    def is_full(self) -> bool:
        """Whether the other side does not read; whoever can wait should, with `drained`."""
        return self._room is not None

    @property
    def is_empty(self) -> bool:
        """Whether all that was written has left us."""
        return self._transport is None or not (self._held or self._transport.get_write_buffer_size())

    def write(self, *pieces: Text) -> None:
        """Write `pieces`, one after the other. What cannot be written any more is dropped.

        What comes alone is written at once; what comes soon after something else waits for the end of the step, or for
        enough others, so that several things are written together.
        """
        if self._transport is None or self._is_over:
            return
        before, self._latest = self._latest, self._clock()
        if not self._held and self._latest - before > _SOON:
            self._put(pieces, sum(map(len, pieces)))
            return
        if not self._is_held:
            self._is_held = True
            asyncio.get_running_loop().call_soon(self._end_step)
        self._held += pieces
        self._size += sum(map(len, pieces))
        if self._size > _TOGETHER:
            self._put_held()

    def _end_step(self) -> None:
        self._is_held = False
        self._put_held()

    def _put_held(self) -> None:
        held, size = self._held, self._size
        if held:
            self._held, self._size = [], 0
            self._put(held, size)

    def _put(self, pieces: Sequence[Text], size: int) -> None:
        if self._transport is None or self._is_over:
            return
        if size <= _JOINED:
            self._transport.write(b"".join(pieces))
        else:
            for piece in pieces:
                self._transport.write(piece)

    async def drained(self) -> None:
        """Wait until the other side has read enough."""
        while self._room is not None and not self._is_over:
            await asyncio.shield(self._room)

    async def flushed(self) -> None:
        """Wait until the other side's system has taken everything."""
        self._put_held()
        if self._transport is not None:
            self._transport.set_write_buffer_limits(0)
            await self.drained()

    def finish(self) -> None:
        """Close now: what the other side has not read by now, it may never read."""
        self._put_held()
        if self._transport is not None:
            (self._transport.close if self.is_empty else self._transport.abort)()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `BaseProtocol.connection_made`."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def pause_writing(self) -> None:
        """See `BaseProtocol.pause_writing`."""
        if self._room is None:
            self._room = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """See `BaseProtocol.resume_writing`."""
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    def connection_lost(self, _error: Exception | None) -> None:
        """See `BaseProtocol.connection_lost`."""
        if not self._is_over:
            self._is_over = True
            self.resume_writing()
            self._on_lost()


async def read_lines(fd: int, reader: LineReader) -> None:
    """Have `reader` hear what comes in on `fd`, which is its own from now on."""
    await asyncio.get_running_loop().connect_read_pipe(lambda: reader, os.fdopen(fd, "rb", 0))


async def write_to(fd: int, writer: PipeWriter) -> None:
    """Have `writer` write to `fd`, which is its own from now on."""
    await asyncio.get_running_loop().connect_write_pipe(lambda: writer, os.fdopen(fd, "wb", 0))
