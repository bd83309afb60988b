"""RequestReader: the requests of one connection, each read as far as it must be known before it goes anywhere. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from magictunnel.front.head import END, MAX_HEAD, START, Head, head_of, is_unfinished, length_of


class Request(NamedTuple):
    """A request as far as it was read, with what its client has asked after it."""

    data: bytes
    body: int
    """Where its head ends; 0: that is not to be seen."""
    end: int
    """Where it ends, or `data` does; beyond that nothing is known of it."""
    head: Head | None = None
    """If it may be hot. Then it is whole."""
    missing: int = 0
    """Bytes of its body that are still to come, if that is known."""


class RequestReader:
    """Puts requests together from what comes. Only one that may be hot, or is asked for, is waited for to its end."""

    def __init__(self, max_body: int, is_needed: Callable[[bytes], bool] = lambda _head: False) -> None:
        """`max_body`: bytes of a body that is waited for. `is_needed`: whether the body that follows this head is."""
        self._max_body = max_body
        self._is_needed = is_needed
        self._pieces: list[bytes] = []
        """A request that has not come far enough."""
        self._missing = 0
        """Bytes of its body that have not come."""

    @property
    def is_in_body(self) -> bool:
        """Whether a request has come but for the rest of its body."""
        return self._missing > 0

    def take(self, data: bytes) -> Request | None:
        """The request that has come far enough with this; None: more of it is needed."""
        if self._pieces:
            self._pieces.append(data)
            self._missing -= len(data)
            if self._missing > 0:
                return None
            data = b"".join(self._pieces)
            self._pieces.clear()
        data = data.lstrip(b"\r\n")  # empty lines before a request mean nothing
        at = data.find(END, 0, MAX_HEAD)
        head = head_of(data[len(START) : at]) if at >= 0 and data.startswith(START) else None
        if head is None or head.length > self._max_body:
            return self._other(data, at)
        body = at + len(END)
        end = body + head.length
        if end > len(data):
            self._wait(data, end)
            return None
        return Request(data, body, end, head)

    def _other(self, data: bytes, at: int) -> Request | None:
        """One that is not hot; `at`: where its head ends, or -1."""
        if at >= 0:
            body, length = at + len(END), length_of(data[:at])
            end = len(data) if length is None else body + length
            is_waited_for = end > len(data) and end - body <= self._max_body and self._is_needed(data[:at])
        else:
            body, end, is_waited_for = 0, len(data), is_unfinished(data)
        if is_waited_for:
            self._wait(data, end)
        missing = max(0, end - len(data))
        return None if is_waited_for or not data else Request(data, body, end - missing, missing=missing)

    def _wait(self, data: bytes, end: int) -> None:
        self._pieces.append(data)
        self._missing = end - len(data)
