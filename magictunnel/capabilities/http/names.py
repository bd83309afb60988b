"""Names that the parts of a request go out under: the file chooses them, and no argument takes one of those. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar
from urllib.parse import unquote_plus

from magictunnel.capabilities.http.styles import Pair
from magictunnel.capabilities.language.requests import Part, Style
from magictunnel.errors import RunError

P = TypeVar("P", bound=Part)


def pairs_of(
    parts: Mapping[str, P], written: Callable[[str, P], Iterable[Pair]], others: Iterable[str] = ()
) -> Iterator[Pair]:
    """What `written` makes of each part.

    `others`: names besides those of `parts` that the file gives a value.

    Raises:
        RunError: a member of an object would go out under the name of another part.
    """
    named = {*parts, *others}
    for name, part in parts.items():
        taken = _taken(named - {name})
        for key, value in written(name, part):
            if (known := unquote_plus(key)) != name:
                _refuse_taken(name, known, taken, is_deep=part.style is Style.DEEP)
            yield key, value


def _taken(names: Iterable[str]) -> set[str]:
    """Names as servers compare them: without regard to case, and with all of a list or object under one name."""
    return {one for name in names for one in (name.lower(), _base(name))}


def _refuse_taken(name: str, key: str, taken: set[str], *, is_deep: bool) -> None:
    if key.lower() in taken or (not is_deep and _base(key) in taken):
        raise RunError(
            f"{name} has a member {key[:60]!r}, and the file gives that a value itself", hint=f"leave it out of {name}"
        )


def _base(name: str) -> str:
    return name.partition("[")[0].lower()
