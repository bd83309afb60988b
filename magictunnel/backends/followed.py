"""What clients follow of one backend: on which of its connections it is told, also after these were opened again."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Protocol

import anyio
from anyio.abc import TaskGroup

from magictunnel.backends.base import NO_NEIGHBOURS, Link, Neighbours, Request, Topic, resource
from magictunnel.backends.news import Lined, News
from magictunnel.backends.poll import Poller
from magictunnel.backends.sides import Side, Sides
from magictunnel.backends.states import Limits
from magictunnel.catalog.model import Json, Kind
from magictunnel.catalog.promises import can_subscribe
from magictunnel.config.model import Era, Sharing
from magictunnel.errors import CallError, MethodNotOffered
from magictunnel.wire.caller import Caller

_RESOURCES = resource("").what

logger = logging.getLogger(__name__)


class Connections(Protocol):
    """The connections of one backend. See `Supervisor`."""

    @property
    def name(self) -> str: ...

    @property
    def main(self) -> Link | None:
        """The one that is kept up, while it is."""
        ...

    @property
    def sides(self) -> Sides: ...

    @property
    def tasks(self) -> TaskGroup | None:
        """Where what they need is run, while they are kept."""
        ...

    async def ready(self) -> Link:
        """The main one, once it is up.

        Raises:
            BackendUnavailable: it is down.
        """
        ...

    def side_of(self, caller: Caller) -> Side | None:
        """The one beside it that a call of `caller` takes."""
        ...


class Followed:
    """The resources and tasks of one backend that somebody wants to hear of."""

    def __init__(self, connections: Connections, limits: Limits, news: News | None) -> None:
        self._connections = connections
        self._limits = limits
        self._news = news
        self._on_main: set[Topic] = set()
        self._looked_at: set[str] = set()
        """Resources, by URI, whose server does not tell of them."""
        self._moves = False
        """What was followed while another one kept the backend is to be followed on other connections."""
        self._are_cheap = True
        """Whether sessions with the server are; known once it was up."""
        polls = limits.poll is not None and limits.session is Sharing.SHARED
        self._poller = Poller(limits.poll or 0.0, self._read, self._found_updated) if polls else None

    def __bool__(self) -> bool:
        """Whether anything is followed, on whichever connection, or looked at."""
        return bool(self._moves or self._on_main or self._looked_at) or self._connections.sides.follows

    def take_over(self, other: Followed) -> None:
        """Follow what was followed of the same backend while another one kept it."""
        if other._moves or self._limits.session is not other._limits.session:
            self._moves = bool(other)
            return
        self._on_main |= other._on_main
        self._looked_at |= other._looked_at
        self._connections.sides.take_over(other._connections.sides)

    @property
    def patience(self) -> float:
        """Seconds that it may take to be told of something new: for that it may have to be started."""
        return self._limits.start_timeout

    def line_of(self, caller: Caller) -> str:
        """A name for the connection on which `caller` hears of what it follows; empty for the main one."""
        side = self._side_of(caller)
        return self.line_name(side) if side else ""

    def line_name(self, side: Side) -> str:
        """A name for what is told on a connection; empty where it is as good as told on the main one.

        Sessions with one server over HTTP are equal; over a pipe each has a process of its own.
        """
        is_apart = side.session or (side.era is not Era.AUTO and not self._are_cheap)
        return side.line if is_apart else ""

    def neighbours(self, side: Side) -> Neighbours:
        """What a connection needs to have its news told."""
        return Lined(self._connections.name, lambda: self.line_name(side), self._news) if self._news else NO_NEIGHBOURS

    def promised(self, capabilities: Json) -> Json:
        """`capabilities`, with updates of resources that are found by looking at them."""
        told = capabilities.get(Kind.RESOURCE.capability)
        if self._poller is None or not isinstance(told, dict):
            return capabilities
        return capabilities | {Kind.RESOURCE.capability: told | {"subscribe": True}}

    async def follow(self, topic: Topic, caller: Caller) -> None:
        """Have the server tell of a resource or task, also after it was opened again.

        Raises:
            CallError: it cannot, or will not.
        """
        main, tasks = await self._connections.ready(), self._connections.tasks
        if topic.what == _RESOURCES and not can_subscribe(main.capabilities):
            if self._poller is None or tasks is None:
                raise MethodNotOffered("resources/subscribe")
            self._poller.follow(topic.name, tasks)
            self._looked_at.add(topic.name)
            return
        side = self._side_of(caller)
        if side is not None and tasks is not None:
            await self._connections.sides.follow(side, topic, tasks)
            return
        await main.follow(topic)
        self._on_main.add(topic)

    async def forget(self, topic: Topic, line: str) -> None:
        """Hear no more of it on that line (see `line_of`); on a connection that is gone there is nothing to do."""
        if self._poller is not None:
            self._poller.forget(topic.name)
        self._looked_at.discard(topic.name)
        with suppress(CallError):
            if line:
                await self._connections.sides.forget(line, topic)
                return
            self._on_main.discard(topic)
            if self._connections.main is not None:
                await self._connections.main.forget(topic)

    def forget_soon(self, topic: Topic, line: str) -> None:
        """The same, for whoever cannot wait."""
        if self._connections.tasks is not None:
            self._connections.tasks.start_soon(self.forget, topic, line)

    def follow_again(self, link: Link, tasks: TaskGroup) -> None:
        """The main connection is open: follow on it, and beside it, what was followed before."""
        self._are_cheap = link.sessions_are_cheap
        for topic in self._on_main:
            tasks.start_soon(self._follow_again, link, topic)
        if self._poller is not None:
            for uri in self._looked_at:
                self._poller.follow(uri, tasks)
        self._connections.sides.follow_again(tasks)
        if self._moves and self._news is not None:
            tasks.start_soon(self._move, self._news)

    async def _move(self, news: News) -> None:
        await news.move(self._connections.name)
        self._moves = False

    async def _follow_again(self, link: Link, topic: Topic) -> None:
        try:
            with anyio.move_on_after(self.patience):
                await link.follow(topic)
        except CallError as error:
            logger.warning("%s: it does not tell of %s any more: %s", self._connections.name, topic.name, error)

    def _side_of(self, caller: Caller) -> Side | None:
        """The side connection on which `caller` hears of what it follows; None: the main one."""
        if self._connections.main is None:
            return Side(session=caller.session) if self._limits.session is Sharing.PER_CLIENT else None
        side = self._connections.side_of(caller)
        return side if side and self.line_name(side) else None

    async def _read(self, uri: str) -> Json:
        return await (await self._connections.ready()).request(Request("resources/read", {"uri": uri}))

    async def _found_updated(self, uri: str) -> None:
        if self._news is not None:
            params = {"uri": uri}
            await self._news.told(self._connections.name, "", resource(uri), "notifications/resources/updated", params)
