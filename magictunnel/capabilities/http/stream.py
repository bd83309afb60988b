"""What an answer brings while it comes, told as progress: server-sent events, or lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from magictunnel.capabilities.http.client import Answer, Take
from magictunnel.capabilities.language.requests import Stream
from magictunnel.wire.http1.sse import Event, EventParser


class Told:
    """Hands on what comes, and keeps what events brought."""

    def __init__(self, kind: Stream, limit: int, heard: Callable[[bytes], None]) -> None:
        """`limit`: bytes in all; `heard` takes what is told, line by line."""
        self._kind = kind
        self._heard = heard
        self._limit = limit
        self._parser = EventParser(limit + 1)
        self.events: list[Any] | None = None
        """The data of each, as JSON where it is; None: there were no events, but another answer."""

    def watch(self, answer: Answer) -> Take | None:
        """What takes the body of `answer`, if it is of the sort that is told."""
        self.events, self._parser = None, EventParser(self._limit + 1)
        if self._kind is Stream.LINES:
            self._heard(b"\n")  # what an attempt before this one began
            return self._lines
        if answer.header("content-type").partition(";")[0].strip().lower() != "text/event-stream":
            return None
        self.events = []
        return self._events

    async def end(self) -> None:
        """There is no more: what stands without an end has one now."""
        if self.events is not None:
            await self._events(b"\n\n")
        else:
            self._heard(b"\n")

    async def _events(self, piece: bytes) -> None:
        for event in self._parser.feed(piece):
            self._event(event)

    def _event(self, event: Event) -> None:
        assert self.events is not None
        text = event.data.decode("utf-8", "replace")
        self.events.append(_as_json(text))
        self._heard(" ".join(text.splitlines()).encode() + b"\n")

    async def _lines(self, piece: bytes) -> None:
        self._heard(piece)


def _as_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
