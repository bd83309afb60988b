"""Several processes on one port: to which of them a request belongs, by what they gave to its client. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from magictunnel.front.head import END
from magictunnel.front.reader import Request

_SESSION = re.compile(rb"\r\nmcp-session-id:[ \t]*(?:w([0-9]{1,3})-)?", re.IGNORECASE)
_MESSAGES = re.compile(rb"POST /messages/w([0-9]{1,3})/")
_EXPECTS = re.compile(rb"\r\nexpect:", re.IGNORECASE)


class Worker(NamedTuple):
    """Which one of several workers we are."""

    number: int
    """From 1 to `of`."""
    of: int
    run: str
    """Names these workers, so that nobody takes a state of others behind us or before us for one of theirs."""

    def outer(self, session: str) -> str:
        """The id of a session of ours as its client knows it."""
        return f"w{self.number}-{session}" if session else ""

    def inner(self, session: str) -> str:
        """The id of a session as we know it; what we have not given out is the id of none."""
        mine = f"w{self.number}-"
        return session.removeprefix(mine) if session.startswith(mine) or not session else f"unknown-{session}"

    @property
    def messages(self) -> str:
        """Where clients of the HTTP+SSE transport send their messages."""
        return f"/messages/w{self.number}/"

    @property
    def family(self) -> str:
        """What a `requestState` of any of these workers begins with."""
        return f"mt-{self.run}-"

    @property
    def label(self) -> str:
        """What follows in one of ours."""
        return f"{self.number}-"


class Route(NamedTuple):
    """What the head of a request says of where it belongs."""

    worker: int
    """0: to none in particular."""
    is_in_body: bool
    """Its body may say so."""


@lru_cache(1_024)
def route(head: bytes) -> Route:
    """Where a request with this head (without its end) belongs."""
    if found := _MESSAGES.match(head):
        return Route(int(found[1]), False)
    if found := _SESSION.search(head):
        return Route(int(found[1] or 0), False)
    return Route(0, head.startswith(b"POST ") and not _EXPECTS.search(head))


class Sorter:
    """Tells to which worker a request belongs."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._state = re.compile(rb'"requestState"\s*:\s*"' + worker.family.encode() + rb"([0-9]{1,3})-")

    def is_needed(self, head: bytes) -> bool:
        """See `RequestReader`: without the body that follows this head it cannot be told."""
        return route(head).is_in_body

    def owner(self, request: Request) -> int:
        """The number of its worker; that of this one, if nothing is said of another."""
        if not request.body:
            return self._worker.number
        number = route(request.data[: request.body - len(END)]).worker
        if not number and (found := self._state.search(request.data, request.body, request.end)):
            number = int(found[1])
        return number if 1 <= number <= self._worker.of else self._worker.number
