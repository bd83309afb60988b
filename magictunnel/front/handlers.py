"""Request -> Call, result or error -> wire form. The one place where errors become JSON-RPC."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from functools import partial
from typing import Protocol

import anyio
from anyio.abc import TaskGroup
from mcp.server.connection import Connection
from mcp.server.context import CallNext, HandlerResult
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST
from pydantic import ValidationError

from magictunnel.catalog.extensions import TASKS, owners
from magictunnel.catalog.live import LiveCatalog
from magictunnel.catalog.model import Json, Kind
from magictunnel.catalog.promises import can_subscribe, offers, told_to
from magictunnel.discovery.views import Views
from magictunnel.errors import CallError, MethodNotOffered, MissingCapability
from magictunnel.express import Express
from magictunnel.front.back import RequestBack, Wants, wants_of
from magictunnel.front.carried import carried_by
from magictunnel.front.decode import (
    CALLS,
    COMPLETE,
    LISTS,
    addressee,
    level,
    may_be_asked,
    stateless_caller,
    task_id,
    text,
)
from magictunnel.front.encode import encoded, error_code
from magictunnel.front.inbound import Context, Inbound, is_stateless, of_context
from magictunnel.front.listen import Streams
from magictunnel.front.lists import Lists
from magictunnel.front.pages import PAGE_SIZE
from magictunnel.front.parking import Parked, Parking, binding_of, without_answers
from magictunnel.front.sendable import sendable, sendable_error
from magictunnel.front.sessions import Sessions
from magictunnel.pipeline.call import Call, Handler
from magictunnel.telemetry import call_id
from magictunnel.wire.audience import Audience
from magictunnel.wire.caller import Back, Caller, Rights, no_limits

LISTEN = "subscriptions/listen"
SUBSCRIBE = ("resources/subscribe", "resources/unsubscribe")
_OPENINGS = ("initialize", "server/discover")
_NOTIFICATIONS = frozenset(f"notifications/{name}" for name in ("initialized", "cancelled", "progress"))
"""What a client says of its own connection."""
_OWN = (*_OPENINGS, "ping", "tasks/")
"""What no server's extension can answer."""
_A_MOMENT = 0.02
"""Seconds between the SDK's reading and our answering, and between that and its writing; it has no hook for either."""

logger = logging.getLogger(__name__)


class Source(Protocol):
    """What the front needs of a gateway."""

    @property
    def live(self) -> LiveCatalog: ...

    @property
    def views(self) -> Views: ...

    @property
    def rights(self) -> Rights: ...

    @property
    def handle(self) -> Handler: ...

    @property
    def express(self) -> Express: ...

    async def follow(self, call: Call) -> None:
        """Have a caller told of the task that `call` is for."""
        ...

    @property
    def audience(self) -> Audience: ...

    @property
    def is_settled(self) -> bool: ...

    async def settled(self) -> None: ...

    async def welcome(self, *, stateless: bool) -> None:
        """Learn what servers promise in the era of a client that comes."""
        ...

    async def settle_levels(self, session: str) -> None:
        """Have the servers of a session send the log messages that are wanted now."""
        ...

    async def tell_servers(self, session: str, method: str, params: Json, to: Collection[str] | None = None) -> None:
        """Pass a notification of a session on to its servers; only `to` these."""
        ...

    async def unsubscribe(self, caller: Caller) -> None:
        """A client, or a stream of it, has gone."""
        ...

    def mask(self, text: str) -> str: ...


Answer = Callable[[Inbound], Awaitable[Json]]
Next = Callable[[], Awaitable[HandlerResult]]


