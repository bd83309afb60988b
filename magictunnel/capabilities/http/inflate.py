"""Compressed answers, read back piece by piece: never more at once than there is room for. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

ACCEPTED = "gzip, deflate"
"""What we say that we can read."""
_PIECE = 64 * 1024
_ANY_HEADER = 32 + zlib.MAX_WBITS
"""Of gzip or zlib, whichever it is."""


class Unreadable(ValueError):
    """What was sent is not compressed as it was said to be."""


class Inflater:
    """Undoes one `Content-Encoding`; there may be no other below it."""

    def __init__(self, encoding: str) -> None:
        """Raises Unreadable: that is none which we can undo."""
        self._encoding = encoding.strip().lower()
        if self._encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise Unreadable(f"it is encoded as {encoding[:40]!r}, which was not asked for")
        self._is_plain = self._encoding in ("", "identity")
        self._stream = zlib.decompressobj(_ANY_HEADER)
        self._start = b""
        """What came before it is known which sort of deflate this is."""
        self._is_known = self._encoding != "deflate"

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """What is in `chunk`, in pieces; whoever has enough stops taking them.

        Raises:
            Unreadable: it is not compressed as said.
        """
        if self._is_plain:
            return iter((chunk,))
        return self._inflated(chunk if self._is_known else self._looked_at(chunk))

    def _looked_at(self, chunk: bytes) -> bytes:
        """What can be undone now: many send deflate without the header that it should have."""
        self._start += chunk
        if len(self._start) < 2:
            return b""
        self._is_known = True
        if self._start[0] & 0x0F != 8 or int.from_bytes(self._start[:2], "big") % 31:
            self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        return self._start

    def _inflated(self, chunk: bytes) -> Iterator[bytes]:
        is_full = False
        while chunk or is_full:
            try:
                piece = self._stream.decompress(chunk, _PIECE)
            except zlib.error as error:
                raise Unreadable(f"it is no {self._encoding}: {error}") from error
            is_full = len(piece) == _PIECE  # there may be more of it though all of `chunk` is taken
            chunk = self._stream.unconsumed_tail
            if self._stream.eof and (chunk := self._stream.unused_data):  # gzip may have several members
                self._stream = zlib.decompressobj(_ANY_HEADER)
            if piece:
                yield piece
