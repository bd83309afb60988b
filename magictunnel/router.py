"""Call -> entry -> backend: the innermost handler. Deadlines live here."""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable

import anyio

from magictunnel.backends.base import Link, Request
from magictunnel.catalog.find import find, visible
from magictunnel.catalog.links import Links, Place, republish
from magictunnel.catalog.merge import MergeRules, is_offered
from magictunnel.catalog.model import Json, Kind
from magictunnel.errors import BackendUnavailable, DeadlineExceeded, UnknownEntry
from magictunnel.pipeline.call import Call

Ready = Callable[[str], Awaitable[Link]]
"""Backend name -> its link, once it is up. See `Supervisor.ready`."""

TimeoutOf = Callable[[str, Kind, str], float]
"""`(backend, kind, name there)` -> seconds a call may take."""


class Router:
    """The Handler at the end of the chain."""

    def __init__(self, ready: Ready, timeout_of: TimeoutOf, rules: Callable[[], MergeRules]) -> None:
        self._ready = ready
        self._timeout_of = timeout_of
        self._rules = rules
        self._links = Links(rules)

    async def __call__(self, call: Call) -> Json:
        """Send `call` to the owner of its entry, and make the links in the result lead back there.

        Raises:
            UnknownEntry: nobody this caller may use has it.
            DeadlineExceeded: no answer in time; the backend was told to stop.
            BackendUnavailable: the owner is down, or did not come up in time; nothing was sent.
            BackendError, OutcomeUnknown: see `Link.request`.
        """
        owner = self._owner(call)
        timeout = self._timeout_of(owner.backend, call.kind, owner.uri)
        request = Request(
            call.method,
            addressed(call, owner.uri),
            call.caller.capabilities if call.caller.stateless else {},
            call.on_progress,
        )
        link: Link | None = None
        with anyio.move_on_after(timeout):
            link = await self._ready(owner.backend)
            result = await link.request(request)
            return republish(result, lambda uri: self._published(call, owner, uri))
        if link is None:
            raise BackendUnavailable(owner.backend, f"it is still starting after {timeout:g} s", hint="try again")
        raise DeadlineExceeded(owner.backend, call.name, timeout)

    def _published(self, call: Call, owner: Place, uri: str) -> str:
        """A URI in the result: what was asked for is told as it was asked for."""
        if call.kind is Kind.RESOURCE and uri == owner.uri:
            return call.name
        return self._links.publish(call.catalog, owner.backend, uri)

    def _owner(self, call: Call) -> Place:
        if entry := find(call.catalog, call.kind, call.name, call.caller.allows):
            return Place(entry.backend, entry.original)
        choices: list[str] = []
        if call.kind in (Kind.RESOURCE, Kind.TEMPLATE):
            if place := self._links.owner(call.catalog, call.name, call.caller.allows):
                return place
            choices = self._links.choices(call.catalog, call.name)
            backend = None if choices or self._links.is_known(call.catalog, call.name) else _only_owner(call)
            if backend and is_offered(call.kind, call.name, self._rules().of(backend)):
                return Place(backend, call.name)
        raise UnknownEntry(call.kind.word, call.name, hint=_suggestion(call, choices))


def addressed(call: Call, original: str) -> Json:
    """The params of `call` with its owner's own name for the entry in place of the public one."""
    if call.name == original:
        return call.params
    if call.method != "completion/complete":
        return call.params | {call.kind.key: original}
    key = "name" if call.kind is Kind.PROMPT else "uri"
    return call.params | {"ref": call.params["ref"] | {key: original}}


def _only_owner(call: Call) -> str | None:
    """With one server that has resources at all, its own answer to an unlisted URI is the best there is."""
    kinds = (Kind.RESOURCE, Kind.TEMPLATE)
    backends = {entry.backend for kind in kinds for entry in visible(call.catalog, kind, call.caller.allows)}
    return backends.pop() if len(backends) == 1 else None


def _suggestion(call: Call, choices: list[str]) -> str:
    """What the caller may have meant, among what it may see."""
    entries = visible(call.catalog, call.kind, call.caller.allows)
    same = [*choices, *(entry.name for entry in entries if entry.original == call.name)]
    if len(set(same)) > 1:
        return f"several servers have it: use {' or '.join(sorted(set(same))[:5])}"
    close = same or difflib.get_close_matches(call.name, [entry.name for entry in entries][:5_000], n=3)
    return f"did you mean {' or '.join(close)}?" if close else ""
