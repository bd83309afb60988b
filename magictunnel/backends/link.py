"""McpLink: one session with a server. The SDK opens it; requests, results, questions and news pass raw beside it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

import anyio
import mcp_types as types
from anyio.abc import TaskGroup
from mcp.client.session import ClientSession
from mcp.shared.inbound import x_mcp_header_map
from mcp_types import METHOD_NOT_FOUND

from magictunnel.backends.base import US, LinkLost, Request, Terms, Topic, resource
from magictunnel.backends.envelope import CLIENT_INFO
from magictunnel.backends.exchanges import Exchanges
from magictunnel.backends.handshake import Opened
from magictunnel.backends.jobs import run_as_task
from magictunnel.backends.listing import all_pages, callable_tools
from magictunnel.backends.rounds import drive
from magictunnel.backends.subscriptions import Listener
from magictunnel.backends.talk import Talk
from magictunnel.backends.turns import Turns
from magictunnel.catalog.extensions import in_stateless_terms
from magictunnel.catalog.model import Json, Kind
from magictunnel.catalog.promises import announced
from magictunnel.errors import BackendError, BackendUnavailable, BadParams, NoTasks, OutcomeUnknown
from magictunnel.wire.base import Wire
from magictunnel.wire.begun import Begun
from magictunnel.wire.caller import Caller, most_verbose

logger = logging.getLogger(__name__)


class _Whole:
    """A request of several exchanges: once the first was answered, none can be said never to have arrived."""

    def __init__(self, name: str, send: Callable[[str, Json, Caller], Awaitable[Json]]) -> None:
        self._name = name
        self._send = send
        self._has_begun = False

    async def send(self, method: str, params: Json, caller: Caller) -> Json:
        """One exchange of it. See `Link.request` for what it raises."""
        try:
            result = await self._send(method, params, caller)
        except BackendUnavailable as error:
            if self._has_begun:
                raise OutcomeUnknown(self._name, str(params.get("name", method)), error.message) from error
            raise
        self._has_begun = True
        return result


class McpLink:
    """One session with a server. See `Link`."""

    def __init__(self, name: str, wire: Wire, terms: Terms, tasks: TaskGroup) -> None:
        self._name = name
        self._wire = wire
        self._terms = terms
        self._dirty: set[Kind] = set()
        self.changes = 0
        self.stateless = False
        self._wake = anyio.Event()
        self._declares: Json = {}
        self._log_level: str | None = None
        """What it was told last, whether or not it has answered."""
        self._log_level_taken: str | None = None
        self.may_speak_other_era = False
        self.declared: Json | None = None
        self.capabilities: Json = {}
        self.instructions = ""
        self.hints: dict[Kind, Json] = {}
        self._exchanges = exchanges = Exchanges(
            name, wire, terms, tasks, lambda error, caller: self._talk.failed(error, caller), self._wake_up
        )
        self._listener = Listener(
            name,
            lambda params, number: exchanges.send("subscriptions/listen", params, US, number),
            exchanges.next_number,
            tasks,
        )
        self._talk = talk = Talk(name, terms, exchanges, self._listener, self.mark)
        wire.on_told, wire.on_asked, wire.on_let_go = talk.told, talk.asked, talk.let_go
        wire.on_missed = lambda: self.mark(announced(self.capabilities))
        wire.on_lost = lambda what: logger.warning("%s: %s", name, what)
        self.session = ClientSession(dispatcher=wire, client_info=types.Implementation.model_validate(CLIENT_INFO))

    async def __aenter__(self) -> McpLink:
        return self

    async def __aexit__(self, *_why: object) -> None:
        if late := self._wire.late_answers:
            logger.info("%s: %d answer(s) came too late and were dropped", self._name, late)
        self._exchanges.close()

    def declare(self) -> Json:
        """The client capabilities to open the session with: what those who are served over it can do now."""
        self._declares = self._terms.audience.capabilities
        return self._declares

    @property
    def era(self) -> str:
        return self._exchanges.era

    @property
    def sessions_are_cheap(self) -> bool:
        """See `Link.sessions_are_cheap`."""
        return self._wire.is_http and not self._wire.has_process

    @property
    def heard(self) -> int:
        """See `Link.heard`."""
        return self._wire.heard

    @property
    def needs_no_heartbeat(self) -> bool:
        """See `Link.needs_no_heartbeat`: a stateless server over HTTP keeps no connection that could die unnoticed."""
        return self.stateless and self._wire.is_http

    def start(self, opened: Opened) -> None:
        """Take over what the session has negotiated, and begin to listen."""
        # Not before: of a connection that is given up for one in the other era, nobody is to hear that it ended.
        self._wire.on_closed, self._wire.on_ending = self._closed, self._unfit
        if self._wire.is_closed:
            self._closed()
        self._exchanges.start(opened.version)
        self.stateless = self._exchanges.stateless
        self.may_speak_other_era = opened.may_speak_other_era
        self.declared = None if self.stateless else self._declares
        self.capabilities = opened.capabilities
        self.instructions = opened.instructions
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
        self._exchanges.mirrored = {name: headers for name, headers in mirrored if headers}
        return tools

    async def request(self, request: Request) -> Json:
        """See `Link.request`."""
        if request.caller is US:
            return await self._exchanges.send(request.method, request.params, US)
        stats = self._terms.stats
        stats.started += 1
        try:
            return await (
                self._way(request) if self._terms.turns is None else self._in_turn(request, self._terms.turns)
            )
        finally:
            stats.left()

    def begin(self, begun: Begun, params: Json, *, runs_as_task: bool) -> bool:
        """See `Link.begin`."""
        if self._terms.turns is not None or not self._is_plain(params, begun.caller, runs_as_task=runs_as_task):
            return False
        return self._exchanges.begin(begun, params)

    async def _in_turn(self, request: Request, turns: Turns) -> Json:
        request.on_queued(True)
        async with turns.taken(request.caller.session):
            request.on_queued(False)
            return await self._way(request)

    def _way(self, request: Request) -> Awaitable[Json]:
        """How the request is sent: as it is, unless there is something in it that the eras see differently."""
        if not self._is_plain(request.params, request.caller, runs_as_task=request.as_task):
            return self._translated(request)
        return self._exchanges.send(request.method, request.params, request.caller)

    def _is_plain(self, params: Json, caller: Caller, *, runs_as_task: bool) -> bool:
        """Whether the eras see the same in a request."""
        if self.stateless:
            return caller.stateless
        if caller.log_level is not None or self._log_level is not None or "requestState" in params:
            return False
        return not (caller.stateless and (runs_as_task or "task" in params))

    async def _translated(self, request: Request) -> Json:
        caller = request.caller
        send = self._exchanges.send
        if self.stateless:
            if "task" in request.params:
                raise NoTasks(self._name)
            caller = replace(caller, capabilities=in_stateless_terms(caller.capabilities))
            whole = _Whole(self._name, send)
            return await drive(request.params, caller, lambda params: whole.send(request.method, params, caller))
        if isinstance(request.params.get("requestState"), str):
            raise BadParams("requestState is not known, or no longer", hint="call again without it")
        if caller.log_level is not None or self._log_level is not None:
            await self.settle_level(caller.log_level)
        if not caller.stateless:
            return await send(request.method, request.params, caller)
        return await self._for_stateless(request, caller)

    async def _for_stateless(self, request: Request, caller: Caller) -> Json:
        """A request of a stateless client to a server of the handshake era, where `task` means something else."""
        send = self._exchanges.send
        params = {key: value for key, value in request.params.items() if key != "task"}
        if request.as_task:
            whole = _Whole(self._name, send)
            return await run_as_task(params, lambda method, params: whole.send(method, params, caller))
        return await send(request.method, params, caller)

    async def settle_level(self, wanted: str | None = None) -> None:
        """Have the server send what anybody wants to hear. A stateless server is told with each request instead."""
        level = most_verbose(self._terms.audience.log_level, wanted)
        if self.stateless or level in (None, self._log_level) or "logging" not in self.capabilities:
            return
        self._log_level = level
        try:
            await self._exchanges.send("logging/setLevel", {"level": level}, US)
            self._log_level_taken = level
        except BackendError as error:
            logger.debug("%s: it takes no log level: %s", self._name, error)
        except BaseException as error:
            if self._log_level == level:
                self._log_level = self._log_level_taken
            if isinstance(error, OutcomeUnknown):
                raise BackendUnavailable(self._name, "its connection broke before the call was sent") from error
            raise

    async def follow(self, topic: Topic) -> None:
        """See `Link.follow`. A server of the handshake era tells of its tasks unasked."""
        if self.stateless:
            await self._listener.follow(topic)
        elif topic.what == resource("").what:
            await self._exchanges.send("resources/subscribe", {"uri": topic.name}, US)

    async def forget(self, topic: Topic) -> None:
        """See `Link.forget`."""
        if self.stateless:
            self._listener.forget(topic)
        elif topic.what == resource("").what:
            await self._exchanges.send("resources/unsubscribe", {"uri": topic.name}, US)

    async def tell(self, method: str, params: Json) -> None:
        """See `Link.tell`; what cannot be written is dropped."""
        await self._wire.notify(method, params)

    async def ping(self) -> None:
        """See `Link.ping`. The stateless era has no `ping`; what every server of it answers is what it is."""
        await self._exchanges.send("server/discover" if self.stateless else "ping", {}, US)

    async def changed(self) -> frozenset[Kind]:
        """See `Link.changed`."""
        while not self._dirty:
            if self._wire.is_closed:
                raise LinkLost("the connection was closed")
            if self._exchanges.is_drained:
                raise LinkLost(f"{self._exchanges.doom}")
            await self._wake.wait()
            self._wake = anyio.Event()
        kinds, self._dirty = frozenset(self._dirty), set()
        return kinds

    def mark(self, kinds: frozenset[Kind]) -> None:
        """See `Link.mark`."""
        self.changes += 1
        self._dirty |= kinds
        self._wake_up()

    def _wake_up(self) -> None:
        self._wake.set()

    def _closed(self) -> None:
        self._unfit()
        self._wake_up()

    def _unfit(self) -> None:
        self._terms.unfit("the connection was closed")
