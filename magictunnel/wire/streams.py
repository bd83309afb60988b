"""Streams that have ended are opened again: that of a request whose answer has not come, and that of news."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

import anyio
from mcp.shared.exceptions import MCPError

from magictunnel.catalog.model import Json
from magictunnel.wire.http1.client import Client
from magictunnel.wire.http1.head import BadHeader, Head
from magictunnel.wire.http1.pool import Unreachable
from magictunnel.wire.reply import CUT_OFF, Ended, Outcome, Reply, Whole
from magictunnel.wire.verdict import EVENTS_TYPE, broken

ATTEMPTS = 2
"""Times in a row that nothing may come of it."""
_RETRY = 1.0
_SHORTEST_RETRY = 0.1
"""Seconds before a stream is opened again: if the server does not say when, and if it says at once."""
_LONGEST_RETRY = 30.0
"""Seconds that this grows to for a stream of news that was open once and cannot be opened any more."""
_PROVEN = 1.0
"""Seconds that a stream has lasted which was worth opening, although nothing came on it."""

logger = logging.getLogger(__name__)


class Progress:
    """How often, and when, one stream is opened again. Pure."""

    def __init__(self, ended: Ended | None = None, *, is_kept: bool = False) -> None:
        """`is_kept`: once it was worth opening, it is opened again until the server has no such thing."""
        self.attempts = 0
        self.last_id = ""
        self.was_open = False
        self._is_kept = is_kept
        self._is_refused = False
        self._retry: float | None = None
        if ended is not None:
            self._remember(ended)

    @property
    def is_over(self) -> bool:
        """It is not worth another attempt."""
        return self._is_refused or (self.attempts >= ATTEMPTS and not (self._is_kept and self.was_open))

    @property
    def delay(self) -> float:
        """Seconds until the next attempt."""
        first = _RETRY if self._retry is None else max(self._retry, _SHORTEST_RETRY)
        return max(first, min(_LONGEST_RETRY, first * 2.0 ** min(16, max(0, self.attempts - ATTEMPTS))))

    def ended(self, ended: Ended, lasted: float) -> None:
        """It was open, and brought something, or did not."""
        self._remember(ended)
        is_worth_it = ended.has_said or lasted > _PROVEN
        self.was_open = self.was_open or is_worth_it
        self.attempts = 0 if is_worth_it else self.attempts + 1

    def failed(self, *, is_final: bool = False) -> None:
        """It could not be opened; `is_final`: and never will be."""
        self.attempts += 1
        self._is_refused = is_final

    def _remember(self, ended: Ended) -> None:
        self.last_id = ended.last_id or self.last_id
        self._retry = self._retry if ended.retry is None else ended.retry


def unnoted(_head: Head) -> None:
    """What a server says to anything but a POST explains no failure: it may not have that at all."""


class Streams:
    """Opens them with GET, as a server of the handshake era has them."""

    def __init__(self, client: Client, fields: Callable[[], Mapping[str, str]]) -> None:
        """`fields`: the headers of our session."""
        self._client = client
        self._fields = fields

    async def resumed(self, reply: Reply, ended: Ended) -> Outcome:
        """The answer to a request whose stream has ended before it, as `reply` gets it from another, or has by now."""
        reply.note = unnoted
        progress = Progress(ended)
        while reply.found is None and not progress.is_over:
            reply.renew()
            await asyncio.wait([reply.outcome], timeout=progress.delay)
            outcome = reply.outcome.result() if reply.outcome.done() else await self._opened(progress, reply)
            if isinstance(outcome, dict | MCPError):
                return outcome
        return reply.found or broken("SSE stream ended and reconnection attempts were exhausted")

    async def listened(self, fresh: Callable[[bool], Reply | None]) -> None:
        """Have news read, by a fresh reply each time; ends when there is none, or the server has no such stream.

        `fresh` is told whether there was news before, of which some may have been missed since.
        """
        progress = Progress(is_kept=True)
        while not progress.is_over and (reply := fresh(progress.was_open and not progress.last_id)):
            if await self._opened(progress, reply):
                progress.failed()
            if not progress.is_over:
                await anyio.sleep(progress.delay)

    async def _opened(self, progress: Progress, reply: Reply) -> Json | MCPError | None:
        """What comes of one attempt; None: nothing but perhaps progress."""
        fields = {**self._fields(), "accept": EVENTS_TYPE, "cache-control": "no-store"}
        del fields["content-type"]
        if progress.last_id:
            fields["last-event-id"] = progress.last_id
        started = anyio.current_time()
        outcome: Outcome | None = None
        try:
            outcome = await self._client.exchange("GET", fields, None, reply)
        except (Unreachable, BadHeader) as error:
            logger.debug("a stream could not be opened: %s", error)
        if isinstance(outcome, Ended):
            progress.ended(outcome, anyio.current_time() - started)
        elif isinstance(outcome, Whole):
            progress.failed(is_final=outcome.head.status == 405)
        elif outcome is None or (isinstance(outcome, MCPError) and outcome.message == CUT_OFF):
            progress.failed()
        else:
            return outcome
        return None
