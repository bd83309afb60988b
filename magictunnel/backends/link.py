"""McpLink: one session with a server. The SDK opens it; requests, results, questions and news pass raw beside it."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import anyio
import anyio.lowlevel
import mcp_types as types
from anyio.abc import TaskGroup
from mcp.client.session import ClientSession
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import x_mcp_header_map
from mcp_types import METHOD_NOT_FOUND
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from magictunnel.backends.asked import whom_to_ask, whom_to_tell
from magictunnel.backends.base import US, LinkLost, Request, Terms, Topic, resource
from magictunnel.backends.envelope import CLIENT_INFO, HeaderMap, enveloped, forwardable, headers, inner_result
from magictunnel.backends.failures import dooms, failure, visits
from magictunnel.backends.handshake import Opened
from magictunnel.backends.jobs import run_as_task
from magictunnel.backends.listing import all_pages, callable_tools
from magictunnel.backends.rounds import drive
from magictunnel.backends.subscriptions import Listener
from magictunnel.catalog.extensions import TASKS, in_stateless_terms
from magictunnel.catalog.model import EMPTY, Json, Kind
from magictunnel.catalog.tasks import original_task, public_task, related_task, with_related
from magictunnel.errors import (
    BackendError,
    BackendUnavailable,
    BadParams,
    CallError,
    CannotAsk,
    NoTasks,
    Unanswered,
)
from magictunnel.wire.audience import union
from magictunnel.wire.caller import Back, Caller, most_verbose
from magictunnel.wire.dispatcher import WireDispatcher

CANCEL_TIMEOUT = 5.0
"""Seconds that a server may take to accept word of a cancelled call."""
MAX_ELICITED = 1_000
"""URL elicitations whose completion we still expect to be told of."""
_CHANGES = {
    "notifications/tools/list_changed": frozenset({Kind.TOOL}),
    "notifications/prompts/list_changed": frozenset({Kind.PROMPT}),
    "notifications/resources/list_changed": frozenset({Kind.RESOURCE, Kind.TEMPLATE}),
}
_NEWS = frozenset({"notifications/resources/updated", "notifications/tasks", "notifications/tasks/status"})
"""What goes to whoever follows its subject, not to the caller of some call."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class _Sending:
    """One request under way."""

    number: int
    caller: Caller
    is_ours: bool
    """Nobody's call, but our own listing or subscription."""
    questions: set[anyio.CancelScope] = field(default_factory=set)
    """What its caller is being asked for it; no longer once it has ended."""


_sending: ContextVar[_Sending | None] = ContextVar("sending", default=None)
"""Which request the current task belongs to. The SDK hands the context of whoever sends a request to the exchange that
carries it, and from there to what arrives on that exchange: over streamable HTTP this tells whose a message is."""


