"""Backend: the one Protocol of everything that offers tools, prompts or resources."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from magictunnel.catalog.model import Json, Kind
from magictunnel.errors import StartFailure
from magictunnel.wire.tell import OnProgress


class Phase(StrEnum):
    """How far a backend got; a failure is told with the phase it happened in."""

    RESOLVE = "resolve"
    LAUNCH = "launch"
    CONNECT = "connect"
    HANDSHAKE = "handshake"
    LIST = "list"
    SERVE = "serve"


AtPhase = Callable[[Phase], None]


@dataclass(frozen=True, slots=True)
class Request:
    """One request to a backend, in its own names, and what it may know and use of the caller."""

    method: str
    params: Json
    capabilities: Json = field(default_factory=dict)
    """The client capabilities that this caller has, for backends that are told per request."""
    on_progress: OnProgress | None = None


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

    async def list(self, kind: Kind) -> Sequence[Json]:
        """Every definition of one kind, all pages."""
        ...

    async def request(self, request: Request) -> Json:
        """Send one request and return its result as it came.

        Raises:
            BackendUnavailable: the connection has ended; nothing was sent.
            BackendError: the backend's own JSON-RPC error.
            OutcomeUnknown: the connection broke after the request was sent.
        """
        ...

    async def changed(self) -> frozenset[Kind]:
        """Wait for the backend to say that it offers something else now; which kinds are to be listed again.

        Raises:
            LinkLost: the connection is over.
        """
        ...


class Backend(Protocol):
    """Anything that offers tools, prompts or resources."""

    @property
    def name(self) -> str: ...

    def connect(self, at: AtPhase) -> AbstractAsyncContextManager[Link]:
        """Open a connection, telling `at` of each phase it enters; it is closed when the block ends.

        The block is entered and left by one task. It may be opened again after it ended.
        """
        ...

    def explain(self, phase: Phase, error: BaseException) -> StartFailure:
        """Why the connection failed in `phase`, in words for the person who runs it."""
        ...
