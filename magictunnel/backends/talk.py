"""What a server says and asks over one session, on its way to the callers it is for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
from mcp.shared.exceptions import MCPError

from magictunnel.backends.asked import whom_to_ask, whom_to_tell
from magictunnel.backends.base import Terms
from magictunnel.backends.envelope import forwardable
from magictunnel.backends.exchanges import Exchanges
from magictunnel.backends.failures import visits
from magictunnel.backends.subscriptions import Listener
from magictunnel.catalog.model import Json, Kind
from magictunnel.catalog.tasks import original_task, public_task, related_task, with_related
from magictunnel.errors import CallError, CannotAsk, Unanswered
from magictunnel.wire.base import Number
from magictunnel.wire.caller import Back, Caller

MAX_ELICITED = 1_000
"""URL elicitations whose completion we still expect to be told of."""
_ENDED = "the call that it was for has ended"
_CHANGES = {
    "notifications/tools/list_changed": frozenset({Kind.TOOL}),
    "notifications/prompts/list_changed": frozenset({Kind.PROMPT}),
    "notifications/resources/list_changed": frozenset({Kind.RESOURCE, Kind.TEMPLATE}),
}
_NEWS = frozenset({"notifications/resources/updated", "notifications/tasks", "notifications/tasks/status"})
"""What goes to whoever follows its subject, not to the caller of some call."""


class Talk:
    """The hooks of one session's wire."""

    def __init__(
        self,
        name: str,
        terms: Terms,
        exchanges: Exchanges,
        listener: Listener,
        mark: Callable[[frozenset[Kind]], None],
    ) -> None:
        """`mark`: told which lists the server says have changed."""
        self._name = name
        self._terms = terms
        self._exchanges = exchanges
        self._listener = listener
        self._mark = mark
        self._elicited: OrderedDict[str, Back] = OrderedDict()

    def asked(self, method: str, params: Json, number: Number) -> Awaitable[Json] | None:
        """See `Wire.on_asked`."""
        if method == "ping":
            return None
        self._exchanges.beginnings.stir()
        return self._ask(method, params, number)

    async def _ask(self, method: str, params: Json, number: Number) -> Json:
        """Put a question of the server to the client it is for."""
        await self._exchanges.beginnings.gate.passed()
        try:
            if self._exchanges.is_left(number):
                raise CannotAsk(method, _ENDED)
            sender = self._starter(params) or self._exchanges.sender(number)
            caller = whom_to_ask(sender, self._exchanges.callers, self._terms.audience.callers, method, params)
            if params.get("mode") == "url":
                self._expect_completion(params, caller)
            answer = await self._answer(caller, method, self._outward(params))
            return with_related(answer, lambda public: original_task(self._name, public))
        except CallError as error:
            raise MCPError(error.code, str(error), error.data) from error

    async def _answer(self, caller: Caller, method: str, params: Json) -> Json:
        """Ask, for as long as the call lasts that it is for; what belongs to no call is bounded here."""
        sending = self._exchanges.of(caller)
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
        raise CannotAsk(method, _ENDED)

    def told(self, method: str, params: Json, number: Number) -> Awaitable[None] | None:
        """See `Wire.on_told`."""
        if method == "notifications/cancelled":
            return None
        if kinds := _CHANGES.get(method):
            self._mark(kinds)
            return anyio.lowlevel.checkpoint()
        if method == "notifications/subscriptions/acknowledged":
            self._listener.acknowledged(params)
            return anyio.lowlevel.checkpoint()
        if method in _NEWS:
            return self._terms.neighbours.told(self._listener.topic_of(params), method, self._outward(params))
        self._exchanges.beginnings.stir()
        return self._tell(method, self._outward(params), number)

    async def _tell(self, method: str, params: Json, number: Number) -> None:
        """Pass on what the server says, to the callers it is for."""
        await self._exchanges.beginnings.gate.passed()
        for back in self._listeners(method, params, number):
            await back.tell(method, params)

    def _listeners(self, method: str, params: Json, number: Number) -> list[Back]:
        if method == "notifications/elicitation/complete":
            back = self._elicited.pop(str(params.get("elicitationId")), None)
            return [back] if back else []
        if method == "notifications/progress":
            sending = self._exchanges.numbered(params.get("progressToken"))
            return [sending.caller.back] if sending else []
        if self._exchanges.is_left(number):
            return []
        told = whom_to_tell(self._exchanges.sender(number), self._exchanges.callers, self._terms.audience.callers)
        return [caller.back for caller in told]

    async def let_go(self, number: Number) -> None:
        """See `Wire.on_let_go`."""
        if caller := self._exchanges.sender(number):
            await caller.back.let_go()

    def failed(self, error: CallError, caller: Caller) -> None:
        """See `Exchanges`: a call may end with URLs that its caller is to visit first."""
        for elicitation in visits(error):
            self._expect_completion(elicitation, caller)

    def _outward(self, params: Json) -> Json:
        """What the server says, without what belongs to its connection with us, and with the task ids clients know."""
        if "_meta" not in params:
            return params
        meta = forwardable(params["_meta"])
        rest = {key: value for key, value in params.items() if key != "_meta"}
        return with_related(rest | ({"_meta": meta} if meta else {}), lambda one: public_task(self._name, one))

    def _starter(self, params: Json) -> Caller | None:
        """The client that started the task a message belongs to."""
        return self._terms.neighbours.whose_task(related_task(params))

    def _expect_completion(self, elicitation: Any, caller: Caller) -> None:
        if isinstance(elicitation, dict) and "elicitationId" in elicitation:
            self._elicited[str(elicitation["elicitationId"])] = caller.back
            if len(self._elicited) > MAX_ELICITED:
                self._elicited.popitem(last=False)
