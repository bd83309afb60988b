"""Call -> entry -> backend: the innermost handler. Deadlines live here."""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from time import monotonic
from typing import Protocol

import anyio

from magictunnel.backends.base import Link, Request, resource, task
from magictunnel.backends.pool import Pool
from magictunnel.catalog.extensions import owners
from magictunnel.catalog.find import find, reaches, visible
from magictunnel.catalog.links import Links, Place, republish
from magictunnel.catalog.merge import MergeRules, is_offered
from magictunnel.catalog.model import Catalog, Entry, Json, Kind, Visibility
from magictunnel.catalog.tasks import created_task, original_task, public_task, task_place, with_related, with_task_ids
from magictunnel.errors import (
    BackendUnavailable,
    BadParams,
    CallError,
    DeadlineExceeded,
    MethodNotOffered,
    OutcomeUnknown,
    UnknownEntry,
)
from magictunnel.pipeline.call import Call
from magictunnel.pipeline.clock import Clock, Rows
from magictunnel.pipeline.patience import CallLimits, Patient
from magictunnel.subscriptions import Subscriptions
from magictunnel.wire.audience import Audience
from magictunnel.wire.begun import Begun
from magictunnel.wire.caller import Back

LimitsOf = Callable[[str, Kind | None, str], CallLimits]
"""`(backend, kind, name there)` -> how long a call may take."""
SUBSCRIBE = ("resources/subscribe", "resources/unsubscribe")
_UNBOUNDED = frozenset({"tasks/result"})
"""Answered when the task has ended, whenever that is; its client may cancel."""
_SOON = 2.0
"""Seconds that a server may take, once it has begun a task, to accept that somebody wants to hear of it."""


class Addressed(Protocol):
    """What is to be known of a call to make its result lead back. A `Call` is one."""

    @property
    def kind(self) -> Kind | None: ...

    @property
    def name(self) -> str: ...

    @property
    def catalog(self) -> Catalog: ...


@dataclass(slots=True)
class _Tries:
    """How far one call got."""

    is_waiting: bool = True
    """For a connection, with nothing sent that is not accounted for below."""
    unsent: BackendUnavailable | None = None
    """It provably never arrived, when it was sent first."""
    unknown: OutcomeUnknown | None = None
    """The connection broke when it was sent; it may run twice."""
    is_queued: bool = False
    """It waits for its turn among the calls of its server."""
    begun: Begun | None = None
    """The first try, whose answer is still to be awaited."""

    def queue(self, is_queued: bool) -> None:
        """See `Request.on_queued`."""
        self.is_queued = is_queued


