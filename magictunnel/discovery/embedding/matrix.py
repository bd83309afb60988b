"""Vectors in one array, so that a request is held against all of them in one product."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from magictunnel.discovery.embedding.arrays import Array, np

_LARGEST = 1.01
"""Of a number in a vector of length 1, rounded."""


class Matrix:
    """A row for each wanted text, by its digest; a row counts once its vector is there."""

    def __init__(self, dimensions: int, wanted: Collection[str]) -> None:
        self.dimensions = dimensions
        self.digests = tuple(wanted)
        """By row."""
        self.rows = {digest: row for row, digest in enumerate(self.digests)}
        self._values: Array = np.zeros((len(self.digests), dimensions), np.float32)
        self._is_filled = np.zeros(len(self.digests), bool)

    def __contains__(self, digest: str) -> bool:
        row = self.rows.get(digest)
        return row is not None and bool(self._is_filled[row])

    def __len__(self) -> int:
        """How many rows have their vector."""
        return int(np.count_nonzero(self._is_filled))

    def put(self, digest: str, packed: bytes) -> bool:
        """Fill the row of a text with what `mean` made; False if those bytes are something else, or it has no row."""
        row = self.rows.get(digest)
        values = _unpacked(packed, self.dimensions)
        if row is None or values is None:
            return False
        self._values[row] = values
        self._is_filled[row] = True
        return True

    def kept(self, wanted: Collection[str]) -> Matrix:
        """One with rows for `wanted`, and those vectors of them that are here. This one stays as it is."""
        made = Matrix(self.dimensions, wanted)
        both = [(row, made.rows[digest]) for digest, row in self.rows.items() if digest in made.rows and digest in self]
        if both:
            here, there = zip(*both, strict=True)
            made._values[list(there)] = self._values[list(here)]
            made._is_filled[list(there)] = True
        return made

    def cosines(self, vector: bytes) -> Array:
        """How near each row is to a vector of length 1 (float32, as long as ours); nan where there is none yet."""
        found: Array = self._values @ np.frombuffer(vector, "<f4").astype(np.float32, copy=False)
        found[~self._is_filled] = np.nan
        return found


def mean(vectors: Sequence[bytes]) -> bytes:
    """The mean of vectors (float32) as float16, half as large. Its product with another is the mean of theirs."""
    whole: Array = np.mean([np.frombuffer(vector, "<f4") for vector in vectors], axis=0)
    return whole.astype("<f2").tobytes()


def dimensions(packed: bytes) -> int:
    """How many numbers `mean` had made these bytes of."""
    return len(packed) // 2


def nearest(cosines: Array, count: int) -> Iterator[int]:
    """The rows with the greatest cosines, greatest first, equal ones in their order; `count` of them at most."""
    known = np.flatnonzero(~np.isnan(cosines))
    if 0 < count < len(known):
        least = np.partition(cosines[known], len(known) - count)[len(known) - count]
        known = known[cosines[known] >= least]
    order = np.argsort(-cosines[known], kind="stable")
    return (int(row) for row in known[order[: max(0, count)]])


def _unpacked(packed: bytes, length: int) -> Array | None:
    """The numbers in `packed`; None if they are not `length` numbers of a vector."""
    if len(packed) != 2 * length:
        return None
    values = np.frombuffer(packed, "<f2").astype(np.float32)
    return values if bool((np.abs(values) <= _LARGEST).all()) and values.any() else None
