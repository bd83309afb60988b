"""Caller: who asks, what it can be asked in return, and the ways to tell it things and to ask it back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from magictunnel.catalog.model import Allows, Json, everything
from magictunnel.errors import CannotAsk

QUESTIONS: Mapping[str, str] = {
    "elicitation/create": "elicitation",
    "sampling/createMessage": "sampling",
    "roots/list": "roots",
}
"""What a server may ask a client, and the client capability that answers it."""

LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""Severities of log messages, ascending (RFC 5424)."""


class Back(Protocol):
    """The ways back to the caller of one request; the same for a client of either era."""

    async def tell(self, method: str, params: Json) -> None:
        """Tell it something that belongs to its request. In order, and never for longer than it takes to be queued
        behind what is being told; what a client does not want, or cannot be told, is dropped.
        """
        ...

    async def ask(self, method: str, params: Json) -> Json:
        """Ask it, and wait for the answer as it came. Whoever calls bounds the wait.

        Raises:
            CannotAsk: this question cannot be put to it.
            AnswerError: it answered with an error of its own.
        """
        ...

    async def let_go(self) -> None:
        """Its answer will take a while: it need not hold a stream open for it, and can come back."""
        ...


class Nobody:
    """Ways back to a caller that cannot be reached."""

    async def tell(self, method: str, params: Json) -> None:
        """See `Back.tell`."""

    async def ask(self, method: str, params: Json) -> Json:
        """See `Back.ask`."""
        del params
        raise CannotAsk(method, "nobody is there to be asked")

    async def let_go(self) -> None:
        """See `Back.let_go`."""


NOBODY = Nobody()


@dataclass(slots=True, unsafe_hash=True)
class Caller:
    """Who asks: what it is called, what it may use, and how it is reached while its request is under way.

    It is not changed; every call makes some, and to freeze them would triple what they cost.
    """

    name: str
    session: str = ""
    """Its connection, for as long as that lasts; empty where each request stands alone."""
    stateless: bool = False
    """Whether it belongs to the stateless era: then it answers questions by repeating its request."""
    capabilities: Json = field(default_factory=dict)
    """The client capabilities it declared, as it wrote them."""
    log_level: str | None = None
    """The least severe log messages it wants; None: it never said."""
    allows: Allows = everything
    back: Back = field(default=NOBODY, compare=False)

    def with_back(self, back: Back) -> Caller:
        """The same caller, reached that way. Each call makes two, and `dataclasses.replace` takes far longer."""
        return Caller(self.name, self.session, self.stateless, self.capabilities, self.log_level, self.allows, back)

    def lacks(self, method: str, params: Json) -> str:
        """The capability that the answer to this question needs and the caller did not declare; empty if none."""
        return missing_capability(self.capabilities, method, params)

    def wants(self, level: Any) -> bool:
        """Whether a log message of this severity is for it. One that a session never asked to filter is."""
        if self.log_level is None:
            return not self.stateless
        return level not in LEVELS or LEVELS.index(level) >= LEVELS.index(self.log_level)


Rights = Callable[[Caller], Allows]
"""What a client may use, given what it says of itself. Equal rights are equal objects: they tell clients apart."""


def no_limits(_caller: Caller) -> Allows:
    """The rights of everybody where nobody's are limited."""
    return everything


def progress_token(params: Mapping[str, Any]) -> str | int | None:
    """The token under which the sender of a request wants to be told of progress; None: it does not want to be."""
    meta = params.get("_meta")
    token = meta.get("progressToken") if isinstance(meta, dict) else None
    if token is None or isinstance(token, bool):
        return None
    return token if isinstance(token, str | int) else None


def missing_capability(capabilities: Json, method: str, params: Json) -> str:
    """What `capabilities` of a client lack for this question, such as `elicitation.url`; empty if nothing."""
    name = QUESTIONS.get(method, "")
    if not name:
        return ""
    declared = capabilities.get(name)
    if not isinstance(declared, dict):
        return name
    part = _needed_part(name, params)
    if not part or part in declared or (part == "form" and "url" not in declared):
        return ""
    return f"{name}.{part}"


def _needed_part(name: str, params: Json) -> str:
    if name == "elicitation":
        return "url" if params.get("mode") == "url" else "form"
    return "tools" if name == "sampling" and ("tools" in params or "toolChoice" in params) else ""


def most_verbose(*levels: str | None) -> str | None:
    """The level that lets most through; None where none is known."""
    known = [level for level in levels if level in LEVELS]
    return min(known, key=LEVELS.index) if known else None
