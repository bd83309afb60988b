"""The vectors of what is offered now: made beside whatever else goes on, kept in the store, held against requests."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from magictunnel.catalog.model import Entry
from magictunnel.discovery.arguments.hiding import HIDDEN, hidden
from magictunnel.discovery.embedding import Embedder
from magictunnel.discovery.embedding.rest import Rest
from magictunnel.discovery.literals import literals, masked
from magictunnel.discovery.search import Dense
from magictunnel.errors import DiscoveryError, MagicTunnelError, StoreError
from magictunnel.store.database import open_database
from magictunnel.store.vectors import SavedVectors

if TYPE_CHECKING:
    from magictunnel.discovery.embedding.maker import Maker

PATIENCE = 1.0
"""Seconds that a search waits for the vector of its request; then it does without."""
SHARE = 0.98
"""Of the vectors that have to be there, all but one at the least: what has one would outdo the rest by it."""
AT_ONCE = 8
"""Entries that are embedded in one step, and then kept."""
WORK_REST, QUESTIONS_REST = (1.0, 300.0), (1.0, 30.0)
"""Seconds, the first and the most, for which a failing embedder is left alone with either."""
_LOOKED_AT, _MAX_REQUEST = 10_000, 2_000
"""Characters of a request in which secrets are looked for, and of what is left of it that are embedded."""
_REMEMBERED = 64
"""Requests whose vectors are kept: one request is often asked again, for more or for other servers."""
_WORK, _QUESTIONS = "work", "questions"
"""What can fail by itself: making the vectors of entries, and those of requests."""
_WORD = re.compile(r"[^\W\d_]")
_HIDDEN = re.compile(rf"{re.escape(HIDDEN)}|\*{{3}}")

logger = logging.getLogger(__name__)

Opening = Callable[[], AbstractAsyncContextManager[Embedder]]


class Vectors:
    """Keeps a vector for each entry. Without it, and whenever it fails, things are found by their words alone."""

    def __init__(
        self, opening: Opening, store: Path | None, patience: float = PATIENCE, mask: Callable[[str], str] = str
    ) -> None:
        """`opening` gives the embedder (see `open_embedder`); vectors are kept in `store`, None: for this run only.

        `mask` hides what is known to be secret in a request; what looks like a credential is hidden in any case.
        """
        self._opening = opening
        self._mask = mask
        self._path = store
        self._patience = patience
        self._entries: Sequence[Entry] = ()
        self._wake = anyio.Event()
        self._embedder: Embedder | None = None
        self._maker: Maker | None = None
        self._asked: dict[str, bytes] = {}
        self._rests = {_WORK: Rest(*WORK_REST), _QUESTIONS: Rest(*QUESTIONS_REST)}
        self._failed: dict[str, str] = {}

    @property
    def failed(self) -> str:
        """Why vectors are not made, or not used, at the moment; in one line."""
        return next(iter(self._failed.values()), "")

    @property
    def progress(self) -> tuple[int, int]:
        """How many of the texts that are wanted have their vector, and how many are wanted."""
        return self._maker.progress if self._maker else (0, len(self._entries))

    @property
    def is_ready(self) -> bool:
        """Whether a request would be held against vectors."""
        done, total = self.progress
        return done > 0 and total - done <= max(1.0, (1 - SHARE) * total)

    def wanted(self, entries: Iterable[Entry]) -> None:
        """These are offered now, those first that are most useful. Returns at once; the rest is done by `run`."""
        self._entries = tuple(entries)
        self._wake.set()

    async def run(self) -> None:
        """Make the vectors that are wanted, until cancelled. It is one task's own. Where none can be made, it ends."""
        try:
            async with self._opening() as embedder, _stored(self._path) as saved:
                from magictunnel.discovery.embedding.maker import Maker

                self._embedder, self._maker = embedder, Maker(embedder, saved)
                try:
                    await self._keep_up(self._maker)
                finally:
                    self._embedder = self._maker = None
        except MagicTunnelError as error:
            self._fail(_WORK, error)

    async def against(self, request: str) -> Dense | None:
        """All vectors held against that of `request`, whose literal values are left out.

        None while too few are there, and where the embedder fails or takes longer than our patience.
        """
        text = _words(request, self._mask)
        if not text or not self.is_ready or self._rests[_QUESTIONS].left > 0:
            return None
        try:
            vector = self._asked.get(text) or await self._ask(text)
            self._remember(text, vector)
            found = self._maker.against(vector) if self._maker else None
        except MagicTunnelError as error:
            self._asked.clear()
            self._fail(_QUESTIONS, error)
            return None
        self._succeed(_QUESTIONS)
        return found

    async def _ask(self, text: str) -> bytes:
        """The vector of a request. Raises DiscoveryError."""
        assert self._embedder is not None
        try:
            with anyio.fail_after(self._patience):
                (vector,) = await self._embedder.embed([text], is_query=True)
        except TimeoutError as error:
            raise DiscoveryError("embeddings", f"a request had no vector within {self._patience:g} s") from error
        return vector

    def _remember(self, text: str, vector: bytes) -> None:
        """The requests asked last, the last one at the end."""
        self._asked.pop(text, None)
        self._asked[text] = vector
        if len(self._asked) > _REMEMBERED:
            del self._asked[next(iter(self._asked))]

    async def _keep_up(self, maker: Maker) -> None:
        while True:
            await self._wake.wait()
            self._wake = anyio.Event()
            await maker.take_up(self._entries)
            while not self._wake.is_set() and await self._step(maker):
                pass

    async def _step(self, maker: Maker) -> bool:
        """Make some vectors, or wait until it is time to try again; False when all are made."""
        if self._rests[_WORK].left > 0:
            with anyio.move_on_after(self._rests[_WORK].left):
                await self._wake.wait()
            return True
        try:
            is_more = await maker.make(1 if self._rests[_WORK].is_failing else AT_ONCE)
        except MagicTunnelError as error:
            self._fail(_WORK, error)
            return True
        self._succeed(_WORK)
        return is_more

    def _succeed(self, what: str) -> None:
        self._rests[what].end()
        self._failed.pop(what, None)

    def _fail(self, what: str, error: MagicTunnelError) -> None:
        """Told once, not each time it is tried."""
        self._rests[what].extend()
        if str(error) not in self._failed.values():
            logger.warning("tools are found by their words alone: %s", error)
        self._failed[what] = str(error)
        if self._maker and self._maker.is_stale:
            self._wake.set()


@asynccontextmanager
async def _stored(path: Path | None) -> AsyncIterator[SavedVectors | None]:
    """The vectors in the store, None where there is none or it cannot be used."""
    async with AsyncExitStack() as stack:
        saved: SavedVectors | None = None
        try:
            if path is not None:
                saved = SavedVectors(await stack.enter_async_context(open_database(path)))
        except StoreError as error:
            logger.warning("vectors are not kept: %s", error)
        yield saved


def _words(request: str, mask: Callable[[str], str]) -> str:
    """What is embedded of a request: its words without literal values, unless these are all of it; and no secrets.

    They are hidden before it is cut: half a key is one that nobody knows. Half a character becomes a whole one, `?`.
    """
    whole = request[:_LOOKED_AT].encode("utf-8", "replace").decode()
    text = _HIDDEN.sub(" ", hidden(mask(whole)))[:_MAX_REQUEST]
    bare = " ".join(masked(text, literals(text)).split())
    return bare if _WORD.search(bare) else " ".join(text.split())
