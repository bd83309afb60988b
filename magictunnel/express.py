"""Express: how a call is begun that needs nobody to wait for it. See `wire.begun`.

It does what the pipeline and the router do for a call that is sent at once and answered with a result; all else is
theirs, and a call that was begun becomes theirs as soon as there is more to it.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

from magictunnel.backends.envelope import inner_result
from magictunnel.backends.pool import Pool
from magictunnel.catalog.find import MAX_NAME, find
from magictunnel.catalog.links import Place
from magictunnel.catalog.live import LiveCatalog
from magictunnel.catalog.model import Allows, Catalog, Json, Kind
from magictunnel.catalog.tasks import RELATED, created_task
from magictunnel.pipeline import INTERCEPTORS
from magictunnel.pipeline.log import is_wanted, log, outcome_of, say
from magictunnel.router import Addressed, LimitsOf, runs_only_as_task
from magictunnel.telemetry import call_id
from magictunnel.wire.begun import PATIENCE, Begun
from magictunnel.wire.caller import Caller

_KINDS = {"tools/call": Kind.TOOL, "prompts/get": Kind.PROMPT, "resources/read": Kind.RESOURCE}
_KEYS = {method: kind.key for method, kind in _KINDS.items()}
_MAX_ROUTES = 10_000
_NONE: Json = {}

Outward = Callable[[Addressed, Place, Json], Json]
"""Makes what is named in a result lead back to where it came from."""


class Route(NamedTuple):
    """Where all calls lead of those with equal rights, by one name. See `router.Addressed`."""

    kind: Kind
    key: str
    """By which the params name it."""
    name: str
    catalog: Catalog
    place: Place
    runs_only_as_task: bool


class Short(Begun):
    """A call that was begun, and where it leads."""

    __slots__ = ("route",)

    route: Route


class Express:
    """Begins calls, and makes results of their answers."""

    def __init__(self, live: LiveCatalog, pool: Pool, outward: Outward, limits_of: LimitsOf) -> None:
        """`outward`: see `Router.outward`."""
        self._live = live
        self._pool = pool
        self._outward = outward
        self._limits_of = limits_of
        self._catalog = live.current
        self._routes: dict[tuple[Allows, str, str], Route] = {}
        self.is_open = tuple(INTERCEPTORS) == (log,)
        """Whether the pipeline does no more than is done here: any other interceptor may have a say in every call."""

    def begin(self, call: Short, method: str, params: Json, caller: Caller) -> bool:
        """Send a call of a tool, or for a prompt or a resource. False: nothing was sent, it is to be made as all are.

        Raises:
            BadParams: it cannot be written. Nothing was sent.
        """
        route = self._route(method, params, caller.allows) if self.is_open and _is_alone(params) else None
        if route is None:
            return False
        place = route.place
        link = self._pool.link_now(place.backend, caller)
        if link is None or self._limits_of(place.backend, route.kind, place.uri).timeout <= PATIENCE:
            return False
        if route.name != place.uri:
            params = {**params, route.key: place.uri}
        call.method, call.caller, call.route, call.place, call.catalog = method, caller, route, place, route.catalog
        return link.begin(call, params, runs_as_task=route.runs_only_as_task)

    def result(self, call: Short, answer: Json) -> Json | None:
        """What the caller is told, in no era's terms; None: a task was created, of which more is to be kept."""
        answer = inner_result(answer)
        return None if created_task(answer) else self._outward(call.route, call.place, answer)

    def over(self, call: Short, result: Json) -> None:
        """It is answered."""
        call.carrier.over(call)
        if is_wanted():
            seconds = monotonic() - call.started
            say(call_id(), call.method, call.route.name, call.caller.name, outcome_of(result), seconds)

    def _route(self, method: str, params: Json, allows: Allows) -> Route | None:
        key = _KEYS[method]
        name = params.get(key)
        if not isinstance(name, str):
            return None
        catalog = self._live.current
        if catalog is not self._catalog or len(self._routes) > _MAX_ROUTES:
            self._catalog = catalog
            self._routes.clear()
        route = self._routes.get((allows, method, name))
        if route is None and len(name) <= MAX_NAME and (entry := find(catalog, _KINDS[method], name, allows)):
            place = Place(entry.backend, entry.original)
            route = Route(_KINDS[method], key, name, catalog, place, runs_only_as_task(entry))
            self._routes[allows, method, name] = route
        return route


def _is_alone(params: Json) -> bool:
    """Whether these are the params of a call in order that goes on with none before it, and belongs to no task."""
    meta, arguments = params.get("_meta", _NONE), params.get("arguments")
    if not isinstance(meta, dict) or RELATED in meta:
        return False
    if arguments is not None and not isinstance(arguments, dict):
        return False
    return "requestState" not in params and "inputResponses" not in params
