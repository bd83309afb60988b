"""A call's clock: how long it may take, not counting the time in which its caller is being asked."""

from __future__ import annotations

from typing import NamedTuple

import anyio

from magictunnel.catalog.model import Json
from magictunnel.errors import Unanswered
from magictunnel.pipeline.clock import Clock
from magictunnel.wire.caller import Caller


class CallLimits(NamedTuple):
    """Seconds: for a call to be answered, and for a question to its caller."""

    timeout: float
    ask_timeout: float


class Patient:
    """Ways back to a caller that stop the call's clock while a person thinks. See `Back`."""

    __slots__ = ("_caller", "_clock", "_open", "_timeout", "abandoned")

    def __init__(self, caller: Caller, clock: Clock, timeout: float) -> None:
        """`clock`: the call's. `timeout`: seconds for an answer."""
        self._caller = caller
        self._clock = clock
        self._timeout = timeout
        self._open = 0
        self.abandoned: Unanswered | None = None
        """Set when the whole call ends with a question: whoever does not repeat a request has given it up."""

    async def tell(self, method: str, params: Json) -> None:
        """See `Back.tell`."""
        await self._caller.back.tell(method, params)

    async def ask(self, method: str, params: Json) -> Json:
        """See `Back.ask`.

        Raises:
            Unanswered: the caller did not answer in time.
        """
        self._open += 1
        self._clock.stop()
        try:
            with anyio.move_on_after(self._timeout):
                return await self._caller.back.ask(method, params)
            unanswered = Unanswered(method, self._timeout)
            if self._caller.stateless:
                self.abandoned = unanswered
                self._clock.ring()
            raise unanswered
        finally:
            self._open -= 1
            if not self._open:
                self._clock.go_on()

    async def let_go(self) -> None:
        """See `Back.let_go`."""
        await self._caller.back.let_go()
