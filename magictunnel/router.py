"""Call -> entry -> backend: the innermost handler. Deadlines live here."""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio

from magictunnel.backends.base import Link, Request
from magictunnel.catalog.find import expansions, find, visible
from magictunnel.catalog.links import Links, republish
from magictunnel.catalog.model import Json, Kind
from magictunnel.errors import BackendUnavailable, DeadlineExceeded, UnknownEntry
from magictunnel.pipeline.call import Call

Ready = Callable[[str], Awaitable[Link]]
"""Backend name -> its link, once it is up. See `Supervisor.ready`."""

TimeoutOf = Callable[[str, Kind, str], float]
"""`(backend, kind, name there)` -> seconds a call may take."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Where a call goes, and what the thing it is for is called there."""

    backend: str
    original: str


class Router:
    """The Handler at the end of the chain."""

    def __init__(self, ready: Ready, timeout_of: TimeoutOf, alias_of: Callable[[str], str]) -> None:
        self._ready = ready
        self._timeout_of = timeout_of
        self._links = Links(alias_of)

    async def __call__(self, call: Call) -> Json:
        """Send `call` to the owner of its entry, and make the links in the result lead back there.

        Raises:
            UnknownEntry: nobody this caller may use has it.
            DeadlineExceeded: no answer in time; the backend was told to stop.
            BackendUnavailable: the owner is down, or did not come up in time; nothing was sent.
            BackendError, OutcomeUnknown: see `Link.request`.
        """
        owner = self._owner(call)
        timeout = self._timeout_of(owner.backend, call.kind, owner.original)
        request = Request(
            call.method,
            addressed(call, owner.original),
            call.caller.capabilities if call.caller.stateless else {},
            call.on_progress,
        )
        link: Link | None = None
        with anyio.move_on_after(timeout):
            link = await self._ready(owner.backend)
            result = await link.request(request)
            return republish(result, lambda uri: self._links.publish(call.catalog, owner.backend, uri))
        if link is None:
            raise BackendUnavailable(owner.backend, f"it is still starting after {timeout:g} s", hint="try again")
        raise DeadlineExceeded(owner.backend, call.name, timeout)

    def _owner(self, call: Call) -> Owner:
        if entry := find(call.catalog, call.kind, call.name, call.caller.allows):
            return Owner(entry.backend, entry.original)
        if call.kind in (Kind.RESOURCE, Kind.TEMPLATE) and (owner := self._resource_owner(call)):
            return owner
        raise UnknownEntry(call.kind.word, call.name, hint=_suggestion(call))

    def _resource_owner(self, call: Call) -> Owner | None:
        """Who has a resource that is not listed: who handed out its URI, or whose template makes it."""
        if call.name in call.catalog.ambiguous:
            return None
        if entry := find(call.catalog, Kind.RESOURCE, call.name, call.caller.allows):
            return Owner(entry.backend, entry.original)
        if known := self._links.owner(call.name):
            return Owner(*known)
        made = list(expansions(call.catalog, call.name, call.caller.allows))
        if len({entry.backend for entry, _ in made}) == 1:
            return Owner(made[0][0].backend, made[0][1])
        return None if made else _only_owner(call)


def addressed(call: Call, original: str) -> Json:
    """The params of `call` with its owner's own name for the entry in place of the public one."""
    if call.name == original:
        return call.params
    if call.method != "completion/complete":
        return call.params | {call.kind.key: original}
    key = "name" if call.kind is Kind.PROMPT else "uri"
    return call.params | {"ref": call.params["ref"] | {key: original}}


def _only_owner(call: Call) -> Owner | None:
    """With one server that has resources at all, its own answer to an unlisted URI is the best there is."""
    kinds = (Kind.RESOURCE, Kind.TEMPLATE)
    backends = {entry.backend for kind in kinds for entry in visible(call.catalog, kind, call.caller.allows)}
    return Owner(backends.pop(), call.name) if len(backends) == 1 else None


def _suggestion(call: Call) -> str:
    """What the caller may have meant, among what it may see."""
    entries = visible(call.catalog, call.kind, call.caller.allows)
    same = [entry.name for entry in entries if entry.original == call.name]
    same += call.catalog.ambiguous.get(call.name, ())
    if len(same) > 1:
        return f"several servers have it: use {' or '.join(sorted(set(same))[:5])}"
    close = same or difflib.get_close_matches(call.name, [entry.name for entry in entries][:5_000], n=3)
    return f"did you mean {' or '.join(close)}?" if close else ""
