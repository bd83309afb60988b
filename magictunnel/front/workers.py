"""Several processes on one port: to which of them a request belongs, by what they gave to its client. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

MAX_HEAD = 16 * 1024
"""Bytes of a head that is looked at; a longer one is answered wherever it came in."""
_END = b"\r\n\r\n"
_BEGUN = re.compile(rb"[A-Z]{1,20}( [^\r\n]*(\r(\n.*)?)?)?", re.DOTALL)
"""What may still become a head."""
_SESSION = re.compile(rb"\r\nmcp-session-id:[ \t]*(?:w([0-9]{1,3})-)?", re.IGNORECASE)
_MESSAGES = re.compile(rb"POST /messages/w([0-9]{1,3})/")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*(?:\r\n|$)", re.IGNORECASE)
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
    body: int
    """Bytes of its body that have to be looked at, too."""


@lru_cache(1_024)
def route(head: bytes) -> Route:
    """Where a request with this head (without its last line end) belongs."""
    if found := _MESSAGES.match(head):
        return Route(int(found[1]), 0)
    if found := _SESSION.search(head):
        return Route(int(found[1] or 0), 0)
    length = _LENGTH.search(head) if head.startswith(b"POST ") and not _EXPECTS.search(head) else None
    return Route(0, int(length[1]) if length else 0)


class Sorter:
    """Reads the requests of one connection, each as far as it takes to tell to which worker it belongs."""

    def __init__(self, worker: Worker, max_body: int) -> None:
        self._worker = worker
        self._max_body = max_body
        self._state = re.compile(rb'"requestState"\s*:\s*"' + worker.family.encode() + rb"([0-9]{1,3})-")
        self._pieces: list[bytes] = []
        self._missing = 0
        """Bytes of a body that have not come."""

    @property
    def is_in_body(self) -> bool:
        """Whether a request has come but for the rest of its body."""
        return self._missing > 0

    def take(self, data: bytes) -> tuple[int, bytes] | None:
        """Whose request has come, and all that was read of it; None: more of it is needed."""
        self._pieces.append(data)
        self._missing -= len(data)
        if self._missing > 0:
            return None
        data = b"".join(self._pieces) if len(self._pieces) > 1 else data
        self._pieces.clear()
        end = data.find(_END, 0, MAX_HEAD)
        if end < 0:
            return self._unless_begun(data)
        found = route(data[:end])
        missing = end + len(_END) + found.body - len(data)
        if missing > 0 and found.body <= self._max_body:
            self._wait(data, missing)
            return None
        return self._known(found.worker or self._parked(data, end)), data

    def _unless_begun(self, data: bytes) -> tuple[int, bytes] | None:
        if len(data) < MAX_HEAD and _BEGUN.fullmatch(data):
            self._wait(data, 0)
            return None
        return self._worker.number, data

    def _wait(self, data: bytes, missing: int) -> None:
        self._pieces.append(data)
        self._missing = missing

    def _parked(self, data: bytes, end: int) -> int:
        found = self._state.search(data, end)
        return int(found[1]) if found else 0

    def _known(self, number: int) -> int:
        return number if 1 <= number <= self._worker.of else self._worker.number
