"""Server-sent events: bytes as they come -> whole events. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

MAX_RETRY = 60 * 60.0
"""Seconds; a server that wants us to wait for longer than that does not mean it."""
_BOM = b"\xef\xbb\xbf"
_LONGEST_DELAY = 12
"""Digits of a `retry` that are looked at."""
_LONGEST_ID = 8 * 1024
"""Bytes of an id that can be sent back in a header."""


class EventTooLarge(Exception):
    """One event has more bytes than it may have."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event with data."""

    kind: str
    data: bytes


class EventParser:
    """Puts events together from a stream that is cut anywhere. An event without its final empty line is none."""

    def __init__(self, limit: int) -> None:
        """`limit`: bytes in one event."""
        self._limit = limit
        self.last_id = ""
        """The id of the last event that had one; an event without data may bring it too."""
        self.retry: float | None = None
        """Seconds to wait before the stream is opened again, if the server said so."""
        self._held = BytesIO()
        """The start of a line whose end has not come; it gives its bytes without another copy."""
        self._data: list[bytes] = []
        self._kind = ""
        self._id = ""
        self._size = 0
        self._size_of_held = 0
        self._is_after_cr = False
        self._is_first = True

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that end in `chunk`.

        Raises:
            EventTooLarge: more than the limit came without the end of an event.
        """
        if self._is_after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._is_after_cr = False
        if not chunk:
            return []
        lines = chunk.splitlines()
        self._is_after_cr = chunk.endswith(b"\r")
        rest = b"" if self._is_after_cr or chunk.endswith(b"\n") else lines.pop()
        events = [event for line in lines if (event := self._take(self._whole(line)))]
        if rest:
            self._size_of_held += self._held.write(rest)
            self._check()
        return events

    def _whole(self, end: bytes) -> bytes:
        """The line that ends so."""
        if not self._size_of_held:
            return end
        held, self._held, self._size_of_held = self._held, BytesIO(), 0
        held.write(end)
        return held.getvalue()

    def _check(self) -> None:
        if self._size + self._size_of_held > self._limit:
            raise EventTooLarge

    def _take(self, line: bytes) -> Event | None:
        """Take in a whole line; the event that it ends."""
        if self._is_first:
            self._is_first = False
            line = line.removeprefix(_BOM)
        if not line:
            return self._dispatched()
        colon = line.find(b":")
        name, at = (line, len(line)) if colon < 0 else (line[:colon], colon + 1)
        value = line[at + line.startswith(b" ", at) :]  # one copy of what may be large
        match name:
            case b"data":
                self._data.append(value)
                self._size += len(line)
                self._check()
            case b"event":
                self._kind = value.decode("utf-8", "replace")
            case b"id" if b"\0" not in value and len(value) <= _LONGEST_ID:
                self._id = value.decode("utf-8", "replace")
            case b"retry" if value.isdigit() and len(value) <= _LONGEST_DELAY:
                self.retry = min(int(value) / 1000, MAX_RETRY)
            case _:
                pass  # a comment, or a field of the future
        return None

    def _dispatched(self) -> Event | None:
        data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        event = Event(self._kind or "message", data) if data else None
        self.last_id = self._id
        self._data.clear()
        self._kind = ""
        self._size = 0
        return event
