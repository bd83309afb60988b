"""Request -> Call, result or error -> wire form. The one place where errors become JSON-RPC."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

import anyio
from anyio.abc import TaskGroup
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
from magictunnel.front.back import Context, RequestBack, Wants, wants_of
from magictunnel.front.decode import (
    CALLS,
    COMPLETE,
    LISTS,
    addressee,
    is_stateless,
    level,
    may_be_asked,
    params_of,
    stateless_caller,
    task_id,
    text,
)
from magictunnel.front.encode import encoded, error_code
from magictunnel.front.listen import Streams
from magictunnel.front.pages import PAGE_SIZE, page
from magictunnel.front.parking import Parked, Parking, binding_of, without_answers
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

    async def follow(self, call: Call) -> None:
        """Have a caller told of the task that `call` is for."""
        ...

    @property
    def audience(self) -> Audience: ...

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


Answer = Callable[[Context], Awaitable[Json]]


class Handlers:
    """Answers lists from the catalog and sends calls into the pipeline, as raw JSON in and out.

    It stands in the SDK server's middleware, because a result that passes there goes out as it is; results of
    ordinary handlers are sieved to what one protocol revision knows, which would lose what backends say beyond it.
    """

    def __init__(self, source: Source, server_info: Json, page_size: int = PAGE_SIZE) -> None:
        self._source = source
        self._server_info = server_info
        self._page_size = page_size
        self._count = 0
        self._idle = anyio.Event()
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
        """Answer one message, or let the SDK answer what is its own (openings, ping)."""
        try:
            if ctx.request_id is None:
                return await self._notified(ctx, call_next)
            if ctx.method != "initialize":
                self._source.audience.meet()
            answer = self._answer_to(ctx)
            if answer is None and ctx.method not in _OPENINGS:
                return await call_next(ctx)
            if ctx.method == LISTEN:
                return self._encoded(ctx, await self._listen(ctx))
            with self._in_flight():
                if answer is None:
                    return await self._open(ctx, call_next)
                await self._source.settled()
                return self._encoded(ctx, await answer(ctx))
        except CallError as error:
            raise self._wire_error(ctx, error) from error
        except MCPError:
            raise
        except ValidationError as error:
            raise MCPError(INVALID_PARAMS, "Invalid request parameters") from error
        except Exception as error:
            number = call_id()
            logger.exception("[%s] %s: a defect of ours", number, ctx.method)
            raise MCPError(INTERNAL_ERROR, f"Internal error {number}: see the log") from error

    def _answer_to(self, ctx: Context) -> Answer | None:
        known = (self._stateless_answers if is_stateless(ctx) else self._handshake_answers).get(ctx.method)
        if known is None and not ctx.method.startswith(_OWN) and owners(self._source.live.current, ctx.method):
            return self._extended
        return known

    async def _notified(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        caller = self.sessions.caller(ctx)
        if caller and ctx.method == "notifications/roots/list_changed":
            await self._source.tell_servers(caller.session, ctx.method, params_of(ctx))
        elif caller and ctx.method not in _NOTIFICATIONS and (to := owners(self._source.live.current, ctx.method)):
            await self._source.tell_servers(caller.session, ctx.method, params_of(ctx), to)
        return await call_next(ctx)

    async def _open(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Say who we are. Whoever shakes hands is known from then on, so that servers can be told what it can do."""
        if ctx.method == "initialize":
            self.sessions.open(ctx, params_of(ctx))
            self._source.audience.meet()
        await self._source.settled()
        await self._source.welcome(stateless=ctx.method != "initialize")
        try:
            result = await call_next(ctx)
        except Exception:
            await self.sessions.refuse(ctx)
            raise
        if not isinstance(result, dict):
            return result
        # As the servers wrote them: the SDK's models know only what their revision does.
        told = told_to(self._source.live.current.capabilities, stateless=ctx.method != "initialize")
        said = self._source.views.instructions(self._caller(ctx))
        others = {key: value for key, value in result.items() if key != "instructions"}
        return others | {"capabilities": told} | ({"instructions": said} if said else {})

    async def idle(self) -> None:
        """Wait until no request is being answered. A request that has just been read is given a moment to begin."""
        await anyio.sleep(_A_MOMENT)
        while self._count:
            await self._idle.wait()
        await anyio.sleep(_A_MOMENT)

    @contextmanager
    def _in_flight(self) -> Iterator[None]:
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._idle.set()
                self._idle = anyio.Event()

    async def _list(self, ctx: Context) -> Json:
        kind = LISTS[ctx.method]
        catalog = self._source.live.current
        caller = self._caller(ctx)
        if not offers(catalog.capabilities, kind):
            raise MethodNotOffered(ctx.method)
        given, cursor = page(self._source.views.listed(caller, kind), params_of(ctx).get("cursor"), self._page_size)
        result: Json = {kind.value: [entry.definition for entry in given], **catalog.hints.get(kind, {})}
        if self._source.rights is not no_limits or not self._source.views.are_alike:
            result["cacheScope"] = "private"  # others get another list
        return result | {"nextCursor": cursor} if cursor else result

    async def _call(self, ctx: Context) -> Json:
        caller, params = self._caller(ctx), params_of(ctx)
        kind, name = addressee(ctx.method, params)
        capabilities = self._source.live.current.capabilities
        promised = "completions" in capabilities if ctx.method == COMPLETE else offers(capabilities, kind)
        if not promised:
            raise MethodNotOffered(ctx.method)
        call = Call(call_id(), ctx.method, kind, name, params, caller, self._source.live.current)
        return await self._made(ctx, call)

    async def _made(self, ctx: Context, call: Call) -> Json:
        """Make a call, with the ways back to its caller."""
        caller = call.caller
        back = RequestBack(ctx, self._wants(ctx, caller), stateless=caller.stateless)
        if self.tasks is not None and may_be_asked(caller, call.method):
            result = await self._parkable(call, back, self.tasks)
        else:
            result = await self._source.handle(with_back(call, back))
        await back.answered()
        return result

    async def _parkable(self, call: Call, back: RequestBack, tasks: TaskGroup) -> Json:
        """A call that may ask its caller: begun now, or come back to with answers."""
        binding = binding_of(call.caller.session, call.method, call.params)
        state = call.params.get("requestState")
        parked: Parked | None = None
        if isinstance(state, str) and self.parking.is_ours(state):
            parked = self.parking.resume(state, binding, call.params.get("inputResponses"))
            call = replace(call, params=without_answers(call.params))
        if parked is None:
            parked = self.parking.start(lambda way: self._source.handle(with_back(call, way)), binding, tasks)
        return await parked.next(back)

    async def _listen(self, ctx: Context) -> Json:
        async def follow(listener: Caller, topic: str, name: str) -> None:
            if topic == "taskIds":
                self._check_tasks(listener)
                await self._source.follow(self._beyond("tasks/get", listener, name, {"taskId": name}))
            else:
                await self._source.handle(self._subscription("resources/subscribe", listener, name))

        await self._source.settled()
        return await self.streams.serve(ctx, params_of(ctx), self._caller(ctx), follow, self._source.unsubscribe)

    async def _task(self, ctx: Context) -> Json:
        """What concerns a task goes to the server that runs it."""
        caller = self._caller(ctx)
        self._check_tasks(caller)
        return await self._made(ctx, self._beyond(ctx.method, caller, task_id(ctx), params_of(ctx)))

    async def _extended(self, ctx: Context) -> Json:
        """A method of an extension goes to the server that has it."""
        return await self._made(ctx, self._beyond(ctx.method, self._caller(ctx), ctx.method, params_of(ctx)))

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

    async def _subscribe(self, ctx: Context) -> Json:
        if not can_subscribe(self._source.live.current.capabilities):
            raise MethodNotOffered(ctx.method)
        uri = text(params_of(ctx), "uri")
        return await self._source.handle(self._subscription(ctx.method, self._caller(ctx), uri))

    def _subscription(self, method: str, caller: Caller, uri: str) -> Call:
        return Call(call_id(), method, Kind.RESOURCE, uri, {"uri": uri}, caller, self._source.live.current)

    async def _set_level(self, ctx: Context) -> Json:
        if "logging" not in self._source.live.current.capabilities:
            raise MethodNotOffered(ctx.method)
        session = self._caller(ctx).session
        self._source.audience.set_level(session, level(params_of(ctx)))
        await self._source.settle_levels(session)
        return {}

    def _caller(self, ctx: Context) -> Caller:
        """Who sent this request.

        Raises:
            MCPError: a session of the handshake era that has not shaken hands.
        """
        if is_stateless(ctx):
            caller = stateless_caller(params_of(ctx))
            rights = self._source.rights
            return caller if rights is no_limits else replace(caller, allows=rights(caller))
        known = self.sessions.caller(ctx)
        if known is None:
            raise MCPError(INVALID_REQUEST, "This session is not initialized")
        return known

    def _wants(self, ctx: Context, caller: Caller) -> Wants:
        return caller.wants if caller.stateless else wants_of(lambda: self.sessions.caller(ctx))

    def _encoded(self, ctx: Context, result: Json) -> Json:
        return encoded(result, ctx.method, stateless=is_stateless(ctx), server_info=self._server_info)

    def _wire_error(self, ctx: Context, error: CallError) -> MCPError:
        code = error_code(error, ctx.method, stateless=is_stateless(ctx))
        return MCPError(code, self._source.mask(error.message), error.data)


def with_back(call: Call, back: Back) -> Call:
    """`call` with these ways back to its caller."""
    return replace(call, caller=replace(call.caller, back=back))
