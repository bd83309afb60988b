"""What a stateless server is asked to tell us of: changes of its lists, updates of resources, the state of tasks."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup
from mcp_types import INTERNAL_ERROR

from magictunnel.backends.base import Topic
from magictunnel.catalog.model import Json
from magictunnel.catalog.promises import announced
from magictunnel.errors import BackendError, CallError

MAX_STREAMS = 500
"""Resources and tasks of one stateless server that are followed at once; each has a stream of its own."""
SUBSCRIPTION_ID = "io.modelcontextprotocol/subscriptionId"
_AGAIN = 1.0
"""Seconds before a stream that ended is opened again."""

Exchange = Callable[[Json, int], Awaitable[Json]]
"""Sends `subscriptions/listen` with these params under this number; returns when its stream has ended."""

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class _Stream:
    filters: Json
    topic: Topic | None = None
    on_open: Callable[[], None] = lambda: None
    failure: CallError | None = None
    decided: anyio.Event = field(default_factory=anyio.Event)
    """Set once the server has agreed, or refused."""
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class Listener:
    """The listen streams with one server. What arrives on them comes as notifications that name their stream."""

    def __init__(self, name: str, exchange: Exchange, next_number: Callable[[], int], tasks: TaskGroup) -> None:
        self._name = name
        self._exchange = exchange
        self._next_number = next_number
        self._tasks = tasks
        self._followed: dict[Topic, _Stream] = {}
        self._open: dict[int, _Stream] = {}

    def follow_lists(self, capabilities: Json, on_open: Callable[[], None]) -> None:
        """Hear of changes of the lists it promises to announce; `on_open`: what changed before was told to nobody."""
        names = sorted({kind.capability for kind in announced(capabilities)})
        if names:
            filters = {f"{name}ListChanged": True for name in names}
            self._tasks.start_soon(self._keep, _Stream(filters, on_open=on_open))

    async def follow(self, topic: Topic) -> None:
        """Hear of one resource or task; returns once the server has agreed.

        Raises:
            CallError: it refused, or follows too many already.
        """
        stream = self._followed.get(topic)
        if stream is None:
            if len(self._followed) >= MAX_STREAMS:
                raise BackendError(INTERNAL_ERROR, f"server {self._name!r} tells of {MAX_STREAMS} things already")
            stream = self._followed[topic] = _Stream(topic.filters, topic)
            self._tasks.start_soon(self._keep, stream)
        await stream.decided.wait()
        if stream.failure is not None:
            raise stream.failure

    def forget(self, topic: Topic) -> None:
        """Hear no more of it."""
        if stream := self._followed.pop(topic, None):
            stream.scope.cancel()

    def acknowledged(self, params: Json) -> None:
        """The server has agreed to tell what stands in `params`."""
        stream = self._stream(params)
        if stream is None:
            return
        if stream.topic and not stream.topic.is_in(params.get("notifications")):
            stream.failure = BackendError(INTERNAL_ERROR, f"server {self._name!r} does not tell of {stream.topic.name}")
            stream.scope.cancel()
        stream.decided.set()
        stream.on_open()

    def topic_of(self, params: Json) -> Topic | None:
        """Which of the things we follow a notification is about; None if it does not say."""
        stream = self._stream(params)
        return stream.topic if stream else None

    def _stream(self, params: Json) -> _Stream | None:
        meta = params.get("_meta")
        number = meta.get(SUBSCRIPTION_ID) if isinstance(meta, dict) else None
        return self._open.get(number) if isinstance(number, int) else None

    async def _keep(self, stream: _Stream) -> None:
        """Keep a stream open, for as long as the connection lasts or until it is forgotten."""
        try:
            await self._listen(stream)
        finally:
            if not stream.decided.is_set():
                stream.failure = stream.failure or BackendError(INTERNAL_ERROR, f"server {self._name!r} has gone")
            if stream.topic and self._followed.get(stream.topic) is stream:
                del self._followed[stream.topic]
            stream.decided.set()

    async def _listen(self, stream: _Stream) -> None:
        with stream.scope:
            while True:
                number = self._next_number()
                self._open[number] = stream
                try:
                    await self._exchange({"notifications": stream.filters}, number)
                except CallError as error:
                    logger.debug("%s: listen stream ended: %s", self._name, error)
                    if not stream.decided.is_set():
                        stream.failure = error
                        break
                finally:
                    del self._open[number]
                await anyio.sleep(_AGAIN)
