"""A TCP proxy that does to connections what networks do: cut them, let them idle out, refuse them, or swallow them."""

from __future__ import annotations

import contextlib
import math
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
from anyio.abc import SocketAttribute, SocketStream, TaskGroup

_GONE = (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream)


class _Pair:
    """One connection of a client, and ours to the server for it."""

    def __init__(self, client: SocketStream) -> None:
        self.streams = [client]
        self.last = anyio.current_time()

    async def pump(self, source: SocketStream, sink: SocketStream) -> None:
        """Pass bytes on in one direction until either side ends."""
        with contextlib.suppress(*_GONE):
            while True:
                chunk = await source.receive()
                self.last = anyio.current_time()
                await sink.send(chunk)

    async def close(self, *, reset: bool = False) -> None:
        """End both connections; with `reset`, by RST."""
        for stream in self.streams:
            with contextlib.suppress(*_GONE):
                if reset:
                    raw = stream.extra(SocketAttribute.raw_socket)
                    with contextlib.suppress(OSError):  # it has been closed meanwhile
                        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                await anyio.aclose_forcefully(stream)


class Proxy:
    """Passes on what comes at `port` to the server at `target`, as long as a test lets it."""

    def __init__(self, target: int, tasks: TaskGroup) -> None:
        self.target = target
        self.port = 0
        self.idle = math.inf
        """Seconds of silence after which a connection is cut."""
        self.swallows = False
        """Whether new connections are taken, and nothing comes of them."""
        self.accepted = 0
        self._tasks = tasks
        self._pairs: set[_Pair] = set()
        self._serving = anyio.CancelScope()

    @property
    def open(self) -> int:
        """Connections that stand now."""
        return len(self._pairs)

    async def listen(self) -> None:
        """Take connections, at the same port as before if there was one."""
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=self.port, backlog=256)
        self.port = listener.extra(SocketAttribute.local_port)
        self._serving = scope = anyio.CancelScope()

        async def serve() -> None:
            async with listener:
                with scope:
                    await listener.serve(self._connected, self._tasks)

        self._tasks.start_soon(serve)

    async def refuse(self) -> None:
        """Cut what stands, and have nobody listen at the port."""
        self._serving.cancel()
        await anyio.lowlevel.checkpoint()
        await self.cut()

    async def cut(self, *, reset: bool = True) -> None:
        """End every connection that stands, from the middle."""
        for pair in tuple(self._pairs):
            await pair.close(reset=reset)

    async def _connected(self, client: SocketStream) -> None:
        self.accepted += 1
        self._pairs.add(pair := _Pair(client))
        try:
            with contextlib.suppress(*_GONE):
                async with client:
                    await (self._swallow(pair) if self.swallows else self._relay(pair))
        finally:
            self._pairs.discard(pair)

    async def _swallow(self, pair: _Pair) -> None:
        while True:
            await pair.streams[0].receive()

    async def _relay(self, pair: _Pair) -> None:
        async with await anyio.connect_tcp("127.0.0.1", self.target) as server, anyio.create_task_group() as tasks:
            client = pair.streams[0]
            pair.streams.append(server)
            for stream in pair.streams:
                with contextlib.suppress(OSError):  # it has been cut meanwhile
                    stream.extra(SocketAttribute.raw_socket).setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            async def one_way(source: SocketStream, sink: SocketStream) -> None:
                await pair.pump(source, sink)
                tasks.cancel_scope.cancel()

            async def cut_when_idle() -> None:
                while (left := pair.last + self.idle - anyio.current_time()) > 0:
                    await anyio.sleep(min(left, 0.05))
                await pair.close()

            tasks.start_soon(one_way, client, server)
            tasks.start_soon(one_way, server, client)
            tasks.start_soon(cut_when_idle)


@asynccontextmanager
async def proxied(target: int) -> AsyncIterator[Proxy]:
    """A proxy in front of the local port `target`."""
    async with anyio.create_task_group() as tasks:
        proxy = Proxy(target, tasks)
        await proxy.listen()
        try:
            yield proxy
        finally:
            tasks.cancel_scope.cancel()