class Router:
    """The Handler at the end of the chain."""

    def __init__(
        self,
        pool: Pool,
        links: Links,
        subscriptions: Subscriptions,
        audience: Audience,
        *,
        limits_of: LimitsOf,
        rules: Callable[[], MergeRules],
    ) -> None:
        self._pool = pool
        self._links = links
        self._subscriptions = subscriptions
        self._audience = audience
        self._limits_of = limits_of
        self._rules = rules
        self._rows: Rows = {}

    async def __call__(self, call: Call) -> Json:
        """Send `call` to the owner of what it is for, and make what is named in the result lead back there.

        Raises:
            UnknownEntry: nobody this caller may use has it.
            DeadlineExceeded: no answer in time; the backend was told to stop.
            BackendUnavailable: the owner is down, or did not come up in time; nothing was sent.
            Unanswered: the caller was asked, and did not answer in time.
            BackendError, OutcomeUnknown, CannotAsk, AnswerError: see `Link.request`.
        """
        if call.method == "tasks/list":
            return await self._tasks(call)
        owner = call.begun.place if call.begun else self._owner(call)
        limits = self._limits_of(owner.backend, call.kind, owner.uri)
        clock = self._clock(call, limits)
        patient = Patient(call.caller, clock, limits.ask_timeout)
        tries = _Tries(begun=call.begun)
        with clock:
            if call.method in SUBSCRIBE:
                await self._pool.get(owner.backend).ready()
                tries.is_waiting = False
                return await self._subscribe(call, owner)
            is_guide = owner.backend == self._rules().guide
            params = call.params if is_guide else addressed(call, owner)
            result = await self._answered(call, owner, params, patient, tries)
            if is_guide:  # it calls others for its callers, and is told their names and ids as clients know them
                return result
            task_id = created_task(result)
            if task_id:
                clock.stop()  # it runs by now: an error would have its client start it once more
                await self._started(call, owner, task_id)
            return self.outward(call, owner, result, is_task=bool(task_id) or call.kind is None)
        raise patient.abandoned or self._late(call, owner, tries, limits.timeout)

    def _clock(self, call: Call, limits: CallLimits) -> Clock:
        if call.method in _UNBOUNDED:
            return Clock(float("inf"))
        if call.begun is not None:
            return Clock(max(0.0, limits.timeout - (monotonic() - call.begun.started)))
        return Clock(limits.timeout, self._rows)

    def _late(self, call: Call, owner: Place, tries: _Tries, seconds: float) -> CallError:
        """Why there was no answer in time."""
        if tries.is_waiting:
            cause, hint = f"it is still starting after {seconds:g} s", "try again"
        elif tries.is_queued:
            cause, hint = "its other calls took all of the time", "raise its `concurrency`, or call it less"
        else:
            self._pool.missed(owner.backend)
            return DeadlineExceeded(owner.backend, call.name, seconds)
        return tries.unknown or BackendUnavailable(owner.backend, cause, hint=hint)

    async def _answered(self, call: Call, owner: Place, params: Json, back: Back, tries: _Tries) -> Json:
        """What the server answers to `params`.

        Sent once; and again, once each, if it never arrived, and if it may run twice.
        """
        while True:
            coming = await self._coming(call, owner, params, back, tries)
            try:
                return await coming
            except BackendUnavailable as error:
                if tries.unsent or error.server != owner.backend:
                    raise tries.unknown or error from error
                tries.unsent = error
            except OutcomeUnknown as error:
                if tries.unknown or error.server != owner.backend or not may_run_twice(call):
                    raise
                tries.unknown = error
            tries.is_waiting = True

    async def _coming(self, call: Call, owner: Place, params: Json, back: Back, tries: _Tries) -> Awaitable[Json]:
        """What is awaited in one try."""
        asking = call.caller.with_back(back)
        if (begun := tries.begun) is not None:
            tries.begun, tries.is_waiting = None, False
            return begun.carrier.answer(begun, asking)
        try:
            link = self._pool.link_now(owner.backend, call.caller)
            link = link or await self._pool.link_for(owner.backend, call.caller)
        except BackendUnavailable as error:
            raise tries.unknown or error from error
        tries.is_waiting = False
        self._check_task(call, owner, link)
        as_task = not link.stateless and _runs_only_as_task(call)
        return link.request(Request(call.method, params, asking, as_task, tries.queue))

    async def _subscribe(self, call: Call, owner: Place) -> Json:
        topic = resource(owner.uri)
        if call.method == "resources/subscribe":
            await self._subscriptions.add(owner.backend, topic, call.name, call.caller)
        else:
            await self._subscriptions.remove(owner.backend, topic, call.caller)
        return {}

    async def follow(self, call: Call) -> None:
        """Have the caller told of the task that `call` is for.

        Raises:
            CallError: it cannot be.
        """
        owner = self._owner(call)
        self._check_task(call, owner, await self._pool.link_for(owner.backend, call.caller))
        await self._subscriptions.add(owner.backend, task(owner.uri), call.name, call.caller)

    def _check_task(self, call: Call, owner: Place, link: Link) -> None:
        """Raise UnknownEntry for a task of the other era, or of another session: ids may be easy to guess."""
        if call.kind is None and call.method.startswith("tasks/"):
            is_own = link.stateless == call.caller.stateless
            if not is_own or not self._subscriptions.may_use_task(owner.backend, owner.uri, call.caller):
                raise UnknownEntry("task", call.name)

    async def _started(self, call: Call, owner: Place, task_id: str) -> None:
        """A call has become a task: tell its session of that from now on."""
        if session := self._audience.get(call.caller.session):
            with anyio.move_on_after(_SOON), suppress(CallError):
                public = public_task(owner.backend, task_id)
                await self._subscriptions.add(owner.backend, task(task_id), public, session, is_new=True)

    def outward(self, call: Addressed, owner: Place, result: Json, *, is_task: bool = False) -> Json:
        """A result with the names and ids that clients know. `is_task`: it is about one."""
        if is_task or "_meta" in result:
            rename = with_task_ids if is_task else with_related
            result = rename(result, lambda one: public_task(owner.backend, one))
        return republish(result, lambda uri: self._published(call, owner, uri))

    def _published(self, call: Addressed, owner: Place, uri: str) -> str:
        """A URI in the result: what was asked for is told as it was asked for."""
        if call.kind is Kind.RESOURCE and uri == owner.uri:
            return call.name
        return self._links.publish(call.catalog, owner.backend, uri)

    async def _tasks(self, call: Call) -> Json:
        """The tasks of this session, wherever they run; those of others are not its business."""
        session = self._audience.get(call.caller.session)
        names = self._subscriptions.of(session, task("").what) if session else []
        found: dict[str, Json] = {}

        async def get(name: str) -> None:
            with suppress(CallError):  # it has expired, or its server has gone
                found[name] = await self(replace(call, method="tasks/get", name=name, params={"taskId": name}))

        async with anyio.create_task_group() as tasks:
            for name in names:
                tasks.start_soon(get, name)
        return {"tasks": [found[name] for name in names if name in found]}

    def _owner(self, call: Call) -> Place:
        if call.kind is None:
            return self._owner_beyond(call)
        if entry := find(call.catalog, call.kind, call.name, call.caller.allows):
            return Place(entry.backend, entry.original)
        choices: list[str] = []
        if call.kind in (Kind.RESOURCE, Kind.TEMPLATE):
            place = self._links.owner(call.catalog, call.name, call.caller.allows)
            if place and not self._is_disabled(call, place):
                return place
            choices = self._links.choices(call.catalog, call.name, call.caller.allows)
            backend = None if choices or self._links.is_known(call.catalog, call.name) else _only_owner(call)
            offered = backend and is_offered(call.kind, call.name, self._rules().of(backend))
            if backend and offered and not self._is_disabled(call, Place(backend, call.name)):
                return Place(backend, call.name)
        raise UnknownEntry(call.kind.word, call.name, hint=_suggestion(call, choices))

    def _is_disabled(self, call: Call, place: Place) -> bool:
        """Whether nobody is to reach what a backend does not list."""
        kind = call.kind or Kind.RESOURCE
        return self._rules().seen(kind, place.backend, place.uri, call.name) is Visibility.DISABLED

    def _owner_beyond(self, call: Call) -> Place:
        """Who answers what is no entry: a task's own server, or the one whose extension a method belongs to."""
        if call.method.startswith("tasks/"):
            place = task_place(call.catalog.backends, call.name)
            if place is None:
                raise UnknownEntry("task", call.name)
            return place
        backends = [one for one in owners(call.catalog, call.method) if reaches(call.catalog, one, call.caller.allows)]
        if len(backends) == 1:
            return Place(backends[0], call.name)
        if backends:
            raise BadParams(
                f"{call.method} could mean any of {', '.join(backends)}: several servers have that extension"
            )
        raise MethodNotOffered(call.method)


