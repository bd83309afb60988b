"""Begun: a call that was sent before anybody waits for its answer.

Nearly all calls are sent at once and answered with nothing in between, and a task for each would be most of what they
cost. So a call begins as an object that takes its answer itself, and becomes an ordinary call, in a task, as soon as
there is anything else to it: see `promote`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

from magictunnel.catalog.links import Place
from magictunnel.catalog.model import Catalog, Json
from magictunnel.wire.caller import Caller

PATIENCE = 1.0
"""Seconds after which it becomes an ordinary call: each of those has a deadline of its own."""


class Carrier(Protocol):
    """What a call was sent over."""

    def over(self, begun: Begun) -> None:
        """Its answer has been taken."""
        ...

    def keep(self, begun: Begun) -> None:
        """Keep its answer, for `answer`."""
        ...

    def drop(self, begun: Begun) -> None:
        """Nobody will come to await its answer; whoever has come may still do so."""
        ...

    async def answer(self, begun: Begun, caller: Caller) -> Json:
        """The answer that is kept; `caller` has the ways back until then. See `Link.request` for what it raises."""
        ...


class Begun(ABC):
    """See `Waiting`. Whoever begins it says how its answer is given, and how it goes on otherwise.

    Every call makes one, so it is filled in by whoever knows what.
    """

    __slots__ = ("caller", "carrier", "catalog", "is_promoted", "method", "number", "place", "started")

    caller: Caller
    """Whose it is; the ways back to it are not there yet."""
    catalog: Catalog
    """The catalog when it came in."""
    place: Place
    """What it is for."""
    method: str
    carrier: Carrier
    number: int
    """Under which it was sent."""
    started: float
    """When, in seconds (monotonic)."""
    is_promoted: bool

    @abstractmethod
    def take(self, result: Json) -> bool:
        """See `Waiting.take`."""

    @abstractmethod
    def go_on(self) -> None:
        """Start a task that makes an ordinary call of it. When that has ended, or will never begin, call `ended`."""

    def promote(self) -> None:
        """See `Waiting.promote`."""
        if not self.is_promoted:
            self.is_promoted = True
            self.carrier.keep(self)
            self.go_on()

    def late(self) -> None:
        """`PATIENCE` seconds have passed."""
        self.promote()

    def ended(self, _task: object = None) -> None:
        """If nobody came to await its answer, it is given up."""
        self.carrier.drop(self)
