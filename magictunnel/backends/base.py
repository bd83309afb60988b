"""Backend: the one Protocol of everything that offers tools, prompts or resources."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from magictunnel.backends.stats import Stats
from magictunnel.backends.turns import Turns
from magictunnel.catalog.model import Json, Kind
from magictunnel.config.model import DEFAULT_ASK_TIMEOUT, Era
from magictunnel.errors import StartFailure
from magictunnel.wire.audience import Audience
from magictunnel.wire.begun import Begun
from magictunnel.wire.caller import Caller


class Phase(StrEnum):
    """How far a backend got; a failure is told with the phase it happened in."""

    RESOLVE = "resolve"
    LAUNCH = "launch"
    CONNECT = "connect"
    HANDSHAKE = "handshake"
    LIST = "list"
    SERVE = "serve"


AtPhase = Callable[[Phase], None]


US = Caller("magictunnel")
"""Who asks when nobody does: our own listings and subscriptions."""


@dataclass(slots=True)
class Request:
    """One request to a backend, in its own names, and whom it is for. It is not changed."""

    method: str
    params: Json
    caller: Caller = US
    as_task: bool = False
    """Whether it is for a tool of the handshake era that runs only as a task."""
    on_queued: Callable[[bool], None] = lambda _is: None
    """Told when it begins, and ends, to wait for its turn."""


class Topic(NamedTuple):
    """One thing of a backend of which somebody may want to hear."""

    what: str
    """`resourceSubscriptions` or `taskIds`: the field by which a listen stream asks for it."""
    name: str
    """The URI of a resource, or the id of a task, as its backend knows it."""

    @property
    def filters(self) -> Json:
        """What a listen stream is to tell, for this alone."""
        return {self.what: [self.name]}

    def is_in(self, filters: Any) -> bool:
        """Whether a listen stream that tells `filters` tells of it."""
        listed = filters.get(self.what) if isinstance(filters, dict) else None
        return isinstance(listed, list) and self.name in listed


def resource(uri: str) -> Topic:
    """Updates of one resource."""
    return Topic("resourceSubscriptions", uri)


def task(task_id: str) -> Topic:
    """The state of one task."""
    return Topic("taskIds", task_id)


class Neighbours(Protocol):
    """What a connection needs of the clients' side."""

    async def told(self, followed: Topic | None, method: str, params: Json, /) -> None:
        """Something happened to what somebody may follow; `followed`: to which of it, where that is known."""
        ...

    def whose_task(self, task_id: str, /) -> Caller | None:
        """The session that started a task."""
        ...


class _NoNeighbours:
    async def told(self, *_news: object) -> None:
        return None

    def whose_task(self, _task_id: str) -> Caller | None:
        return None


NO_NEIGHBOURS: Neighbours = _NoNeighbours()


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a connection is opened: the era to speak, and whom it serves."""

    era: Era = Era.AUTO
    """The only era that will do, where the server's config leaves it open; `auto`: whichever it speaks."""
    handshake_first: bool = False
    """Whether to try the handshake before the stateless era."""
    audience: Audience = field(default_factory=Audience)
    """The clients that may be asked and told things over it."""
    neighbours: Neighbours = NO_NEIGHBOURS
    ask_timeout: float = DEFAULT_ASK_TIMEOUT
    """Seconds for the answer to a question that belongs to no call."""
    stats: Stats = field(default_factory=Stats)
    """Where its calls are counted."""
    turns: Turns | None = None
    """What its calls wait for before they are sent; None: nothing."""
    patience: Callable[[], float] | None = None
    """Seconds to wait for a sign of life, if they may change while it is open."""
    unfit: Callable[[str], None] = lambda _why: None
    """Told, at once, that it can carry no new call, and why."""


ANY_TERMS = Terms()


class AddressTaken(Exception):
    """Somebody else answers where a server that we start is to listen; it would be taken for ours."""


class LinkLost(Exception):
    """The connection is over."""


class Link(Protocol):
    """One open connection to a backend."""

    @property
    def era(self) -> str:
        """The protocol revision in use, or how else it is reached."""
        ...

    @property
    def capabilities(self) -> Json:
        """The server capabilities it advertised."""
        ...

    @property
    def instructions(self) -> str: ...

    @property
    def stateless(self) -> bool:
        """Whether it belongs to the stateless era."""
        ...

    @property
    def may_speak_other_era(self) -> bool:
        """Whether the server may speak the other era as well: it was not asked, or did not refuse."""
        ...

    @property
    def hints(self) -> Mapping[Kind, Json]:
        """What the server said of keeping the lists that were asked for so far (`ttlMs`, `cacheScope`)."""
        ...

    @property
    def declared(self) -> Json | None:
        """The client capabilities that the server was told of for good; None: it is told with each request."""
        ...

    @property
    def sessions_are_cheap(self) -> bool:
        """Whether another session with this server needs no other process."""
        ...

    @property
    def heard(self) -> int:
        """How many messages have come from the server so far."""
        ...

    @property
    def changes(self) -> int:
        """How often the server has said so far that it offers something else."""
        ...

    @property
    def needs_no_heartbeat(self) -> bool:
        """Whether nothing is kept between two calls that could die unnoticed."""
        ...

    async def ping(self) -> None:
        """Have the server give a sign of life.

        Raises:
            CallError: it answered with an error, or the connection is over.
        """
        ...

    async def list(self, kind: Kind) -> Sequence[Json]:
        """Every definition of one kind, all pages."""
        ...

    async def request(self, request: Request) -> Json:
        """Send one request and return its result as it came.

        Raises:
            BackendUnavailable: the connection has ended; nothing was sent.
            BackendError: the backend's own JSON-RPC error.
            OutcomeUnknown: the connection broke after the request was sent.
            BadParams: it continues a call that the server cannot know, or cannot be written as JSON; nothing was sent.
            CannotAsk, AnswerError: what the server wanted to know of the caller was not answered.
        """
        ...

    def begin(self, begun: Begun, params: Json, *, runs_as_task: bool) -> bool:
        """Send a request at once, whose answer `begun` takes. False: something would have to be waited for, or seen to;
        nothing was sent. `runs_as_task`: it is for a tool of the handshake era that runs only so.

        Raises:
            BadParams: as `request` does.
        """
        ...

    async def follow(self, topic: Topic) -> None:
        """Have the server tell of it from now on; that goes to `Terms.neighbours`.

        Raises:
            CallError: it refused.
        """
        ...

    async def forget(self, topic: Topic) -> None:
        """Hear no more of it."""
        ...

    async def settle_level(self) -> None:
        """Have the server send the log messages that the audience wants now."""
        ...

    async def tell(self, method: str, params: Json) -> None:
        """Send the server a notification."""
        ...

    async def changed(self) -> frozenset[Kind]:
        """Wait for the backend to say that it offers something else now; which kinds are to be listed again.

        Raises:
            LinkLost: the connection is over.
        """
        ...

    def mark(self, kinds: frozenset[Kind]) -> None:
        """Have `changed` tell of these kinds: it was learned otherwise."""
        ...


class Backend(Protocol):
    """Anything that offers tools, prompts or resources."""

    @property
    def name(self) -> str: ...

    def connect(self, at: AtPhase, terms: Terms = ANY_TERMS) -> AbstractAsyncContextManager[Link]:
        """Open a connection, telling `at` of each phase it enters; it is closed when the block ends.

        The block is entered and left by one task. It may be opened again after it ended.
        """
        ...

    def explain(self, phase: Phase, error: BaseException) -> StartFailure:
        """Why the connection failed in `phase`, in words for the person who runs it."""
        ...
