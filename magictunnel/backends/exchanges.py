"""The requests of one session under way: sent under numbers of their own, answered, given up, told to the server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count
from operator import attrgetter
from time import monotonic

import anyio
from anyio.abc import TaskGroup
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from magictunnel.backends.base import US, Terms
from magictunnel.backends.beginnings import Beginnings
from magictunnel.backends.envelope import HeaderMap, enveloped, headers, inner_result
from magictunnel.backends.failures import dooms, failure
from magictunnel.catalog.extensions import TASKS
from magictunnel.catalog.model import EMPTY, Json
from magictunnel.errors import BackendUnavailable, CallError
from magictunnel.wire.audience import union
from magictunnel.wire.base import Wire
from magictunnel.wire.begun import Begun
from magictunnel.wire.caller import Caller


class Sending:
    """One request under way."""

    __slots__ = ("caller", "is_ours", "number", "questions", "started", "what")

    def __init__(self, number: int, caller: Caller, what: str, started: float, *, is_ours: bool) -> None:
        """`what`: its name, for errors. `started`: in seconds (monotonic)."""
        self.number = number
        self.caller = caller
        self.what = what
        self.started = started
        self.is_ours = is_ours
        """Nobody's call, but our own listing or subscription."""
        self.questions: set[anyio.CancelScope] = set()
        """What its caller is being asked for it; no longer once it has ended."""


