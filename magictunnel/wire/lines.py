"""Bytes in chunks -> bounded lines. Pure."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterator

MAX_LINE = 64 * 1024 * 1024
"""Bytes in one line. A peer that sends more without a newline has lost the protocol, and its connection."""


class LineTooLong(Exception):
    """A peer sent more than MAX_LINE bytes without a newline."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"a line is longer than {limit // (1024 * 1024)} MiB")


class Lines:
    """Puts lines together from what comes in pieces; a last line without a newline is not a line."""

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit
        self._held: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The non-empty lines that end in `chunk`, without their newlines.

        Raises:
            LineTooLong: more than the limit came without a newline.
        """
        *complete, rest = chunk.split(b"\n")
        for tail in complete:
            line = (b"".join((*self._held, tail)) if self._held else tail).strip()
            self._held.clear()
            self._size = 0
            if line:
                yield line
        if rest:
            self._held.append(rest)
            self._size += len(rest)
        if self._size > self._limit:
            self._held.clear()
            raise LineTooLong(self._limit)


async def split_lines(chunks: AsyncIterable[bytes], limit: int = MAX_LINE) -> AsyncIterator[bytes]:
    """The non-empty lines of a byte stream, without their newlines.

    Raises:
        LineTooLong: more than `limit` bytes came without a newline.
    """
    lines = Lines(limit)
    async for chunk in chunks:
        for line in lines.feed(chunk):
            yield line
