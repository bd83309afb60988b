"""The vectors of a list of entries: found in the store, or made, most useful first; and one held against all."""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from itertools import islice

import anyio
from anyio import to_thread

from magictunnel.catalog.model import Entry, Kind
from magictunnel.discovery.embedding import Embedder
from magictunnel.discovery.embedding.arrays import Array
from magictunnel.discovery.embedding.matrix import Matrix, dimensions, mean, nearest
from magictunnel.discovery.embedding.plan import Key, Plan, planned
from magictunnel.errors import DiscoveryError, StoreError
from magictunnel.store.vectors import SavedVectors

_LAST_WRITE = 2.0
"""Seconds for what is not written down yet when we end."""

logger = logging.getLogger(__name__)


class Nearness:
    """How near each entry is to one request. It stays as it is, whatever changes afterwards."""

    def __init__(self, cosines: Array, matrix: Matrix, plan: Plan) -> None:
        self._cosines = cosines
        self._matrix = matrix
        self._plan = plan

    def nearest(self, count: int) -> Sequence[Key]:
        """Kind and public name of the `count` entries nearest in meaning, nearest first."""
        rows = nearest(self._cosines, count)
        return [key for row in rows for key in self._plan.keys[self._matrix.digests[row]]][: max(0, count)]

    def cosine(self, kind: Kind, name: str) -> float | None:
        """How near an entry is: -1 to 1, the mean for its two texts. None if it had no vector yet."""
        row = self._matrix.rows.get(self._plan.digests.get((kind, name), ""))
        found = math.nan if row is None else float(self._cosines[row])
        return None if math.isnan(found) else found


class Maker:
    """One task takes up entries and makes their vectors; anybody may ask meanwhile."""

    def __init__(self, embedder: Embedder, saved: SavedVectors | None) -> None:
        self._embedder = embedder
        self._saved = saved
        self._plan = Plan()
        self._matrix: Matrix | None = None
        self._dimensions: int | None = None
        """Of the last vector that was made."""
        self._todo: deque[str] = deque()

    @property
    def progress(self) -> tuple[int, int]:
        """How many texts have their vector, and how many there are."""
        total = len(self._plan.keys)
        return total - len(self._todo), total

    @property
    def is_stale(self) -> bool:
        """Whether vectors have another length than they had, so that `take_up` has to begin anew."""
        return self._matrix is not None and self._dimensions not in (None, self._matrix.dimensions)

    async def take_up(self, entries: Sequence[Entry]) -> None:
        """These are the entries now: others are forgotten, and vectors that the store has are taken from it."""
        plan = await to_thread.run_sync(planned, entries, self._plan)
        old = None if self.is_stale else self._matrix
        matrix = None if old is None else await to_thread.run_sync(old.kept, plan.keys)
        missing = [digest for digest in plan.keys if matrix is None or digest not in matrix]
        stored = await self._load(missing)
        matrix = await to_thread.run_sync(self._filled, matrix, plan, stored)
        self._plan, self._matrix = plan, matrix
        self._todo = deque(digest for digest in missing if matrix is None or digest not in matrix)
        await self._mark(plan.keys)

    async def make(self, count: int) -> bool:
        """Make the vectors of the next `count` texts, and keep them; False if there is nothing left to do.

        Raises:
            DiscoveryError: the embedder failed, and these texts are now the last in turn; or `is_stale`.
        """
        digests = list(islice(self._todo, count))
        if digests:
            self._todo.rotate(-len(digests))
            made = await self._made(digests)
            self._put(made)
            for _ in digests:
                self._todo.pop()
            await self._save(made)
        return bool(digests)

    def against(self, vector: bytes) -> Nearness | None:
        """All vectors held against that of a request, which the same embedder made; None while there are none.

        Raises:
            DiscoveryError: `is_stale`.
        """
        if self._matrix is None:
            return None
        self._compare(len(vector) // 4, self._matrix)
        return Nearness(self._matrix.cosines(vector), self._matrix, self._plan)

    async def _made(self, digests: Sequence[str]) -> dict[str, bytes]:
        texts = {digest: self._plan.texts(digest) for digest in digests}
        distinct = list(dict.fromkeys(text for both in texts.values() for text in both))
        vectors = dict(zip(distinct, await self._embedder.embed(distinct), strict=True))
        return {digest: mean([vectors[text] for text in both]) for digest, both in texts.items()}

    def _put(self, made: Mapping[str, bytes]) -> None:
        length = dimensions(next(iter(made.values())))
        if self._matrix is None:
            self._dimensions = length
            self._matrix = Matrix(length, self._plan.keys)
        self._compare(length, self._matrix)
        for digest, packed in made.items():
            self._matrix.put(digest, packed)

    def _compare(self, length: int, matrix: Matrix) -> None:
        """A service may have put another model behind a name. Raises DiscoveryError."""
        self._dimensions = length
        if length != matrix.dimensions:
            cause = f"its vectors have {length} numbers now, and had {matrix.dimensions}: all are made anew"
            raise DiscoveryError("embeddings", cause)

    def _filled(self, matrix: Matrix | None, plan: Plan, stored: Mapping[str, bytes]) -> Matrix | None:
        """`matrix` with what was stored, of the length that vectors have now."""
        if matrix is None and stored:
            length = self._dimensions or dimensions(next(iter(stored.values())))
            matrix = Matrix(length, plan.keys)
        if matrix is not None:
            for digest, packed in stored.items():
                matrix.put(digest, packed)
        return matrix

    async def _load(self, digests: Sequence[str]) -> dict[str, bytes]:
        try:
            return await self._saved.load(self._embedder.id, digests) if self._saved else {}
        except StoreError as error:
            self._warn(error)
            return {}

    async def _save(self, made: Mapping[str, bytes]) -> None:
        """Also where we are being cancelled: what was made may have been paid for."""
        try:
            if self._saved:
                with anyio.CancelScope(shield=True), anyio.move_on_after(_LAST_WRITE):
                    await self._saved.save(self._embedder.id, made, time.time())
        except StoreError as error:
            self._warn(error)

    async def _mark(self, digests: Collection[str]) -> None:
        try:
            if self._saved:
                await self._saved.mark(self._embedder.id, digests, time.time())
        except StoreError as error:
            self._warn(error)

    def _warn(self, error: StoreError) -> None:
        """Once: what cannot be kept now cannot be kept later either."""
        logger.warning("vectors are not kept: %s", error)
        self._saved = None