class Exchanges:
    """Sends requests over one connection, for as long as it carries any."""

    def __init__(
        self,
        name: str,
        wire: Wire,
        terms: Terms,
        tasks: TaskGroup,
        on_failure: Callable[[CallError, Caller], None],
        on_drained: Callable[[], None],
    ) -> None:
        """`on_failure`: told of each error that answers a request, and whose it was. `on_drained`: see `is_drained`."""
        self._name = name
        self._wire = wire
        self._terms = terms
        self._tasks = tasks
        self._on_failure = on_failure
        self._on_drained = on_drained
        self._numbers = count(1_000_000)  # apart from those that the SDK gives to its own requests
        self._in_flight: dict[int, Sending] = {}
        self.beginnings = Beginnings()
        self._given_up: dict[int, Caller] = {}
        """Of calls that nobody waits for any more, until the server has read that. Over one pipe, what it asks or tells
        for these looks like that of any other call.
        """
        self._left: set[int] = set()
        """Numbers of calls over HTTP that nobody waits for any more, until the server has been told so."""
        self._is_over = False
        self.era = ""
        self.stateless = False
        self.mirrored: Mapping[str, HeaderMap] = {}
        """Which arguments of a tool its server wants in headers too."""
        self.doom: CallError | None = None
        """Why the connection can carry no new call, though those in flight may still be answered."""

    def start(self, era: str) -> None:
        """The session is open."""
        self.era = era
        self.stateless = era in MODERN_PROTOCOL_VERSIONS

    def close(self) -> None:
        """The session is over: there is nobody left to tell."""
        self._is_over = True

    def next_number(self) -> int:
        return next(self._numbers)

    async def send(self, method: str, params: Json, caller: Caller, number: int = 0) -> Json:
        """One exchange, under a number of its own. See `Link.request` for what it raises."""
        if self._wire.is_closed or self._wire.is_ending or self.doom:
            raise BackendUnavailable(self._name, "its connection has just ended", hint="it is being started again")
        number = number or next(self._numbers)
        is_ours = caller is US
        if is_ours and self.stateless:
            known = self._terms.audience.capabilities
            caller = replace(US, capabilities=union((known, {"extensions": {TASKS: {}}})))  # we listen for tasks
        sent = enveloped(params, self.era, caller, number, stateless=self.stateless)
        options: CallOptions = {"request_id": number, "cancel_on_abandon": False}
        if self._wire.is_http:
            options["headers"] = dict(self._headers(method, sent))
        sending = Sending(number, caller, str(params.get("name") or method), monotonic(), is_ours=is_ours)
        return await self._answered(sending, self._wire.send_raw_request(method, sent, options))

    async def _answered(self, sending: Sending, coming: Awaitable[Json]) -> Json:
        self._in_flight[sending.number] = sending
        try:
            answer = await coming
            await self.beginnings.gate.passed()
            self._count(sending)
            return inner_result(answer)
        except MCPError as error:
            await self.beginnings.gate.passed()
            if error.code != CONNECTION_CLOSED:
                self._count(sending)
            raise self._failed(error, sending.what, sending.caller) from error
        except anyio.get_cancelled_exc_class():
            self._give_up(sending)
            raise
        finally:
            self._ended(sending)

    # --- what nobody waits for yet

    def begin(self, begun: Begun, params: Json) -> bool:
        """Send a request at once. See `Link.begin`."""
        wire, method = self._wire, begun.method
        if wire.is_closed or self.doom:
            return False
        begun.number = number = next(self._numbers)
        sent = params
        if self.stateless or "_meta" in params:
            sent = enveloped(params, self.era, begun.caller, number, stateless=self.stateless)
        if not wire.begin(number, method, sent, self._headers(method, sent) if wire.is_http else EMPTY, begun):
            return False
        begun.carrier, begun.is_promoted, begun.started = self, False, monotonic()
        self.beginnings.add(begun)
        self._terms.stats.started += 1
        return True

    def over(self, begun: Begun) -> None:
        """See `Carrier.over`."""
        del self.beginnings.begun[begun.number]
        begun.is_promoted = True  # never again: its client may still go before it has read the answer
        self._terms.stats.done(begun.started)
        if self.doom is not None:
            self._drained()

    def keep(self, begun: Begun) -> None:
        """See `Carrier.keep`."""
        self.beginnings.promote(begun)
        self._wire.keep(begun.number)

    def drop(self, begun: Begun) -> None:
        """See `Carrier.drop`."""
        if self.beginnings.adopt(begun):
            self._wire.abandon(begun.number)
            self._give_up(Sending(begun.number, begun.caller, "", begun.started, is_ours=False))
            self._terms.stats.left()
            self._drained()

    async def answer(self, begun: Begun, caller: Caller) -> Json:
        """See `Carrier.answer`."""
        what = begun.method if begun.method == "resources/read" else begun.place.uri
        sending = Sending(begun.number, caller, what, begun.started, is_ours=False)
        try:
            return await self._answered(sending, self._adopted(begun))
        finally:
            self._terms.stats.left()

    async def _adopted(self, begun: Begun) -> Json:
        self.beginnings.adopt(begun)
        try:
            return await self._wire.awaited(begun.number)
        finally:  # it may have come some time ago: what came before it has come to the gate after this
            await asyncio.sleep(0)

    # --- their ends

    def _headers(self, method: str, sent: Json) -> Mapping[str, str]:
        name = sent.get("name")
        mirrored = self.mirrored.get(name, EMPTY) if isinstance(name, str) else EMPTY
        return headers(method, sent, self.era, stateless=self.stateless, mirrored=mirrored)

    def _count(self, sending: Sending) -> None:
        """An answer has come, with a result or an error."""
        if not sending.is_ours:
            self._terms.stats.count(monotonic() - sending.started)

    def _failed(self, error: MCPError, what: str, caller: Caller) -> CallError:
        meant = failure(self._name, what, error)
        if dooms(meant) and self.doom is None:
            self.doom = meant
            self._terms.unfit(meant.message)
        self._on_failure(meant, caller)
        return meant

    def _ended(self, sending: Sending) -> None:
        del self._in_flight[sending.number]
        if sending.questions:
            for question in tuple(sending.questions):
                question.cancel()
        self._drained()

    def _drained(self) -> None:
        if self.doom is not None and self.is_drained:
            self._on_drained()

    def _give_up(self, sending: Sending) -> None:
        """Have the server told that nobody waits for it; beside whoever does not, so that a deadline is never late."""
        if self._is_over:
            return
        if self._wire.is_http:
            self._left.add(sending.number)
        elif not (sending.is_ours or self.stateless):
            self._given_up[sending.number] = sending.caller
        self._tasks.start_soon(self._tell_cancel, sending.number)

    async def _tell_cancel(self, number: int) -> None:
        """None waits for another, where the wire can: each may hold a connection until it is told."""
        params = {"requestId": number, "reason": "the call was cancelled, or took too long"}
        try:
            await self._wire.notify("notifications/cancelled", params)
        finally:
            self._left.discard(number)
        if number in self._given_up:
            await self._until_read(number)

    async def _until_read(self, number: int) -> None:
        """A server that has answered a ping has read what was sent before it."""
        with suppress(CallError):  # an error is an answer, too; without any, the connection has ended
            await self.send("ping", {}, US)
        self._given_up.pop(number, None)

    @property
    def is_drained(self) -> bool:
        """It is doomed, and no call is in flight any more; our own streams of news do not count."""
        return (
            self.doom is not None and self.beginnings.is_empty and all(one.is_ours for one in self._in_flight.values())
        )

    def sender(self, number: object) -> Caller | None:
        """The caller of the request on whose own stream a message came."""
        sending = self.numbered(number)
        return sending.caller if sending else None

    def is_left(self, number: object) -> bool:
        """Whether nobody waits any more for the request on whose own stream a message came: it is for nobody else."""
        return number in self._left

    @property
    def callers(self) -> Sequence[Caller]:
        """The callers of what the server may be at work on, those who gave up first, then as they were sent."""
        sent = sorted(self._in_flight.values(), key=attrgetter("number"))
        return [*self._given_up.values(), *(one.caller for one in sent if not one.is_ours)]

    def of(self, caller: Caller) -> Sending | None:
        """The call of `caller` that is under way."""
        return next((one for one in self._in_flight.values() if one.caller is caller), None)

    def numbered(self, number: object) -> Sending | None:
        """What is under way by that number; it is also its progress token."""
        return self._in_flight.get(number) if isinstance(number, int) else None
