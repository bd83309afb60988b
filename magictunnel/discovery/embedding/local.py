"""A sentence model in this process, on one thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import anyio
from anyio import to_thread

from magictunnel.discovery.embedding import MAX_TEXT
from magictunnel.discovery.embedding.arrays import np
from magictunnel.discovery.embedding.find import model_folder
from magictunnel.discovery.embedding.model import MAX_PIECES, Model
from magictunnel.errors import DiscoveryError

DOCUMENT_PIECES = 128
"""Read of what is searched. Twice as many found no more of the tools that were asked for, and take twice as long."""
_AT_ONCE = 128
"""Pieces in one turn of the thread, which a query may have to wait for (50 ms). More at once are no quicker."""


class Local:
    """Takes turns: a query waits for the one that is under way, not for all that a background task wants."""

    def __init__(self, model: Model, id: str) -> None:  # noqa: A002
        self.id = id
        self._model = model
        self._turn = anyio.CapacityLimiter(1)

    async def embed(self, texts: Sequence[str], *, is_query: bool = False) -> list[bytes]:
        """See `Embedder.embed`."""
        pieces = await to_thread.run_sync(self._encoded, texts, is_query)  # takes no turn: it is quick
        found: list[bytes] = []
        for part in _turns(pieces):
            found += await to_thread.run_sync(self._embedded, part, limiter=self._turn)
        return found

    def _encoded(self, texts: Sequence[str], is_query: bool) -> list[list[int]]:
        limit = MAX_PIECES if is_query else DOCUMENT_PIECES
        return [self._model.encode(text[:MAX_TEXT], is_query=is_query, limit=limit) for text in texts]

    def _embedded(self, pieces: Sequence[Sequence[int]]) -> list[bytes]:
        return [vector.astype("<f4").tobytes() for vector in self._model.embed(pieces)]


async def open_local(model: str | None, base: Path) -> Local:
    """The model in a folder or package (see `model_folder`). Raises DiscoveryError."""
    return await to_thread.run_sync(_opened, model, base)


def _opened(name: str | None, base: Path) -> Local:
    folder = model_folder(name, base)
    model = Model(folder)
    with np.errstate(all="ignore"):
        trial = model.embed([model.encode("a trial")])
    if not np.isfinite(trial).all():
        raise DiscoveryError(f"sentence model {folder}", "its weights are damaged: vectors come out as no numbers")
    return Local(model, f"bert {model.digest()} {DOCUMENT_PIECES}")


def _turns(pieces: Sequence[Sequence[int]]) -> Iterator[list[Sequence[int]]]:
    """The texts in their order, cut where a turn is full."""
    turn: list[Sequence[int]] = []
    for text in pieces:
        if turn and sum(map(len, turn)) + len(text) > _AT_ONCE:
            yield turn
            turn = []
        turn.append(text)
    if turn:
        yield turn
