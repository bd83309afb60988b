"""Bytes in chunks -> bounded lines. Pure."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from io import BytesIO

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
        self._held = BytesIO()
        """What has come of a line; it gives its text without another copy, and leaves no pieces behind."""
        self._size = 0

    def feed(self, chunk: bytes) -> Iterable[bytes]:
        """The non-empty lines that end in `chunk`, without their newlines.

        Raises:
            LineTooLong: more than the limit came without a newline. Maybe not before they are asked for.
        """
        if not self._size and chunk.endswith(b"\n"):
            return [line for whole in chunk.split(b"\n") if (line := whole.strip())]
        return self._fed(chunk)

    def _fed(self, chunk: bytes) -> Iterator[bytes]:
        *complete, rest = chunk.split(b"\n")
        for tail in complete:
            line = (self._taken(tail) if self._size else tail).strip()
            if line:
                yield line
        if rest:
            self._size += self._held.write(rest)
        if self._size > self._limit:
            self._taken(b"")
            raise LineTooLong(self._limit)

    def _taken(self, tail: bytes) -> bytes:
        """The line that ends with `tail`."""
        held, self._held, self._size = self._held, BytesIO(), 0
        held.write(tail)
        return held.getvalue()


async def split_lines(chunks: AsyncIterable[bytes], limit: int = MAX_LINE) -> AsyncIterator[bytes]:
    """The non-empty lines of a byte stream, without their newlines.

    Raises:
        LineTooLong: more than `limit` bytes came without a newline.
    """
    lines = Lines(limit)
    async for chunk in chunks:
        for line in lines.feed(chunk):
            yield line