def _runs_only_as_task(call: Call) -> bool:
    if call.kind is not Kind.TOOL or not call.caller.stateless:
        return False
    entry = find(call.catalog, call.kind, call.name, call.caller.allows)
    return entry is not None and runs_only_as_task(entry)


def runs_only_as_task(entry: Entry) -> bool:
    """Whether a tool of the handshake era can be called in no other way."""
    execution = entry.definition.get("execution")
    return isinstance(execution, dict) and execution.get("taskSupport") == "required"


def may_run_twice(call: Call) -> bool:
    """Whether it does no harm to send `call` again without knowing what became of it the first time."""
    if call.kind is not Kind.TOOL:
        return call.kind is not None
    if "task" in call.params:
        return False
    entry = find(call.catalog, call.kind, call.name, call.caller.allows)
    hints = entry.definition.get("annotations") if entry else None
    return isinstance(hints, dict) and (hints.get("readOnlyHint") is True or hints.get("idempotentHint") is True)


def addressed(call: Call, owner: Place) -> Json:
    """The params of `call` with its owner's own names in place of the public ones."""
    original = owner.uri
    params = call.params
    if "_meta" in params:
        params = with_related(params, lambda public: original_task(owner.backend, public))
    if call.name == original:
        return params
    if call.kind is None:
        return params | {"taskId": original} if call.method.startswith("tasks/") else params
    if call.method != "completion/complete":
        return params | {call.kind.key: original}
    key = "name" if call.kind is Kind.PROMPT else "uri"
    return params | {"ref": params["ref"] | {key: original}}


def _only_owner(call: Call) -> str | None:
    """With one server that has resources at all, its own answer to an unlisted URI is the best there is."""
    kinds = (Kind.RESOURCE, Kind.TEMPLATE)
    backends = {entry.backend for kind in kinds for entry in visible(call.catalog, kind, call.caller.allows)}
    return backends.pop() if len(backends) == 1 else None


def _suggestion(call: Call, choices: list[str]) -> str:
    """What the caller may have meant, among what it may see."""
    if call.kind is None:
        return ""
    entries = visible(call.catalog, call.kind, call.caller.allows)
    same = [*choices, *(entry.name for entry in entries if entry.original == call.name)]
    if len(set(same)) > 1:
        return f"several servers have it: use {' or '.join(sorted(set(same))[:5])}"
    close = same or difflib.get_close_matches(call.name, [entry.name for entry in entries][:5_000], n=3)
    return f"did you mean {' or '.join(close)}?" if close else ""
