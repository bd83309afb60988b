"""Who wants to hear of which resource or task: counted per owner, told under the name that each client knows."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple
from weakref import WeakValueDictionary

import anyio

from magictunnel.backends.base import Topic, resource, task
from magictunnel.backends.followed import Followed
from magictunnel.catalog.model import Json
from magictunnel.catalog.tasks import public_task
from magictunnel.errors import CallError, TooMany
from magictunnel.wire.caller import Back, Caller

MAX_PER_CLIENT = 1_000
"""Resources and tasks that one client may follow."""
_PATIENCE = 5.0
"""Seconds that an owner may take to accept that nobody wants to hear of something any more."""


logger = logging.getLogger(__name__)


class _Key(NamedTuple):
    backend: str
    line: str
    """The connection to the backend on which it is told of (`Followed.line_of`); empty: the one it shares."""
    topic: Topic


class _Subscriber(NamedTuple):
    caller: Caller
    public: str
    """What it calls the thing."""


class Subscriptions:
    """One fabric for clients of both eras. A subscriber is the way back to it: a session's, or a listen stream's."""

    def __init__(self, owner: Callable[[str], Followed], publish: Callable[[str, str], str]) -> None:
        """`owner`: by backend name. `publish`: a backend and a URI of its own -> the URI that clients know it by."""
        self._owner = owner
        self._publish = publish
        self._subscribers: dict[_Key, dict[Back, _Subscriber]] = {}
        self._turns: WeakValueDictionary[tuple[str, Topic], anyio.Lock] = WeakValueDictionary()
        """Per thing, so that a last unsubscribe and a first subscribe reach its owner in the order in which they came.

        A lock is there while somebody holds it, or waits for it.
        """
        self._under_way: Counter[Back] = Counter()
        """How many subscriptions of each client are not decided yet."""

    async def add(self, backend: str, topic: Topic, public: str, caller: Caller, *, is_new: bool = False) -> None:
        """Have `caller` told of `topic`, which it knows as `public`; if `is_new`, whoever followed that name before
        followed something else.

        Raises:
            CallError: its owner refuses, or cannot; or it has too many.
        """
        own = {caller.back: _Subscriber(caller, public)}
        self._make_room(topic, caller)
        if is_new:  # it is its client's whether or not its server agrees to tell of it
            # The very same, not a copy: a client that goes meanwhile is not put back.
            self._subscribers[_Key(backend, self._owner(backend).line_of(caller), topic)] = own
        self._under_way[caller.back] += 1
        try:
            async with self._turn(backend, topic):
                try:
                    key = await self._followed(backend, topic, caller)
                    self._subscribers[key] = self._subscribers.get(key, {}) | own
                finally:
                    self._sweep(backend, topic)
        finally:
            self._under_way[caller.back] -= 1
            if not self._under_way[caller.back]:
                del self._under_way[caller.back]

    async def remove(self, backend: str, topic: Topic, caller: Caller) -> None:
        """Tell `caller` no more; the last one's owner is told so. To one that is not subscribed nothing happens."""
        followed = [key for key in self._subscribers if key.backend == backend and key.topic == topic]
        await self._remove(followed, caller)  # on whichever connection it was told until now

    async def drop(self, caller: Caller) -> None:
        """A client has gone."""
        await self._remove([key for key, known in self._subscribers.items() if caller.back in known], caller)

    async def move(self, backend: str) -> None:
        """Its clients have other connections to it now: each is told of what it follows on the one that it takes."""
        with suppress(CallError):  # it has gone
            owner = self._owner(backend)
            async with anyio.create_task_group() as tasks:
                for topic in {key.topic for key in self._subscribers if key.backend == backend}:
                    tasks.start_soon(self._move, owner, backend, topic)

    async def _move(self, owner: Followed, backend: str, topic: Topic) -> None:
        followed: dict[_Key, bool] = {}
        for key in [key for key in self._subscribers if (key.backend, key.topic) == (backend, topic)]:
            for back in tuple(self._subscribers.get(key, {})):
                async with self._turn(backend, topic):
                    await self._moved(owner, key, back, followed)

    async def _moved(self, owner: Followed, key: _Key, back: Back, followed: dict[_Key, bool]) -> None:
        """Move one subscriber; `followed`: whether the owner has agreed, for all that was moved, to which this adds.

        What it does not agree to is followed no more, so that whoever subscribes to it again is not told that it is.
        """
        if (one := self._subscribers.get(key, {}).get(back)) is None:
            return
        new = key._replace(line=owner.line_of(one.caller))
        if new not in followed:
            followed[new] = await self._agrees(owner, new, one.caller)
        if self._subscribers.get(key, {}).pop(back, None) and (followed[new] or new.topic == task(new.topic.name)):
            self._subscribers.setdefault(new, {})[back] = one
        if not self._subscribers.get(key):
            self._subscribers.pop(key, None)
        if not self._subscribers.get(new):  # it has gone meanwhile
            owner.forget_soon(new.topic, new.line)

    async def _agrees(self, owner: Followed, key: _Key, caller: Caller) -> bool:
        try:
            with anyio.fail_after(owner.patience):
                await owner.follow(key.topic, caller)
        except TimeoutError:
            logger.warning("%s: it does not say whether it tells of %s any more", key.backend, key.topic.name)
        except CallError as error:
            logger.warning("%s: it does not tell of %s any more: %s", key.backend, key.topic.name, error)
        else:
            return True
        return False

    def forget(self, backend: str) -> None:
        """A backend is gone, and with it all that was followed of it."""
        self._subscribers = {key: known for key, known in self._subscribers.items() if key.backend != backend}

    def of(self, caller: Caller, what: str) -> list[str]:
        """What a client follows of this sort, as it calls it."""
        found = (known.get(caller.back) for key, known in self._subscribers.items() if key.topic.what == what)
        return [subscriber.public for subscriber in found if subscriber]

    def whose_task(self, backend: str, line: str, task_id: str) -> Caller | None:
        """The client that started a task of a server of the handshake era, on that connection to it."""
        known = self._subscribers.get(_Key(backend, line, task(task_id)))
        return next(iter(known.values())).caller if known else None

    def may_use_task(self, backend: str, task_id: str, caller: Caller) -> bool:
        """Whether a session may ask for a task by its id: it is not known to be another one's."""
        holders = {
            subscriber.caller.session
            for key, known in self._subscribers.items()
            if key.backend == backend and key.topic == task(task_id)
            for subscriber in known.values()
        }
        return not holders or caller.session in holders

    async def told(self, backend: str, line: str, followed: Topic | None, method: str, params: Json) -> None:
        """Something happened to `followed`, or to what `params` name: tell whoever wants to hear of it.

        Each is told at its own pace: one that does not read holds up no other.
        """
        topic = _topic(params)
        async with anyio.create_task_group() as tasks:
            for key, subscribers in self._subscribers.items():
                if key[:2] == (backend, line) and (key.topic == followed or _covers(key.topic, topic, followed)):
                    for subscriber in subscribers.values():
                        told = self._named(backend, params, topic == key.topic, subscriber.public)
                        tasks.start_soon(subscriber.caller.back.tell, method, told)

    def _make_room(self, topic: Topic, caller: Caller) -> None:
        """Raise TooMany, or let go of the oldest task: nobody unsubscribes from those that have ended."""
        own = [key for key, known in self._subscribers.items() if caller.back in known and key.topic.what == topic.what]
        if len(own) + self._under_way[caller.back] < MAX_PER_CLIENT:
            return
        if topic != task(topic.name) or not own:
            raise TooMany(MAX_PER_CLIENT, "subscriptions of this client", hint="unsubscribe from some")
        subscribers = self._subscribers[own[0]]
        del subscribers[caller.back]
        if not subscribers:
            del self._subscribers[own[0]]
            self._owner(own[0].backend).forget_soon(own[0].topic, own[0].line)

    def _named(self, backend: str, params: Json, is_it: bool, public: str) -> Json:
        """`params` with the name that the subscriber knows; of a sub-resource, the one that leads there."""
        if "taskId" in params:
            return params | {"taskId": public_task(backend, str(params["taskId"]))}
        uri = params.get("uri")
        return params | {"uri": public if is_it or not isinstance(uri, str) else self._publish(backend, uri)}

    async def _followed(self, backend: str, topic: Topic, caller: Caller) -> _Key:
        """Have its owner tell of it, and if it has another one by then, that one: it was told of what was followed."""
        owner = None
        while (current := self._owner(backend)) is not owner:
            owner = current
            key = _Key(backend, owner.line_of(caller), topic)
            try:
                if topic == task(topic.name) or not self._subscribers.get(key):
                    await self._follow(owner, key, caller)
            except CallError:
                if self._owner(backend) is owner:
                    raise
        return key

    async def _follow(self, owner: Followed, key: _Key, caller: Caller) -> None:
        """Have the owner tell of it; if the caller does not wait for that, nobody may want it any more."""
        try:
            await owner.follow(key.topic, caller)
        except anyio.get_cancelled_exc_class():
            if not self._subscribers.get(key):
                owner.forget_soon(key.topic, key.line)
            raise

    def _turn(self, backend: str, topic: Topic) -> anyio.Lock:
        return self._turns.setdefault((backend, topic), anyio.Lock())

    def _sweep(self, backend: str, topic: Topic) -> None:
        """Have it forgotten if nobody wants it any more: whoever let go of it last may not have waited for its turn."""
        unwanted = [key for key, known in self._subscribers.items() if not known]
        for key in [key for key in unwanted if (key.backend, key.topic) == (backend, topic)]:
            del self._subscribers[key]
            with suppress(CallError):  # it has gone
                self._owner(backend).forget_soon(key.topic, key.line)

    async def _remove(self, keys: Iterable[_Key], caller: Caller) -> None:
        """Let go at once, and tell the owners of what nobody wants any more; one that does not answer holds up none."""
        async with anyio.create_task_group() as tasks:
            for key in keys:
                subscribers = self._subscribers.get(key, {})
                if subscribers.pop(caller.back, None) and not subscribers:
                    tasks.start_soon(self._forget, key)

    async def _forget(self, key: _Key) -> None:
        with anyio.move_on_after(_PATIENCE), suppress(CallError):  # it may be gone by now
            async with self._turn(key.backend, key.topic):
                if self._subscribers.get(key) == {}:
                    del self._subscribers[key]
                    await self._owner(key.backend).forget(key.topic, key.line)


def _topic(params: Json) -> Topic:
    return task(str(params["taskId"])) if "taskId" in params else resource(str(params.get("uri", "")))


def _covers(key: Topic, topic: Topic, followed: Topic | None) -> bool:
    """Whether news of `topic`, if it is not known for whom they are, are for those who follow `key`."""
    if followed is not None or key.what != topic.what:
        return False
    return key == topic or (key.what == resource("").what and is_within(topic.name, key.name))


def is_within(uri: str, parent: str) -> bool:
    """Whether a URI is that of a sub-resource of another."""
    if len(uri) <= len(parent) or not uri.startswith(parent):
        return False
    return parent.endswith("/") or uri[len(parent)] in "/?#"
