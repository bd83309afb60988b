"""The floor's pipes: lines in, lines out, over asyncio's streams."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable

import orjson

from benchmarks.wire.relays.shared import INITIALIZED, Json, line, request

LIMIT = 1 << 26
"""Bytes of the longest line: results of 10 MB are measured."""


class PipeBack:
    """A server behind pipes."""

    def __init__(self, words: list[str], opening: Json | None) -> None:
        self._words, self._opening = words, opening
        self._number = 0
        self._pending: dict[int, asyncio.Future[Json]] = {}

    async def open(self) -> None:
        """Start it, and shake hands where the era does."""
        process = await asyncio.create_subprocess_exec(*self._words, stdin=PIPE, stdout=PIPE, limit=LIMIT)
        assert process.stdin
        assert process.stdout
        self._process, self._in = process, process.stdin
        self._reading = asyncio.get_running_loop().create_task(self._read(process.stdout))
        if self._opening is not None:
            await self.ask(request("initialize", self._opening))
            self._in.write(line(INITIALIZED))

    async def ask(self, message: Json) -> Json:
        """The answer to a request, which is sent under an id of ours."""
        own, self._number = message["id"], self._number + 1
        message["id"] = number = self._number
        answered: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._pending[number] = answered
        self._in.write(line(message))
        await self._in.drain()
        answer = await answered
        answer["id"] = own
        return answer

    async def _read(self, out: asyncio.StreamReader) -> None:
        while text := await out.readline():
            message = orjson.loads(text)
            if answered := self._pending.pop(message.get("id"), None):
                answered.set_result(message)


async def serve_pipes(handle: Callable[[Json], Awaitable[Json]]) -> None:
    """Serve stdin and stdout until stdin ends."""
    loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()
    reader = asyncio.StreamReader(limit=LIMIT)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), sys.stdout
    )
    writer = asyncio.StreamWriter(transport, protocol, None, loop)

    async def one(message: Json) -> None:
        writer.write(line(await handle(message)))
        await writer.drain()

    while text := await reader.readline():
        message = orjson.loads(text)
        if "id" in message:  # there is nothing to do for notifications
            task = loop.create_task(one(message))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
