"""What an answer brings while it comes, told as progress: server-sent events, or lines."""

from __future__ import annotations

import json
from typing import Any

from magictunnel.capabilities.base import Tell
from magictunnel.capabilities.http.client import Answer, Take
from magictunnel.capabilities.requests import Stream
from magictunnel.wire.http1.sse import Event, EventParser

_MAX_LINE = 8 * 1024
"""Bytes of one line that are told."""


class Told:
    """Tells what comes, and keeps what events brought."""

    def __init__(self, kind: Stream, limit: int, tell: Tell) -> None:
        """`limit`: bytes in all."""
        self._kind = kind
        self._tell = tell
        self._limit = limit
        self._parser = EventParser(limit + 1)
        self._line = b""
        self.events: list[Any] | None = None
        """The data of each, as JSON where it is; None: there were no events, but another answer."""

    def watch(self, answer: Answer) -> Take | None:
        """What takes the body of `answer`, if it is of the sort that is told."""
        self.events, self._line, self._parser = None, b"", EventParser(self._limit + 1)
        if self._kind is Stream.LINES:
            return self._lines
        if answer.header("content-type").partition(";")[0].strip().lower() != "text/event-stream":
            return None
        self.events = []
        return self._events

    async def end(self) -> None:
        """There is no more: what stands without an end has one now."""
        if self.events is not None:
            await self._events(b"\n\n")
        if self._line:
            await self._lines(b"\n")

    async def _events(self, piece: bytes) -> None:
        for event in self._parser.feed(piece):
            await self._event(event)

    async def _event(self, event: Event) -> None:
        assert self.events is not None
        text = event.data.decode("utf-8", "replace")
        self.events.append(_as_json(text))
        await self._tell(text[:_MAX_LINE])

    async def _lines(self, piece: bytes) -> None:
        *lines, self._line = (self._line + piece).split(b"\n")
        self._line = self._line[: _MAX_LINE + 1]
        for line in lines:
            if text := line[:_MAX_LINE].decode("utf-8", "replace").rstrip("\r"):
                await self._tell(text)


def _as_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
