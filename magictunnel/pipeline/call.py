"""Call, Handler, Interceptor: one request on its way, and the shape of everything that happens to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from magictunnel.catalog.model import Catalog, Json, Kind
from magictunnel.wire.begun import Begun
from magictunnel.wire.caller import Caller


@dataclass(slots=True)
class Call:
    """One request on its way from a caller to an entry. It is not changed; to freeze it would triple what it costs."""

    id: str
    """Under which its log lines, and its error if it ends in one, are found."""
    method: str
    """The MCP method, such as `tools/call`."""
    kind: Kind | None
    """What sort of entry it is for; None: none, but a task, or whatever an extension has."""
    name: str
    """The public name (or URI, or URI template) of the entry it is for, or the task's id, or the method's."""
    params: Json
    """As the caller sent them, public name included."""
    caller: Caller
    catalog: Catalog
    """The catalog at the moment the call came in: it does not change under a call."""
    begun: Begun | None = None
    """It was sent already, as this: what is left is to await its answer, and all that may come of it."""


Handler = Callable[[Call], Awaitable[Json]]
"""Takes a Call to its result, raw. The router is one, a composed pipeline is one, a test's lambda is one."""

Interceptor = Callable[[Call, Handler], Awaitable[Json]]
"""Wraps every Call: refuse by raising, rewrite by `call_next(replace(call, ...))`, observe around it."""


def compose(interceptors: Sequence[Interceptor], innermost: Handler) -> Handler:
    """One Handler of a chain, given outermost first, around `innermost`."""
    handler = innermost
    for interceptor in reversed(interceptors):
        handler = _around(interceptor, handler)
    return handler


def _around(interceptor: Interceptor, call_next: Handler) -> Handler:
    def handler(call: Call) -> Awaitable[Json]:
        return interceptor(call, call_next)

    return handler