class Handlers:
    """Answers lists from the catalog and sends calls into the pipeline, as raw JSON in and out.

    It stands in the SDK server's middleware, because a result that passes there goes out as it is; results of
    ordinary handlers are sieved to what one protocol revision knows, which would lose what backends say beyond it.
    """

    def __init__(self, source: Source, server_info: Json, page_size: int = PAGE_SIZE) -> None:
        self._source = source
        self._server_info = server_info
        self._lists = Lists(source.live, source.views, source.rights, server_info, page_size)
        self.is_under_way = False
        """Whether a client has been met, and it is known what servers offer."""
        self._count = 0
        self._idle: anyio.Event | None = None
        self.sessions = Sessions(source.audience, source.unsubscribe, lambda: self.tasks, source.rights)
        self.streams = Streams(lambda: self.tasks)
        self.parking = Parking()
        self.tasks: TaskGroup | None = None
        """Where calls run that may be parked; without it none is."""
        self._answers: dict[str, Answer] = {
            **dict.fromkeys(LISTS, self._list),
            **dict.fromkeys((*CALLS, COMPLETE), self._call),
        }
        self._stateless_answers = self._answers | {
            LISTEN: self._listen,
            **dict.fromkeys(("tasks/get", "tasks/update", "tasks/cancel"), self._task),
        }
        self._handshake_answers = self._answers | {
            "logging/setLevel": self._set_level,
            **dict.fromkeys(SUBSCRIBE, self._subscribe),
            **dict.fromkeys(("tasks/get", "tasks/result", "tasks/cancel", "tasks/list"), self._task),
        }

    async def __call__(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Answer one message that the SDK has read, or let it answer what is its own (openings, ping)."""
        try:
            inbound = of_context(ctx)
            if inbound.request_id is None:
                return await self._notified(inbound, lambda: call_next(ctx))
            if carried := carried_by(ctx):
                return sendable(await carried.go_on(inbound))
            if inbound.method in _OPENINGS:
                return await self._open(inbound, lambda: call_next(ctx))
            if (answer := self.answer(inbound)) is not None:
                return sendable(await answer)
            self._source.audience.meet()
            return await call_next(ctx)
        except MCPError as error:
            if (told := sendable_error(error)) is error:
                raise
            raise told from error
        except Exception as error:
            raise sendable_error(self._wire_error(ctx.method, error, stateless=is_stateless(ctx))) from error

    def answer(self, inbound: Inbound) -> Awaitable[Json] | None:
        """The answer to come to a request, with an MCPError for what is refused; None: it is the SDK's to answer."""
        answer = self._answer_to(inbound.method, stateless=inbound.stateless)
        return None if answer is None else self._answered(inbound, answer)

    async def _answered(self, inbound: Inbound, answer: Answer) -> Json:
        is_brief = inbound.method != LISTEN
        if is_brief:
            self.enter()
        try:
            if not self.is_under_way:
                await self._begin()
            result = await answer(inbound)
            if inbound.method in LISTS:  # is in its caller's era already
                return result
            return encoded(result, inbound.method, stateless=inbound.stateless, server_info=self._server_info)
        except MCPError:
            raise
        except Exception as error:
            raise self._wire_error(inbound.method, error, stateless=inbound.stateless) from error
        finally:
            if is_brief:
                self.leave()

    async def _begin(self) -> None:
        self._source.audience.meet()
        await self._source.settled()
        self.is_under_way = True

    def _answer_to(self, method: str, *, stateless: bool) -> Answer | None:
        known = (self._stateless_answers if stateless else self._handshake_answers).get(method)
        if known is None and not method.startswith(_OWN) and owners(self._source.live.current, method):
            return self._extended
        return known

    async def _notified(self, inbound: Inbound, call_next: Next) -> HandlerResult:
        caller, method = self.sessions.caller(inbound.connection), inbound.method
        if caller and method == "notifications/roots/list_changed":
            await self._source.tell_servers(caller.session, method, inbound.params)
        elif caller and method not in _NOTIFICATIONS and (to := owners(self._source.live.current, method)):
            await self._source.tell_servers(caller.session, method, inbound.params, to)
        return await call_next()

    async def _open(self, inbound: Inbound, call_next: Next) -> HandlerResult:
        """Say who we are. Whoever shakes hands is known from then on, so that servers can be told what it can do."""
        self.enter()
        former = self.sessions.caller(inbound.connection)
        try:
            if inbound.method == "initialize":
                self.sessions.open(inbound)
            self._source.audience.meet()
            await self._source.settled()
            await self._source.welcome(stateless=inbound.method != "initialize")
            try:
                result = await call_next()
            except Exception:
                if inbound.method == "initialize":
                    await self.sessions.refuse(inbound.connection, former)
                raise
            return self._introduced(inbound, result)
        finally:
            self.leave()

    def _introduced(self, inbound: Inbound, result: HandlerResult) -> HandlerResult:
        if not isinstance(result, dict):
            return result
        # As the servers wrote them: the SDK's models know only what their revision does.
        told = told_to(self._source.live.current.capabilities, stateless=inbound.method != "initialize")
        said = self._source.views.instructions(self._caller(inbound))
        others = {key: value for key, value in result.items() if key != "instructions"}
        return others | {"capabilities": told} | ({"instructions": said} if said else {})

    async def idle(self) -> None:
        """Wait until no request is being answered. A request that has just been read is given a moment to begin."""
        await anyio.sleep(_A_MOMENT)
        is_idle = False
        while not is_idle:
            while self._count:
                self._idle = self._idle or anyio.Event()
                await self._idle.wait()
            await anyio.sleep(_A_MOMENT)
            is_idle = not self._count  # the end of one may be the beginning of another

    def enter(self) -> None:
        """A request is begun that `idle` is to wait for."""
        self._count += 1

    def leave(self) -> None:
        """A request that was counted is answered."""
        self._count -= 1
        if self._idle and not self._count:
            self._idle.set()
            self._idle = None

    async def _list(self, inbound: Inbound) -> Json:
        return self._lists.answer(inbound.method, inbound.params, self._caller(inbound))

    def _call(self, inbound: Inbound) -> Awaitable[Json]:
        kind, name = addressee(inbound.method, inbound.params)
        capabilities = (inbound.begun.catalog if inbound.begun else self._source.live.current).capabilities
        promised = "completions" in capabilities if inbound.method == COMPLETE else offers(capabilities, kind)
        # Of a call that was begun it is known: its session may be over, and it goes on.
        caller = inbound.begun.caller if inbound.begun else self._caller(inbound)
        if not promised:
            raise MethodNotOffered(inbound.method)
        return self._made(inbound, kind, name, caller)

    async def _made(self, inbound: Inbound, kind: Kind | None, name: str, caller: Caller) -> Json:
        """Make a call, with the ways back to its caller."""
        method, params, begun = inbound.method, inbound.params, inbound.begun
        catalog = begun.catalog if begun else self._source.live.current
        back = RequestBack(inbound, self._wants(inbound, caller))
        call = Call(call_id(), method, kind, name, params, caller, catalog, begun)
        try:
            if self.tasks is not None and may_be_asked(caller, method):
                result = await self._parkable(call, back, self.tasks)
            else:
                call.caller = caller.with_back(back)
                result = await self._source.handle(call)
        except Exception:
            await back.answered()
            raise
        except BaseException:
            back.close()
            raise
        await back.answered()
        return result

    def _parkable(self, call: Call, back: RequestBack, tasks: TaskGroup) -> Awaitable[Json]:
        """A call that may ask its caller: begun now, or come back to with answers."""
        binding = partial(binding_of, call.caller.session, call.method, call.params)
        state = call.params.get("requestState")
        parked: Parked | None = None
        if isinstance(state, str) and self.parking.is_ours(state):
            parked = self.parking.resume(state, binding, call.params.get("inputResponses"))
            call = replace(call, params=without_answers(call.params))
        if parked is None:
            parked = self.parking.start(lambda way: self._source.handle(with_back(call, way)), binding, tasks)
        return parked.next(back)

    async def _listen(self, inbound: Inbound) -> Json:
        async def follow(listener: Caller, topic: str, name: str) -> None:
            if topic == "taskIds":
                self._check_tasks(listener)
                await self._source.follow(self._beyond("tasks/get", listener, name, {"taskId": name}))
            else:
                await self._source.handle(self._subscription("resources/subscribe", listener, name))

        await self._source.settled()
        return await self.streams.serve(inbound, self._caller(inbound), follow, self._source.unsubscribe)

    async def _task(self, inbound: Inbound) -> Json:
        """What concerns a task goes to the server that runs it."""
        caller = self._caller(inbound)
        self._check_tasks(caller)
        return await self._made(inbound, None, task_id(inbound), caller)

    async def _extended(self, inbound: Inbound) -> Json:
        """A method of an extension goes to the server that has it."""
        return await self._made(inbound, None, inbound.method, self._caller(inbound))

    def _check_tasks(self, caller: Caller) -> None:
        """Refuse where no server has tasks in the caller's era, or the caller did not say that it knows of them."""
        told = told_to(self._source.live.current.capabilities, stateless=caller.stateless)
        promised = TASKS in told.get("extensions", {}) if caller.stateless else "tasks" in told
        if not promised:
            raise MethodNotOffered("tasks")
        declared = caller.capabilities.get("extensions")
        if caller.stateless and not (isinstance(declared, dict) and TASKS in declared):
            raise MissingCapability({"extensions": {TASKS: {}}})

    def _beyond(self, method: str, caller: Caller, name: str, params: Json) -> Call:
        return Call(call_id(), method, None, name, params, caller, self._source.live.current)

    async def _subscribe(self, inbound: Inbound) -> Json:
        if not can_subscribe(self._source.live.current.capabilities):
            raise MethodNotOffered(inbound.method)
        uri = text(inbound.params, "uri")
        return await self._source.handle(self._subscription(inbound.method, self._caller(inbound), uri))

    def _subscription(self, method: str, caller: Caller, uri: str) -> Call:
        return Call(call_id(), method, Kind.RESOURCE, uri, {"uri": uri}, caller, self._source.live.current)

    async def _set_level(self, inbound: Inbound) -> Json:
        if "logging" not in self._source.live.current.capabilities:
            raise MethodNotOffered(inbound.method)
        session = self._caller(inbound).session
        self._source.audience.set_level(session, level(inbound.params))
        await self._source.settle_levels(session)
        return {}

    def _caller(self, inbound: Inbound) -> Caller:
        """Who sent this request. Raises MCPError as `caller_of` does."""
        return self.caller_of(inbound.params, inbound.connection, stateless=inbound.stateless)

    def caller_of(self, params: Json, connection: Connection | None, *, stateless: bool) -> Caller:
        """Who sent a request.

        Raises:
            MCPError: a session of the handshake era that has not shaken hands.
        """
        if stateless:
            caller = stateless_caller(params)
            rights = self._source.rights
            return caller if rights is no_limits else replace(caller, allows=rights(caller))
        known = self.sessions.caller(connection)
        if known is None:
            raise MCPError(INVALID_REQUEST, "This session is not initialized")
        return known

    def _wants(self, inbound: Inbound, caller: Caller) -> Wants:
        return caller.wants if caller.stateless else wants_of(lambda: self.sessions.caller(inbound.connection))

    def _wire_error(self, method: str, error: Exception, *, stateless: bool) -> MCPError:
        if isinstance(error, CallError):
            code = error_code(error, method, stateless=stateless)
            return MCPError(code, self._source.mask(error.message), error.data)
        if isinstance(error, ValidationError):
            return MCPError(INVALID_PARAMS, "Invalid request parameters")
        number = call_id()
        logger.error("[%s] %s: a defect of ours", number, method, exc_info=error)
        return MCPError(INTERNAL_ERROR, f"Internal error {number}: see the log")


def with_back(call: Call, back: Back) -> Call:
    """`call` with these ways back to its caller."""
    return replace(call, caller=call.caller.with_back(back))
