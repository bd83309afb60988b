"""Audience: the client sessions that are connected now, and what they can do together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import anyio

from magictunnel.catalog.model import Json
from magictunnel.wire.caller import Caller, most_verbose
from magictunnel.wire.codec import is_writable

RELAYED: Json = {"elicitation": {"form": {}, "url": {}}, "sampling": {"tools": {}, "context": {}}, "roots": {}}
"""What we can relay: declared to a server while no client is known whose capabilities could be told instead."""
_DEFAULT_LEVEL = "info"
"""What a session that never set a level is not to lose because another one set a stricter one."""


class Audience:
    """The sessions of the handshake era that are there now, each with its standing ways back."""

    def __init__(self, callers: Iterable[Caller] = (), *, grows: bool = False) -> None:
        """`grows`: whether others may come, who can do more than those who are here."""
        self.grows = grows
        self._callers = {caller.session: _tellable(caller) for caller in callers}
        self._on_leave: list[Callable[[str], None]] = []
        self._met = anyio.Event()

    def meet(self) -> None:
        """A client has spoken, of whichever era."""
        self._met.set()

    async def met(self) -> None:
        """Wait until a client has spoken."""
        await self._met.wait()

    def join(self, caller: Caller) -> None:
        """A session has opened."""
        self._callers[caller.session] = _tellable(caller)

    def leave(self, session: str) -> None:
        """A session has ended; whoever keeps something for it lets go."""
        if self._callers.pop(session, None):
            for told in tuple(self._on_leave):
                told(session)

    def on_leave(self, told: Callable[[str], None]) -> Callable[[], None]:
        """Have `told` called with each session that ends; what is returned ends that."""
        self._on_leave.append(told)
        return lambda: self._on_leave.remove(told)

    def get(self, session: str) -> Caller | None:
        return self._callers.get(session)

    def alone(self, session: str) -> Audience:
        """Of these, only this one: whom a connection of its own serves."""
        return _One(self, session)

    @property
    def callers(self) -> list[Caller]:
        return list(self._callers.values())

    @property
    def capabilities(self) -> Json:
        """What at least one of these clients can do, or one that may come; of none: all that can be relayed."""
        present = [caller.capabilities for caller in self.callers]
        return union((*present, RELAYED) if self.grows or not present else present)

    @property
    def prefers_handshake(self) -> bool:
        """Whether clients of the handshake era are here."""
        return any(caller.session for caller in self.callers)

    @property
    def log_level(self) -> str | None:
        """The level at which nobody here misses a message it wants; None while nobody has set one."""
        levels = [caller.log_level for caller in self.callers]
        if not any(levels):
            return None
        return most_verbose(*(level or _DEFAULT_LEVEL for level in levels))

    def set_level(self, session: str, level: str) -> None:
        """Take the log level that a session asked for."""
        if caller := self._callers.get(session):
            self._callers[session] = replace(caller, log_level=level)


class _One(Audience):
    def __init__(self, whole: Audience, session: str) -> None:
        super().__init__()
        self._whole = whole
        self._session = session

    @property
    def callers(self) -> list[Caller]:
        caller = self._whole.get(self._session)
        return [caller] if caller else []


def _tellable(caller: Caller) -> Caller:
    """`caller` with those of its capabilities that can be told: one that cannot would keep us from every server."""
    if is_writable(caller.capabilities):
        return caller
    able = {key: value for key, value in caller.capabilities.items() if is_writable({key: value})}
    return replace(caller, capabilities=able)


def union(capabilities: Iterable[Json]) -> Json:
    """What is in any of `capabilities`: objects are joined key by key, of anything else the first is taken."""
    joined: Json = {}
    for one in capabilities:
        for key, value in one.items():
            known = joined.get(key)
            both = isinstance(known, dict) and isinstance(value, dict)
            joined[key] = union((known, value)) if both else joined.get(key, value)  # type: ignore[arg-type]
    return joined
