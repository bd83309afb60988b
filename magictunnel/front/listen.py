"""`subscriptions/listen`: the stream on which a client of the stateless era hears of what it asked to hear."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import anyio

from magictunnel.catalog.find import MAX_NAME
from magictunnel.catalog.model import Json
from magictunnel.errors import BadParams, CallError, CannotAsk, TooMany
from magictunnel.front.inbound import Inbound
from magictunnel.front.outbox import Outbox, Tasks
from magictunnel.wire.caller import Caller

MAX_STREAMS = 4_096
MAX_NAMES = 1_000
"""Resources, and tasks, that one stream may follow."""
_PATIENCE = 5.0
"""Seconds for all owners of what it follows to agree; those that did not are left out of the acknowledgement."""
SUBSCRIPTION_ID = "io.modelcontextprotocol/subscriptionId"

LISTS = {
    "toolsListChanged": "notifications/tools/list_changed",
    "promptsListChanged": "notifications/prompts/list_changed",
    "resourcesListChanged": "notifications/resources/list_changed",
}
"""What a client may ask for, and what it is told then."""

TOPICS = ("resourceSubscriptions", "taskIds")
"""What a client may follow one by one: resources by URI, and tasks by id."""
Follow = Callable[[Caller, str, str], Awaitable[object]]
"""Has a caller told of one of TOPICS, by the name that it knows."""
Forget = Callable[[Caller], Awaitable[None]]
"""Has a caller told of nothing any more."""


class Stream:
    """One listen stream; tells what it was asked for, once each. See `Back`."""

    def __init__(self, inbound: Inbound, wanted: Json, tasks: Tasks) -> None:
        self._channel = inbound.channel
        self.methods = {method for key, method in LISTS.items() if wanted.get(key) is True}
        self._meta = {SUBSCRIPTION_ID: inbound.request_id}
        self._outbox = Outbox(self._send, tasks=tasks)
        self._outbox.hold()
        self.ended = anyio.Event()

    @property
    def is_quiet(self) -> bool:
        return self._outbox.is_empty

    async def acknowledge(self, honoured: Json) -> None:
        """Say what it will hear of, and then all it has missed meanwhile."""
        await self._send("notifications/subscriptions/acknowledged", {"notifications": honoured})
        await self._outbox.release()

    async def tell(self, method: str, params: Json) -> None:
        """See `Back.tell`."""
        if method in self.methods or method not in LISTS.values():
            await self._outbox.put(method, params, once=True)

    async def ask(self, method: str, params: Json) -> Json:
        """See `Back.ask`."""
        del params
        raise CannotAsk(method, "a listen stream carries no questions")

    async def let_go(self) -> None:
        """See `Back.let_go`."""

    @property
    def result(self) -> Json:
        """What ends it, if we do."""
        return {"_meta": self._meta}

    async def _send(self, method: str, params: Json) -> None:
        meta = params.get("_meta", {}) | self._meta
        await self._channel.notify(method, params | {"_meta": meta})


class Streams:
    """All open listen streams."""

    def __init__(self, tasks: Tasks = lambda: None) -> None:
        self._tasks = tasks
        self._open: dict[Stream, Caller] = {}
        self.owed: set[str] = set()
        """What was not told to a client that does not listen yet, by method."""

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Stream]:
        return iter(list(self._open))

    @property
    def listeners(self) -> list[Caller]:
        """Whose streams they are, each with its stream as the way back."""
        return list(self._open.values())

    async def serve(self, inbound: Inbound, caller: Caller, follow: Follow, forget: Forget) -> Json:
        """Serve one stream, until its client closes it or we end.

        Raises:
            BadParams: it does not say what to listen for.
        """
        wanted = inbound.params.get("notifications")
        if not isinstance(wanted, dict):
            raise BadParams("notifications must be an object", hint="see subscriptions/listen in the spec")
        if len(self._open) >= MAX_STREAMS:
            raise TooMany(MAX_STREAMS, "listen streams", hint="close one")
        stream = Stream(inbound, wanted, self._tasks)
        listener = replace(caller, back=stream)
        self._open[stream] = listener
        try:
            await stream.acknowledge(await _honoured(wanted, listener, follow))
            await self._make_up(stream)
            await stream.ended.wait()
            return stream.result
        finally:
            del self._open[stream]
            with anyio.CancelScope(shield=True), anyio.move_on_after(_PATIENCE):
                await forget(listener)

    async def _make_up(self, stream: Stream) -> None:
        for method in sorted(self.owed & stream.methods):
            self.owed.discard(method)
            await stream.tell(method, {})

    def close(self) -> None:
        """End all of them as the protocol wants."""
        for stream in self._open:
            stream.ended.set()


async def _honoured(wanted: Json, listener: Caller, follow: Follow) -> Json:
    """The part of what is wanted that will be told."""
    honoured: Json = {key: True for key in LISTS if wanted.get(key) is True}
    wishes = [(topic, name) for topic in TOPICS for name in _names(topic, wanted.get(topic))]
    agreed: dict[str, list[str]] = {}

    async def one(topic: str, name: str) -> None:
        try:
            await follow(listener, topic, name)
            agreed.setdefault(topic, []).append(name)
        except CallError:
            return  # not honoured, and so left out

    with anyio.move_on_after(_PATIENCE):
        async with anyio.create_task_group() as tasks:
            for topic, name in wishes:
                tasks.start_soon(one, topic, name)
    return honoured | agreed


def _names(topic: str, listed: Any) -> list[str]:
    listed = listed or []
    if not isinstance(listed, list) or len(listed) > MAX_NAMES or not all(_is_name(name) for name in listed):
        raise BadParams(f"{topic} must be a list of at most {MAX_NAMES} strings of at most {MAX_NAME} characters")
    return list(dict.fromkeys(listed))


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and len(name) <= MAX_NAME
