"""Connections to a backend beside its main one, made when a call first needs them: in the other era, or for one client.

A server that speaks both eras can do in each what it cannot do in the other (ask by a request of its own, or by its
answer), so a call takes a connection of its caller's era where the server has both. And a server with `session:
per_client` gets a connection, and if we start it a process, for each session of a client.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import anyio
from anyio.abc import TaskGroup

from magictunnel.backends.base import Backend, Link, Terms, Topic
from magictunnel.backends.line import Line
from magictunnel.backends.states import Limits, Streak
from magictunnel.catalog.model import Kind
from magictunnel.config.model import Era, Sharing
from magictunnel.errors import BackendUnavailable, CallError
from magictunnel.wire.audience import Audience, union
from magictunnel.wire.caller import Caller

OTHER_ERA = 5.0
"""Seconds for a server that is up to open a session in its other era, if it has one."""
MAX_KINDS = 16
"""Sets of client capabilities for which a server over HTTP gets a session each."""

logger = logging.getLogger(__name__)


class Ended(BackendUnavailable):
    """A connection was ended on purpose before it was open. Whoever still wants it asks again."""


class Side(NamedTuple):
    """Which connection beside the main one."""

    era: Era = Era.AUTO
    """Of which era; `auto`: of any."""
    session: str = ""
    """For which client alone; empty: for everybody."""
    able: str = ""
    """For clients that can do just this (client capabilities as JSON); empty: whatever they can."""

    @property
    def line(self) -> str:
        """What news on it are known by. See `Followed.line_name`."""
        return self.session or self.era.value

    def __str__(self) -> str:
        whose = (
            f"for client {self.session}" if self.session else "for clients alike" if self.able else "for all clients"
        )
        return whose if self.era is Era.AUTO else f"{self.era} era, {whose}"


def side_for(main: Link, caller: Caller, sharing: Sharing) -> Side | None:
    """Which connection a call of `caller` takes; None: the main one.

    Decided before anything is sent, and never by sending a call twice. Whoever is no client (a command line, ourselves)
    takes the main one.
    """
    if main.stateless is caller.stateless and sharing is Sharing.SHARED:  # as nearly always
        return None
    is_client = caller.stateless or bool(caller.session)
    differs = is_client and main.may_speak_other_era and main.stateless != caller.stateless
    session = caller.session if sharing is Sharing.PER_CLIENT else ""
    own = Era.STATELESS if caller.stateless else Era.HANDSHAKE
    era = own if differs or (session and main.may_speak_other_era) else Era.AUTO
    able = "" if session or differs else _able(main, caller)
    return Side(era, session, able) if session or able or era is not Era.AUTO else None


def served_by(side: Side, audience: Audience) -> Audience:
    """Whom of `audience` a connection serves."""
    if side.able:
        return Audience([Caller("clients alike", capabilities=json.loads(side.able))])
    return audience.alone(side.session) if side.session else audience


def time_to_open(side: Side, main: Link, start_timeout: float) -> float:
    """Seconds for a side connection; a server that is up already soon says whether it speaks another era."""
    is_quick = main.sessions_are_cheap and side.era is not Era.AUTO and not side.session
    return min(OTHER_ERA, start_timeout) if is_quick else start_timeout


def _able(main: Link, caller: Caller) -> str:
    """What a server of the handshake era must be told anew, since it was told of more than this client can do."""
    if not (caller.stateless and main.sessions_are_cheap) or main.declared is None:
        return ""
    if union((caller.capabilities, main.declared)) == caller.capabilities:
        return ""
    return json.dumps(caller.capabilities, sort_keys=True)


class Sides:
    """The side connections of one backend. Each is owned by one task."""

    def __init__(
        self,
        backend: Backend,
        limits: Limits,
        terms: Callable[[Side], Terms],
        on_changed: Callable[[Side, Link, frozenset[Kind]], None],
    ) -> None:
        """`on_changed`: a server says, on one of these connections, that it offers something else."""
        self._on_changed = on_changed
        self._backend = backend
        self._limits = limits
        self._terms = terms
        self._lines: dict[Side, Line] = {}
        self._followed: dict[Side, set[Topic]] = {}
        self._taken_over: dict[Side, set[Topic]] = {}

    @property
    def links(self) -> list[tuple[Side, Link]]:
        """Those that are open."""
        return [(side, line.link) for side, line in self._lines.items() if line.link]

    @property
    def are_opening(self) -> bool:
        """Whether one of them is: as a rule, somebody waits for it."""
        return not all(line.decided.is_set() for line in self._lines.values())

    def of_session(self, session: str) -> Link | None:
        """The open connection of one client session alone."""
        return next((link for side, link in self.links if session and side.session == session), None)

    async def get(self, side: Side, tasks: TaskGroup, within: float | None = None) -> Link:
        """The connection, opened now by a task in `tasks` if it is not open; however many ask at once, it is one.

        `within`: seconds to open it, if not as many as for the main one.

        Raises:
            BackendUnavailable: it does not open.
            Ended: it was ended instead.
        """
        line = self._lines.get(side)
        if line is None:
            if side.able and sum(bool(known.able) for known in self._lines) >= MAX_KINDS:
                raise BackendUnavailable(self._backend.name, "its clients differ in too many ways")
            line = self._line(side, within)
            tasks.start_soon(self._keep, side, line, name=f"{self._backend.name} {side}")
        await line.decided.wait()
        if line.link is not None:
            return line.link
        if line.was_open and not line.is_ended:  # it has ended since: the next one
            return await self.get(side, tasks, within)
        await line.over.wait()
        kind = Ended if line.is_ended else BackendUnavailable
        raise kind(self._backend.name, line.failure.told if line.failure else "it was closed")

    def close(self, session: str) -> None:
        """End the connections of a client session; one that is just down is not opened again."""
        for known in (self._taken_over, self._followed):
            for side in [side for side in known if side.session == session]:
                del known[side]
        for side, line in tuple(self._lines.items()):
            if side.session == session:
                line.end()

    def end(self) -> list[Line]:
        """End all of them; each is over soon. Those on which something is followed are opened again."""
        lines = list(self._lines.values())
        for line in lines:
            line.end()
        return lines

    def take_over(self, other: Sides) -> None:
        """Follow what was followed on those of another keeper of the same backend, from `follow_again` on."""
        # The very same, not a copy: until the other has ended, it hears of clients that go.
        self._taken_over = other._followed or other._taken_over

    def follow_again(self, tasks: TaskGroup) -> None:
        """Open those on which something is followed, or was before this one kept the backend: it is up now."""
        taken_over, self._taken_over = self._taken_over, {}
        for side, topics in taken_over.items():
            self._followed.setdefault(side, set()).update(topics)
        for side, topics in self._followed.items():
            if topics and side not in self._lines:
                tasks.start_soon(self._keep, side, self._line(side), name=f"{self._backend.name} {side}")

    async def follow(self, side: Side, topic: Topic, tasks: TaskGroup) -> None:
        """Follow something on such a connection; it is opened again for that if it ends.

        Raises:
            CallError: it does not open, or the server refuses.
        """
        await (await self.get(side, tasks)).follow(topic)
        self._followed.setdefault(side, set()).add(topic)

    async def forget(self, name: str, topic: Topic) -> None:
        """Hear no more of it on those of this session or era; on one that is gone there is nothing to do."""
        sides: set[Side] = set()
        for known in (self._taken_over, self._followed):
            for side in [side for side, topics in known.items() if side.line == name and topic in topics]:
                sides.add(side)
                known[side].discard(topic)
                if not known[side]:
                    del known[side]
        for side in sides:
            line = self._lines.get(side)
            if line and line.link:
                await line.link.forget(topic)

    @property
    def follows(self) -> bool:
        """Whether anything is followed on any of them."""
        return any(self._followed.values()) or any(self._taken_over.values())

    def _line(self, side: Side, within: float | None = None) -> Line:
        def gone(line: Line) -> None:
            if self._lines.get(side) is line:
                del self._lines[side]

        line = Line(self._backend, self._terms(side), self._limits, within=within or 0.0, on_unfit=gone)
        self._lines[side] = line
        return line

    async def _keep(self, side: Side, line: Line) -> None:
        """One connection, and the next one, for as long as somebody follows something on it."""
        streak = Streak()
        while True:
            await self._hold(side, line)
            at_once = streak.failed(line.held)
            if self._followed.get(side) and not at_once:
                await anyio.sleep(streak.pause())
            if side in self._lines or not self._followed.get(side):
                return
            line = self._line(side)

    async def _hold(self, side: Side, line: Line) -> None:
        """One connection, from start to end."""

        async def prepare(link: Link) -> None:
            if link.stateless:
                await _know_tools(link)
            for topic in tuple(self._followed.get(side, ())):
                with suppress(CallError):
                    await link.follow(topic)

        await line.run(prepare, lambda link: self._attend(side, link))
        if line.failure:
            level = logging.DEBUG if line.was_open else logging.INFO
            logger.log(level, "%s (%s): %s", self._backend.name, side, line.failure)

    async def _attend(self, side: Side, link: Link) -> None:
        """Pass on what the server says of its lists, until the connection ends."""
        while True:
            changed = await link.changed()
            self._on_changed(side, link, changed)
            if link.stateless and Kind.TOOL in changed:
                await _know_tools(link)


async def _know_tools(link: Link) -> None:
    """A call in the stateless era needs the tool's schema for its headers."""
    try:
        await link.list(Kind.TOOL)
    except CallError as error:
        logger.debug("its tools cannot be listed: %s", error)
