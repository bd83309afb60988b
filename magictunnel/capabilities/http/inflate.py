"""Compressed answers, read back piece by piece: never more at once than there is room for. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

ACCEPTED = "gzip, deflate"
"""What we say that we can read."""
_PIECE = 64 * 1024
_SLICE = 8 * 1024
"""Bytes undone at once: what follows the end of a member is copied, and there may be many."""
_MOST_EMPTY = 100
"""Members with nothing in them."""
_OVERHEAD = 64 * 1024
"""Bytes by which packed may be more than unpacked."""
_ANY_HEADER = 32 + zlib.MAX_WBITS
"""Of gzip or zlib, whichever it is."""


class Unreadable(ValueError):
    """What was sent is not compressed as it was said to be."""


class Inflater:
    """Undoes one `Content-Encoding`; there may be no other below it."""

    def __init__(self, encoding: str, limit: int) -> None:
        """`limit`: bytes that are wanted, unpacked. Raises Unreadable: that is no encoding which we can undo."""
        self._encoding = encoding.strip().lower()
        if self._encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise Unreadable(f"it is encoded as {encoding[:40]!r}, which was not asked for")
        self._is_plain = self._encoding in ("", "identity")
        self._stream = zlib.decompressobj(_ANY_HEADER)
        self._start = b""
        """What came before it is known which sort of deflate this is."""
        self._is_known = self._encoding != "deflate"
        self._room = limit + _OVERHEAD
        self._empty = 0
        self._is_empty = True
        """Whether nothing came of the present member yet."""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """What is in `chunk`, in pieces; whoever has enough stops taking them.

        Raises:
            Unreadable: it is not compressed as said.
        """
        if self._is_plain:
            return iter((chunk,))
        self._room -= len(chunk)
        if self._room < 0:
            raise Unreadable("more came, packed, than is read of it unpacked")
        known = chunk if self._is_known else self._looked_at(chunk)
        slices = (known[at : at + _SLICE] for at in range(0, len(known), _SLICE))
        return (piece for one in slices for piece in self._inflated(one))

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
            if piece:
                self._is_empty = False
                yield piece
            if self._stream.eof and (chunk := self._stream.unused_data):
                self._next_member()

    def _next_member(self) -> None:
        """Gzip may have several."""
        self._empty += self._is_empty
        if self._empty > _MOST_EMPTY:
            raise Unreadable(f"{self._encoding} with nothing in it, over and over")
        self._stream = zlib.decompressobj(_ANY_HEADER)
        self._is_empty = True
