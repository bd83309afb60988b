"""What a generator comes to: the content of a capability file, and what could not be made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from magictunnel.catalog.model import Json

Progress = Callable[[str, int, int], None]
"""`(what, done, of)`: told now and then, for whoever watches."""


def silent(_what: str, _done: int, _of: int) -> None:
    """Progress that nobody sees."""


def not_public(url: str) -> str:
    """The note on an API that is reached only where the file says that it may be."""
    return f"{url} is not public: say `allow_private: true` under `http` to let it be reached"


@dataclass(frozen=True, slots=True)
class Made:
    """One tool that was made."""

    name: str
    what: str
    """Of what, such as `GET /pets/{petId}` or `query user`."""
    tool: Json
    """As it stands in the file."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something no tool was made of, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Generated:
    """What came of one description."""

    file: Json
    """The content of a capability file, with all tools."""
    made: tuple[Made, ...]
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    """What a person should know or set, such as the variables that credentials refer to."""
