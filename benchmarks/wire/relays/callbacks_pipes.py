"""The leanest relay's pipes: lines in, lines out, over plain asyncio protocols."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any, cast

import orjson

from benchmarks.wire.relays.shared import INITIALIZED, Json, line, request

Reply = Callable[[Json], None]


class Lines:
    """Chunks -> lines."""

    def __init__(self) -> None:
        self._held: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that are complete now."""
        if b"\n" not in chunk:
            self._held.append(chunk)
            return []
        *lines, rest = chunk.split(b"\n")
        if self._held:
            lines[0] = b"".join((*self._held, lines[0]))
            self._held.clear()
        if rest:
            self._held.append(rest)
        return lines


class PipeBack(asyncio.SubprocessProtocol):
    """A server behind pipes."""

    def __init__(self, words: list[str], opening: Json | None) -> None:
        self._words, self._opening = words, opening
        self._lines = Lines()
        self._number = 0
        self._pending: dict[int, tuple[Any, Reply]] = {}

    async def open(self) -> None:
        """Start it, and shake hands where the era does."""
        loop = asyncio.get_running_loop()
        process, _ = await loop.subprocess_exec(lambda: self, *self._words, stderr=None)
        self._in = cast("asyncio.WriteTransport", process.get_pipe_transport(0))
        if self._opening is None:
            return
        answered: asyncio.Future[Json] = loop.create_future()
        self.send(request("initialize", self._opening), answered.set_result)
        await answered
        self._in.write(line(INITIALIZED))

    def send(self, message: Json, reply: Reply) -> None:
        """Send a request under an id of ours."""
        self._number = number = self._number + 1
        self._pending[number] = (message["id"], reply)
        message["id"] = number
        self._in.write(line(message))

    def pipe_data_received(self, _: int, data: bytes) -> None:
        """Answers, back under the ids of their askers."""
        for text in self._lines.feed(data):
            message = orjson.loads(text)
            if found := self._pending.pop(message.get("id"), None):
                message["id"], reply = found
                reply(message)


class PipeFront(asyncio.Protocol):
    """The client that started us."""

    def __init__(self, handle: Callable[[Json, Reply], None]) -> None:
        self._handle = handle
        self._lines = Lines()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.out: asyncio.WriteTransport

    def data_received(self, data: bytes) -> None:
        """Requests; there is nothing to do for notifications."""
        for text in self._lines.feed(data):
            message = orjson.loads(text)
            if "id" in message:
                self._handle(message, self._reply)

    def _reply(self, message: Json) -> None:
        self.out.write(line(message))

    def connection_lost(self, _: Exception | None) -> None:
        """The client has gone."""
        self.ended.set_result(None)


async def serve_pipes(handle: Callable[[Json, Reply], None]) -> None:
    """Serve stdin and stdout until stdin ends."""
    loop = asyncio.get_running_loop()
    out, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, sys.stdout)
    front = PipeFront(handle)
    front.out = out
    await loop.connect_read_pipe(lambda: front, sys.stdin)
    await front.ended
