"""Catalog changes -> list_changed, told to each client once, in the way of its era."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from magictunnel.catalog.model import Kind
from magictunnel.discovery.views import Differs
from magictunnel.front.listen import Streams
from magictunnel.front.sessions import Sessions
from magictunnel.wire.caller import Back

COMPANY = 0.05
"""Seconds to wait after a change for others that come with it."""
AT_ONCE = 16
"""Clients that are told in one go. With all of them each would wait for the work of all, and what is made on the way
would live long enough for the garbage collector to look through everything there is, several times.
"""
_TURNS = 12
"""Turns of the event loop within which a client that reads has been told."""

_NEWS: Sequence[tuple[frozenset[Kind], str]] = (
    (frozenset({Kind.TOOL}), "notifications/tools/list_changed"),
    (frozenset({Kind.PROMPT}), "notifications/prompts/list_changed"),
    (frozenset({Kind.RESOURCE, Kind.TEMPLATE}), "notifications/resources/list_changed"),
)
"""Which kinds are one piece of news."""


class Notifier:
    """Tells the sessions of the handshake era, and the listen streams of the stateless one."""

    def __init__(self, sessions: Sessions, streams: Streams) -> None:
        self._sessions = sessions
        self._streams = streams
        self._news: dict[tuple[str, Back], None] = {}
        self._wake = anyio.Event()

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing left to tell anybody."""
        return not self._news and all(back.is_quiet for back in (*self._sessions.backs, *self._streams))

    def changed(self, differs: Differs) -> None:
        """Have the clients of this moment told which lists differ for them now. Returns at once; changes close together
        are told together, and a client that comes later lists what is new anyway.
        """
        for caller in (*self._sessions.open_ones, *self._streams.listeners):
            kinds = differs(caller)
            self._news |= {(method, caller.back): None for concerned, method in _NEWS if concerned & kinds}
        self._wake.set()

    def missed(self, kind: Kind) -> None:
        """Have the one client there is told that a list it was given is another now, as soon as it can be."""
        self.changed(lambda _client: frozenset({kind}))
        method = next(method for concerned, method in _NEWS if kind in concerned)
        for back in self._sessions.backs:
            if not back.is_open:
                back.tell_when_open(method)
        if not (self._sessions.open_ones or any(method in stream.methods for stream in self._streams)):
            self._streams.owed.add(method)

    async def run(self) -> None:
        """Tell what changed, until cancelled; then end the listen streams as the protocol wants."""
        try:
            async with anyio.create_task_group() as tasks:
                while True:
                    await self._wake.wait()
                    await anyio.sleep(COMPANY)
                    self._wake = anyio.Event()
                    while self._news:
                        await self._tell_some(tasks)
        finally:
            self._streams.close()

    async def _tell_some(self, tasks: TaskGroup) -> None:
        """Tell the first few. Who does not read holds up nobody: it is only begun here."""
        for news in list(islice(self._news, AT_ONCE)):
            del self._news[news]
            method, back = news
            tasks.start_soon(back.tell, method, {})
        for _ in range(_TURNS):
            await anyio.lowlevel.checkpoint()
