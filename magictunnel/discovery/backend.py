"""Discovery as a backend. What it answers with is imported with the first question: most clients ask none."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from magictunnel.backends.base import Request
from magictunnel.backends.local import LocalBackend
from magictunnel.catalog.live import LiveCatalog
from magictunnel.catalog.model import Json, Listing
from magictunnel.config.discovery import DISCOVERY, DiscoveryConfig
from magictunnel.discovery.tools import listing
from magictunnel.discovery.usage import Usage
from magictunnel.pipeline.call import Handler
from magictunnel.secrets import Secrets

if TYPE_CHECKING:
    from magictunnel.discovery.answers import Answers
    from magictunnel.discovery.vectors import Vectors

COMPANY = 0.2
"""Seconds to wait after a change for others that come with it."""

logger = logging.getLogger(__name__)


class Discovery:
    """The tools by which clients find, describe and call others; they are `backend`'s."""

    def __init__(
        self,
        live: LiveCatalog,
        config: Callable[[], DiscoveryConfig],
        handle: Callable[[], Handler],
        usage: Usage,
        vectors: Vectors | None,
        secrets: Secrets,
        now: Callable[[], datetime] = lambda: datetime.now().astimezone(),
    ) -> None:
        """`handle`: the whole pipeline, into which the calls of clients go. `now`: what "tomorrow" is seen from."""
        self._live = live
        self._config = config
        self._handle = handle
        self._usage = usage
        self._vectors = vectors
        self._secrets = secrets
        self._now = now
        self._news = anyio.Event()
        self._turn = anyio.Lock()
        self._answers: Answers | None = None
        self.backend = LocalBackend(DISCOVERY, self.offered, self.answer)

    def offered(self) -> Listing:
        """What of it there is, by the config of now."""
        config = self._config()
        if not config.code.enabled:
            return listing(config)
        from magictunnel.discovery.scripts import about_scripts

        return listing(config, about_scripts(config.code))

    async def answer(self, request: Request) -> Json:
        """Answer one call of one of the tools.

        Raises:
            CallError: as a direct call of the tool that is called through it.
        """
        return await (self._answers or await self._made()).answer(request)

    async def run(self, is_searched: Callable[[], bool]) -> None:
        """Index what changes ahead of who asks, while it is likely that somebody will; until cancelled."""
        self._live.subscribe(lambda _kinds: self._news.set())
        while True:
            if is_searched():
                await self._index()
            await self._news.wait()
            await anyio.sleep(COMPANY)
            self._news = anyio.Event()

    async def _index(self) -> None:
        try:
            await (self._answers or await self._made()).index()
        except Exception:
            # Whoever searches is told of it; what serves clients goes on.
            logger.exception("what is offered cannot be indexed: this is a defect of MagicTunnel, report it")

    async def _made(self) -> Answers:
        async with self._turn:
            if self._answers is None:
                await to_thread.run_sync(_import)
                from magictunnel.discovery.answers import Answers

                self._answers = Answers(
                    self._live, self._config, self._handle, self._usage, self._vectors, self._secrets, self._now
                )
            return self._answers


def _import() -> None:
    """It takes a tenth of a second, and so a thread."""
    import magictunnel.discovery.answers  # noqa: F401