class McpLink:
    """One session with a server. See `Link`."""

    def __init__(self, name: str, wire: WireDispatcher, terms: Terms, tasks: TaskGroup) -> None:
        self._name = name
        self._wire = wire
        self._terms = terms
        self._tasks = tasks
        self._dirty: set[Kind] = set()
        self._wake = anyio.Event()
        self._mirrored: dict[str, HeaderMap] = {}
        self._numbers = count(1_000_000)  # apart from those that the SDK gives to its own requests
        self._in_flight: dict[int, _Sending] = {}
        self._elicited: OrderedDict[str, Back] = OrderedDict()
        self._declares: Json = {}
        self._given_up: dict[int, Caller] = {}
        """Of calls that nobody waits for any more, until the server has read that. Over one pipe, what it asks or tells
        for these looks like that of any other call.
        """
        self._log_level: str | None = None
        self._is_doomed = False
        """It can carry no new call; those in flight may still be answered."""
        self._cancels, self._abandoned = anyio.create_memory_object_stream[int](float("inf"))
        self.era = ""
        self.may_speak_other_era = False
        self.declared: Json | None = None
        self.sessions_are_cheap = wire.is_http
        self.capabilities: Json = {}
        self.instructions = ""
        self.hints: dict[Kind, Json] = {}
        wire.on_closed = self._wake_up
        wire.on_told = self._told
        wire.on_asked = self._asked
        wire.on_let_go = self._let_go
        self.session = ClientSession(dispatcher=wire, client_info=types.Implementation.model_validate(CLIENT_INFO))
        self._listener = Listener(
            name,
            lambda params, number: self._send("subscriptions/listen", params, US, number),
            self._next_number,
            tasks,
        )

    async def __aenter__(self) -> McpLink:
        return self

    async def __aexit__(self, *_why: object) -> None:
        if late := self._wire.late_answers:
            logger.info("%s: %d answer(s) came too late and were dropped", self._name, late)
        self._cancels.close()
        self._abandoned.close()

    def declare(self) -> Json:
        """The client capabilities to open the session with: what those who are served over it can do now."""
        self._declares = self._terms.audience.capabilities
        return self._declares

    @property
    def stateless(self) -> bool:
        return self.era in MODERN_PROTOCOL_VERSIONS

    def start(self, opened: Opened) -> None:
        """Take over what the session has negotiated, and begin to listen."""
        self.era = opened.version
        self.may_speak_other_era = opened.may_speak_other_era
        self.declared = None if self.stateless else self._declares
        self.capabilities = opened.capabilities
        self.instructions = opened.instructions
        self._tasks.start_soon(self._tell_cancels)
        if self.stateless:
            self._listener.follow_lists(self.capabilities, lambda: self.mark(frozenset(Kind)))

    async def list(self, kind: Kind) -> tuple[Json, ...]:
        """See `Link.list`. A kind the server does not have, or does not answer for, is empty."""
        if kind.capability not in self.capabilities:
            return ()
        try:
            found, self.hints[kind] = await all_pages(
                self._name, kind, lambda method, params: self.request(Request(method, params))
            )
        except BackendError as error:
            if error.code != METHOD_NOT_FOUND:
                raise
            return ()
        if kind is not Kind.TOOL or not self.stateless:
            return found
        tools = callable_tools(self._name, found)
        mirrored = ((str(tool.get("name")), x_mcp_header_map(tool.get("inputSchema"))) for tool in tools)
        self._mirrored = {name: headers for name, headers in mirrored if headers}
        return tools

    async def request(self, request: Request) -> Json:
        """See `Link.request`."""
        caller = request.caller
        if self.stateless:
            if caller.stateless:
                return await self._send(request.method, request.params, caller)
            if "task" in request.params:
                raise NoTasks(self._name)
            caller = replace(caller, capabilities=in_stateless_terms(caller.capabilities))
            return await drive(request.params, caller, lambda params: self._send(request.method, params, caller))
        if isinstance(request.params.get("requestState"), str):
            raise BadParams("requestState is not known, or no longer", hint="call again without it")
        if caller.log_level is not None or self._log_level is not None:
            await self.settle_level(caller.log_level)
        if not caller.stateless:
            return await self._send(request.method, request.params, caller)
        params = {key: value for key, value in request.params.items() if key != "task"}  # it means nothing in its era
        if request.as_task:
            return await run_as_task(params, lambda method, params: self._send(method, params, caller))
        return await self._send(request.method, params, caller)

    async def settle_level(self, wanted: str | None = None) -> None:
        """Have the server send what anybody wants to hear. A stateless server is told with each request instead."""
        level = most_verbose(self._terms.audience.log_level, wanted)
        if self.stateless or level in (None, self._log_level) or "logging" not in self.capabilities:
            return
        self._log_level = level
        try:
            await self._send("logging/setLevel", {"level": level}, US)
        except BackendError as error:
            logger.debug("%s: it takes no log level: %s", self._name, error)

    async def follow(self, topic: Topic) -> None:
        """See `Link.follow`. A server of the handshake era tells of its tasks unasked."""
        if self.stateless:
            await self._listener.follow(topic)
        elif topic.what == resource("").what:
            await self._send("resources/subscribe", {"uri": topic.name}, US)

    async def forget(self, topic: Topic) -> None:
        """See `Link.forget`."""
        if self.stateless:
            self._listener.forget(topic)
        elif topic.what == resource("").what:
            await self._send("resources/unsubscribe", {"uri": topic.name}, US)

    async def tell(self, method: str, params: Json) -> None:
        """See `Link.tell`."""
        await self._wire.notify(method, params)

    def _next_number(self) -> int:
        return next(self._numbers)

    async def _send(self, method: str, params: Json, caller: Caller, number: int = 0) -> Json:
        """One exchange, under a number of its own."""
        self._ensure_open()
        name = params.get("name")
        number = number or self._next_number()
        is_ours = caller is US
        if is_ours and self.stateless:
            known = self._terms.audience.capabilities
            caller = replace(US, capabilities=union((known, {"extensions": {TASKS: {}}})))  # we listen for tasks
        sent = enveloped(params, self.era, caller, number, stateless=self.stateless)
        mirrored = self._mirrored.get(name, EMPTY) if isinstance(name, str) else EMPTY
        options: CallOptions = {
            "request_id": number,
            "cancel_on_abandon": False,
            "headers": headers(method, sent, self.era, stateless=self.stateless, mirrored=mirrored),
        }
        self._in_flight[number] = sending = _Sending(number, caller, is_ours)
        outer = _sending.set(sending)
        try:
            return inner_result(await self._wire.send_raw_request(method, sent, options))
        except MCPError as error:
            raise self._failure(error, str(name or method), caller) from error
        except anyio.get_cancelled_exc_class():
            with suppress(anyio.ClosedResourceError):  # the link has ended: there is nobody left to tell
                self._cancels.send_nowait(number)
            if not (is_ours or self.stateless or self._wire.is_http):
                self._given_up[number] = caller
            raise
        finally:
            _sending.reset(outer)
            del self._in_flight[number]
            for question in tuple(sending.questions):
                question.cancel()
            if self._is_doomed:
                self._wake_up()

    def _ensure_open(self) -> None:
        if self._wire.is_closed or self._is_doomed:
            raise BackendUnavailable(self._name, "its connection has just ended", hint="it is being started again")

    def _failure(self, error: MCPError, what: str, caller: Caller) -> CallError:
        meant = failure(self._name, what, error)
        self._is_doomed |= dooms(meant)
        for elicitation in visits(meant):
            self._expect_completion(elicitation, caller)
        return meant

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
            await self._send("ping", {}, US)
        self._given_up.pop(number, None)

    def _asked(self, method: str, params: Json) -> Awaitable[Json] | None:
        return None if method == "ping" else self._ask(method, params)

    async def _ask(self, method: str, params: Json) -> Json:
        """Put a question of the server to the client it is for."""
        try:
            sender = self._starter(params) or self._sender()
            caller = whom_to_ask(sender, self._callers(), self._terms.audience.callers, method, params)
            if params.get("mode") == "url":
                self._expect_completion(params, caller)
            answer = await self._answer(caller, method, self._outward(params))
            return with_related(answer, lambda public: original_task(self._name, public))
        except CallError as error:
            raise MCPError(error.code, str(error), error.data) from error

    async def _answer(self, caller: Caller, method: str, params: Json) -> Json:
        """Ask, for as long as the call lasts that it is for; what belongs to no call is bounded here."""
        sending = next((one for one in self._in_flight.values() if one.caller is caller), None)
        if sending is None:
            with anyio.move_on_after(self._terms.ask_timeout):
                return await caller.back.ask(method, params)
            raise Unanswered(method, self._terms.ask_timeout)
        with anyio.CancelScope() as scope:
            sending.questions.add(scope)
            try:
                return await caller.back.ask(method, params)
            finally:
                sending.questions.discard(scope)
        raise CannotAsk(method, "the call that it was for has ended")

    def _outward(self, params: Json) -> Json:
        """What the server says, without what belongs to its connection with us, and with the task ids clients know."""
        if "_meta" not in params:
            return params
        meta = forwardable(params["_meta"])
        rest = {key: value for key, value in params.items() if key != "_meta"}
        return with_related(rest | ({"_meta": meta} if meta else {}), lambda one: public_task(self._name, one))

    def _told(self, method: str, params: Json) -> Awaitable[None] | None:
        if method == "notifications/cancelled":
            return None
        if kinds := _CHANGES.get(method):
            self.mark(kinds)
            return anyio.lowlevel.checkpoint()
        if method == "notifications/subscriptions/acknowledged":
            self._listener.acknowledged(params)
            return anyio.lowlevel.checkpoint()
        if method in _NEWS:
            return self._terms.neighbours.told(self._listener.topic_of(params), method, self._outward(params))
        return self._tell(method, self._outward(params))

    async def _tell(self, method: str, params: Json) -> None:
        """Pass on what the server says, to the callers it is for."""
        if method == "notifications/elicitation/complete":
            back = self._elicited.pop(str(params.get("elicitationId")), None)
            backs = [back] if back else []
        elif method == "notifications/progress":
            token = params.get("progressToken")
            sending = self._in_flight.get(token) if isinstance(token, int) else None
            backs = [sending.caller.back] if sending else []
        else:
            told = whom_to_tell(self._sender(), self._callers(), self._terms.audience.callers)
            backs = [caller.back for caller in told]
        for back in backs:
            await back.tell(method, params)

    def _sender(self) -> Caller | None:
        """The caller on whose own stream the message came that is being handled now."""
        sending = _sending.get()
        return sending.caller if sending and self._in_flight.get(sending.number) is sending else None

    async def _let_go(self) -> None:
        if caller := self._sender():
            await caller.back.let_go()

    def _starter(self, params: Json) -> Caller | None:
        """The client that started the task a message belongs to."""
        return self._terms.neighbours.whose_task(related_task(params))

    def _callers(self) -> Sequence[Caller]:
        """The callers of what the server may be at work on, those who gave up first."""
        return [*self._given_up.values(), *(one.caller for one in self._in_flight.values() if not one.is_ours)]

    def _expect_completion(self, elicitation: Any, caller: Caller) -> None:
        if isinstance(elicitation, dict) and "elicitationId" in elicitation:
            self._elicited[str(elicitation["elicitationId"])] = caller.back
            if len(self._elicited) > MAX_ELICITED:
                self._elicited.popitem(last=False)

    async def changed(self) -> frozenset[Kind]:
        """See `Link.changed`."""
        while not self._dirty:
            if self._wire.is_closed:
                raise LinkLost("the connection was closed")
            if self._is_doomed and not self._in_flight:
                raise LinkLost("the server does not know its session any more, or cannot be reached")
            await self._wake.wait()
            self._wake = anyio.Event()
        kinds, self._dirty = frozenset(self._dirty), set()
        return kinds

    def mark(self, kinds: frozenset[Kind]) -> None:
        """See `Link.mark`."""
        self._dirty |= kinds
        self._wake_up()

    def _wake_up(self) -> None:
        self._wake.set()
