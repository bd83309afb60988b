"""Between workers: connections handed over whole, and word of what has changed, over a socket of each in one folder.

A connection whose next request belongs to another worker goes there with the bytes that were read of it, between two
requests. What one worker says to another is one message on a connection of its own: a head, and so many bytes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from pathlib import Path

import anyio
from anyio.abc import SocketStream, UNIXSocketStream

from magictunnel.front.reader import Request, RequestReader
from magictunnel.front.workers import Sorter, Worker
from magictunnel.wire.listen import serve_on

_HEAD = struct.Struct("!cI")
"""The kind of a message, and the bytes that follow."""
_REQUEST, _NEWS = b"r", b"n"
_TAKEN = b"t"
"""What is said back by whoever has a connection from now on."""
_MAX_NEWS = 1024 * 1024
"""Bytes."""
_MORE = 1024 * 1024
"""Bytes that may have come with a request beside its body."""
_PATIENCE = 5.0
"""Seconds for one message; workers that take longer are gone, or as good as."""

Adopt = Callable[[socket.socket, bytes], Awaitable[None]]
"""Takes a connection with what was read of it."""

logger = logging.getLogger(__name__)


class Handoff:
    """The ways from one worker to the others."""

    def __init__(self, worker: Worker, folder: Path, max_body: int) -> None:
        """`folder`: where the sockets are; nobody else may be able to open it. `max_body`: bytes in one request."""
        self.worker = worker
        self.max_body = max_body
        self._folder = folder
        self._sorter = Sorter(worker)

    def reader(self) -> RequestReader:
        """What reads the requests of one connection as far as it takes to tell whose they are."""
        return RequestReader(self.max_body, self._sorter.is_needed)

    def leaving(
        self, request: Request, transport: asyncio.Transport, begin: Callable[[Request], None]
    ) -> Coroutine[None, None, None] | None:
        """What hands a connection over if its next request belongs to another worker, before anything else is read of
        it; `begin`: answers that request here if nobody takes it. None: it is ours.
        """
        number = self._sorter.owner(request)
        # Whoever asks on before it has read the last answer goes without: that answer is still ours to send.
        if number == self.worker.number or transport.get_write_buffer_size() > 0:
            return None
        fd = _copied(transport)
        if fd is None:
            return None
        transport.pause_reading()
        return self._leave(number, fd, request, transport, begin)

    async def _leave(
        self, number: int, fd: int, request: Request, transport: asyncio.Transport, begin: Callable[[Request], None]
    ) -> None:
        try:
            is_gone = await self.give(number, fd, request.data)
        finally:
            os.close(fd)
        if is_gone:
            transport.close()
        elif not transport.is_closing():
            transport.resume_reading()
            begin(request)

    async def give(self, number: int, fd: int, request: bytes) -> bool:
        """Hand a connection to the worker of that number; False: it did not take it."""
        is_given = False
        try:
            with anyio.fail_after(_PATIENCE):
                async with await anyio.connect_unix(self._path(number)) as other:
                    await other.send_fds(_HEAD.pack(_REQUEST, len(request)), [fd])
                    await other.send(request)
                    is_given = True  # for all we know: two must not answer
                    is_given = await _is_taken(other)
        except (OSError, TimeoutError, anyio.BrokenResourceError) as error:
            logger.info("worker %d takes no connection (%s): its request is answered here", number, error)
        return is_given

    async def tell(self, news: bytes) -> None:
        """Tell all others; those that do not listen now come up anew, and know."""
        async with anyio.create_task_group() as tasks:
            for number in range(1, self.worker.of + 1):
                if number != self.worker.number:
                    tasks.start_soon(self._tell, number, news)

    async def _tell(self, number: int, news: bytes) -> None:
        with suppress(OSError, TimeoutError, anyio.BrokenResourceError), anyio.fail_after(_PATIENCE):
            async with await anyio.connect_unix(self._path(number)) as other:
                await other.send(_HEAD.pack(_NEWS, len(news)) + news)

    async def serve(self, adopt: Adopt, hear: Callable[[bytes], None]) -> None:
        """Take what others hand over and tell, until cancelled."""
        path = self._path(self.worker.number)
        path.unlink(missing_ok=True)  # of the worker that had our number before
        listener = await anyio.create_unix_listener(path, mode=0o600, backlog=1_024)
        try:
            await serve_on(listener, partial(self._take, adopt, hear))
        finally:
            path.unlink(missing_ok=True)

    async def _take(self, adopt: Adopt, hear: Callable[[bytes], None], stream: SocketStream) -> None:
        """One message. What is not as it should be is dropped, and so is a connection that came with it."""
        assert isinstance(stream, UNIXSocketStream)
        fds: list[int] = []
        try:
            async with stream:
                with anyio.fail_after(_PATIENCE):
                    head, fds = await stream.receive_fds(_HEAD.size, 1)
                    for fd in fds:
                        os.set_inheritable(fd, False)
                    kind, size = _HEAD.unpack(head)
                    if kind == _REQUEST and fds and size <= self.max_body + _MORE:
                        request = await _whole(stream, size)
                        with suppress(anyio.BrokenResourceError):  # it waits no more, and has let go of it
                            await stream.send(_TAKEN)
                        await adopt(socket.socket(fileno=fds.pop()), request)
                    elif kind == _NEWS and not fds and size <= _MAX_NEWS:
                        hear(await _whole(stream, size))
                    else:
                        raise ValueError("this is no message of a worker")
        except (OSError, ValueError, struct.error, TimeoutError, anyio.EndOfStream, anyio.BrokenResourceError) as error:
            logger.warning("what another worker sent is dropped: %r", error)
        finally:
            for fd in fds:
                os.close(fd)

    def _path(self, number: int) -> Path:
        return self._folder / str(number)


async def _is_taken(other: SocketStream) -> bool:
    """Whether the worker we have sent a connection to says that it has it; False: it hung up instead."""
    with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
        return await other.receive(len(_TAKEN)) == _TAKEN
    return False


async def _whole(stream: SocketStream, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        received += await stream.receive(min(size - len(received), 1024 * 1024))
    return bytes(received)


def _copied(transport: asyncio.Transport) -> int | None:
    """A descriptor of our own (that of the transport is reused once its client has gone); None: none is left."""
    try:
        return os.dup(transport.get_extra_info("socket").fileno())
    except OSError:
        return None
