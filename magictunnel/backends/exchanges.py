"""The requests of one session under way: sent under numbers of their own, answered, given up, told to the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count
from time import monotonic

import anyio
from anyio.abc import TaskGroup
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from magictunnel.backends.base import US, Terms
from magictunnel.backends.envelope import HeaderMap, enveloped, headers, inner_result
from magictunnel.backends.failures import dooms, failure
from magictunnel.catalog.extensions import TASKS
from magictunnel.catalog.model import EMPTY, Json
from magictunnel.errors import BackendUnavailable, CallError
from magictunnel.wire.audience import union
from magictunnel.wire.base import Wire
from magictunnel.wire.caller import Caller

CANCEL_TIMEOUT = 5.0
"""Seconds that a server may take to accept word of a cancelled call."""


class Sending:
    """One request under way."""

    __slots__ = ("caller", "is_ours", "number", "questions")

    def __init__(self, number: int, caller: Caller, *, is_ours: bool) -> None:
        self.number = number
        self.caller = caller
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
        self._given_up: dict[int, Caller] = {}
        """Of calls that nobody waits for any more, until the server has read that. Over one pipe, what it asks or tells
        for these looks like that of any other call.
        """
        self._cancels, self._abandoned = anyio.create_memory_object_stream[int](float("inf"))
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
        self._tasks.start_soon(self._tell_cancels)

    def close(self) -> None:
        """The session is over."""
        self._cancels.close()
        self._abandoned.close()

    def next_number(self) -> int:
        return next(self._numbers)

    async def send(self, method: str, params: Json, caller: Caller, number: int = 0) -> Json:
        """One exchange, under a number of its own. See `Link.request` for what it raises."""
        if self._wire.is_closed or self.doom:
            raise BackendUnavailable(self._name, "its connection has just ended", hint="it is being started again")
        number = number or next(self._numbers)
        is_ours = caller is US
        if is_ours and self.stateless:
            known = self._terms.audience.capabilities
            caller = replace(US, capabilities=union((known, {"extensions": {TASKS: {}}})))  # we listen for tasks
        sent = enveloped(params, self.era, caller, number, stateless=self.stateless)
        options: CallOptions = {"request_id": number, "cancel_on_abandon": False}
        if self._wire.is_http:
            options["headers"] = self._headers(method, sent)
        self._in_flight[number] = sending = Sending(number, caller, is_ours=is_ours)
        started = monotonic()
        try:
            answer = await self._wire.send_raw_request(method, sent, options)
            self._count(sending, started)
            return inner_result(answer)
        except MCPError as error:
            if error.code != CONNECTION_CLOSED:
                self._count(sending, started)
            raise self._failed(error, str(params.get("name") or method), caller) from error
        except anyio.get_cancelled_exc_class():
            self._give_up(sending)
            raise
        finally:
            self._ended(sending)

    def _headers(self, method: str, sent: Json) -> dict[str, str]:
        name = sent.get("name")
        mirrored = self.mirrored.get(name, EMPTY) if isinstance(name, str) else EMPTY
        return headers(method, sent, self.era, stateless=self.stateless, mirrored=mirrored)

    def _count(self, sending: Sending, started: float) -> None:
        """An answer has come, with a result or an error."""
        if not sending.is_ours:
            self._terms.stats.count(monotonic() - started)

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
        if self.doom is not None and self.is_drained:
            self._on_drained()

    def _give_up(self, sending: Sending) -> None:
        with suppress(anyio.ClosedResourceError):  # the link has ended: there is nobody left to tell
            self._cancels.send_nowait(sending.number)
        if not (sending.is_ours or self.stateless or self._wire.is_http):
            self._given_up[sending.number] = sending.caller

    async def _tell_cancels(self) -> None:
        """Tell the server of calls that nobody waits for any more; beside them, so that a deadline is never late."""
        with suppress(anyio.ClosedResourceError):  # the link has ended
            async for number in self._abandoned:
                with anyio.move_on_after(CANCEL_TIMEOUT):
                    params = {"requestId": number, "reason": "the call was cancelled, or took too long"}
                    await self._wire.notify("notifications/cancelled", params)
                if number in self._given_up:
                    self._tasks.start_soon(self._until_read, number)

    async def _until_read(self, number: int) -> None:
        """A server that has answered a ping has read what was sent before it."""
        with anyio.move_on_after(CANCEL_TIMEOUT), suppress(CallError):
            await self.send("ping", {}, US)
        self._given_up.pop(number, None)

    @property
    def is_drained(self) -> bool:
        """It is doomed, and no call is in flight any more; our own streams of news do not count."""
        return self.doom is not None and all(one.is_ours for one in self._in_flight.values())

    def sender(self, number: object) -> Caller | None:
        """The caller of the request on whose own stream a message came."""
        sending = self.numbered(number)
        return sending.caller if sending else None

    @property
    def callers(self) -> Sequence[Caller]:
        """The callers of what the server may be at work on, those who gave up first."""
        return [*self._given_up.values(), *(one.caller for one in self._in_flight.values() if not one.is_ours)]

    def of(self, caller: Caller) -> Sending | None:
        """The call of `caller` that is under way."""
        return next((one for one in self._in_flight.values() if one.caller is caller), None)

    def numbered(self, number: object) -> Sending | None:
        """What is under way by that number; it is also its progress token."""
        return self._in_flight.get(number) if isinstance(number, int) else None
