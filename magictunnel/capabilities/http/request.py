"""A declared request and the arguments of a call -> what is sent. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote, unquote_plus

from magictunnel.capabilities.http.bodies import Body, body_of
from magictunnel.capabilities.http.credentials import UNSENDABLE
from magictunnel.capabilities.http.names import pairs_of
from magictunnel.capabilities.http.places import Misplaced, Origin, climbs, pieces, place_of
from magictunnel.capabilities.http.styles import (
    Pair,
    cookie_pairs,
    encoded,
    header_text,
    is_nothing,
    path_text,
    query_pairs,
)  # fmt: skip
from magictunnel.capabilities.language.expression import (
    MISSING,
    Absent,
    BadExpression,
    Scope,
    as_text,
    filled,
    value_of,
)
from magictunnel.capabilities.language.requests import Http, HttpDefaults, Part, Written
from magictunnel.errors import RunError

Expand = Callable[[str, str], str]
"""`(text, where it stands)` -> the text with its references to secrets resolved."""

_PLAIN = Written()
_MAX_TOLD = 200
"""Characters of a path that are told."""


def as_it_is(text: str, _where: str) -> str:
    """Resolves nothing: a reference stays the text that it is."""
    return text


@dataclass(frozen=True, slots=True)
class Built:
    """One request as it goes out. What is in `query` and `cookies` is encoded."""

    method: str
    origin: Origin
    path: str
    query: tuple[Pair, ...] = ()
    headers: tuple[Pair, ...] = ()
    cookies: tuple[Pair, ...] = ()
    body: bytes | None = None
    mask: Callable[[str], str] = field(default=str, compare=False, repr=False)
    """Hides secrets in what is told."""

    @property
    def target(self) -> str:
        """Path and query."""
        query = "&".join(f"{name}={value}" for name, value in self.query)
        return f"{self.path}?{query}" if query else self.path

    @property
    def url(self) -> str:
        """All of it."""
        return f"{self.origin}{self.target}"

    @property
    def lines(self) -> list[Pair]:
        """All headers that it goes out with, apart from those of the transport."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies)
        return [*self.headers, ("Cookie", cookies)] if cookies else list(self.headers)

    @property
    def told(self) -> str:
        """It in a message: neither query nor scheme, where secrets and boredom are."""
        return f"{self.method} {self.origin.netloc}{self.mask(self.path)[:_MAX_TOLD]}"

    def having(self, query: Iterable[Pair] = (), headers: Iterable[Pair] = (), cookies: Iterable[Pair] = ()) -> Built:
        """The same with these, which take the place of those of the same name."""
        return replace(
            self,
            query=_over(self.query, tuple(query)),
            headers=_over(self.headers, tuple(headers), str.lower),
            cookies=_over(self.cookies, tuple(cookies)),
        )


def built(http: Http, defaults: HttpDefaults, scope: Scope, expand: Expand = as_it_is) -> Built:
    """What `http` sends for the arguments in `scope`.

    Raises:
        RunError: something in it is missing, or cannot be sent.
        MagicTunnelError: as `expand`.
    """
    fill = _Filler(scope, expand)
    try:
        base = defaults.base_url and expand(defaults.base_url, "http.base_url")
        place = place_of(expand(http.url, "url"), base)
        body = body_of(http, fill.part, fill.template)
        return Built(
            http.method,
            place.origin,
            fill.path(place.path, http.path),
            fill.query(tuple(fill.fixed_query(place.query)), http.query),
            tuple(fill.headers(defaults.headers, http.headers, body)),
            tuple(fill.cookies(http.cookies)),
            body.data if body else None,
        )
    except Absent as error:
        raise RunError(f"{error.name} is missing, and the request needs it", hint=f"give {error.name}") from error
    except (Misplaced, BadExpression) as error:
        raise RunError(f"the request cannot be made: {error}", hint="correct the capability file") from error
    except UnicodeEncodeError as error:
        raise RunError("a value has half a character (a lone surrogate) in it", hint="give whole characters") from error


class _Filler:
    """Fills the parts of one request."""

    def __init__(self, scope: Scope, expand: Expand) -> None:
        self._scope = scope
        self._expand = expand

    def template(self, template: Any, where: str) -> Any:
        return filled(_expanded(template, where, self._expand), self._scope)

    def part(self, part: Part, where: str) -> Any:
        return self.template(part.value, where)

    def path(self, template: str, written: Mapping[str, Written]) -> str:
        return "/".join(self._segment(segment, written) for segment in _apart(template, "/"))

    def _segment(self, segment: str, written: Mapping[str, Written]) -> str:
        turns = pieces(segment)
        names = [name.strip() for name in turns[1::2]]
        turns[1::2] = [self._path_value(name, written.get(name, _PLAIN)) for name in names]
        text = "".join(turns)
        if names and (not text or climbs(text) or climbs(unquote(text))):  # some decode twice
            raise RunError(
                f"{' and '.join(names)} would lead to another place, or to none, and cannot stand in a path",
                hint="give values without `/`, `.` and `..`",
            )
        return text

    def _path_value(self, name: str, written: Written) -> str:
        value = value_of(name, self._scope)
        if value is MISSING or value is None:
            raise Absent(name)
        plain = as_text(value)
        if is_nothing(value) or value == "" or climbs(plain) or any(climbs(one) for one in _texts(value)):
            raise RunError(
                f"{name} is {plain[:60]!r}, which cannot stand in a path", hint=f"give another value for {name}"
            )
        return path_text(name, value, written.style, written.explode)

    def fixed_query(self, template: str) -> Iterator[Pair]:
        for one in filter(None, _apart(template, "&")):
            turns = pieces(one)
            for at in range(1, len(turns), 2):
                value = value_of(turns[at], self._scope)
                if value is MISSING:
                    raise Absent(turns[at].strip())
                turns[at] = encoded(as_text(value))
            name, _, value = "".join(turns).partition("=")
            yield name, value

    def query(self, fixed: tuple[Pair, ...], parts: Mapping[str, Part]) -> tuple[Pair, ...]:
        """`fixed`: what stands in the URL."""

        def written(name: str, part: Part) -> list[Pair]:
            value = self.part(part, f"query.{name}")
            return query_pairs(name, value, part.style, part.explode, reserved=part.reserved)

        return (*fixed, *pairs_of(parts, written, [unquote_plus(name) for name, _ in fixed]))

    def headers(self, defaults: Mapping[str, str], parts: Mapping[str, Part], body: Body | None) -> list[Pair]:
        """Those of the tool before those of the body and the file."""
        own = [(name, text) for name, part in parts.items() if (text := self._header(name, part)) is not None]
        common = [
            (name, _sendable(name, self._expand(text, f"http.headers.{name}"))) for name, text in defaults.items()
        ]
        if body is None:
            return list(_over(tuple(common), tuple(own), str.lower))
        typed = _over(tuple(common), (("Content-Type", body.content_type),), str.lower)
        return list(_over(typed, tuple(own), str.lower))

    def _header(self, name: str, part: Part) -> str | None:
        value = self.part(part, f"headers.{name}")
        if value is MISSING or value is None:
            return None
        return _sendable(name, header_text(value, part.style, part.explode))

    def cookies(self, parts: Mapping[str, Part]) -> Iterator[Pair]:
        def written(name: str, part: Part) -> list[Pair]:
            return cookie_pairs(name, self.part(part, f"cookies.{name}"), part.style, part.explode)

        return pairs_of(parts, written)


def _sendable(name: str, text: str) -> str:
    if found := UNSENDABLE.search(text):
        raise RunError(
            f"header {name} cannot carry the character {found[0]!r}", hint="give it without line ends, in Latin-1"
        )
    return text.strip()


def _expanded(template: Any, where: str, expand: Expand) -> Any:
    """`template` with the references in its texts resolved."""
    if isinstance(template, str):
        return expand(template, where) if "${" in template else template
    if isinstance(template, Mapping):
        return {key: _expanded(one, where, expand) for key, one in template.items()}
    if isinstance(template, list | tuple):
        return [_expanded(one, where, expand) for one in template]
    return template


def _texts(value: Any) -> Iterator[str]:
    """Each of several values of one place."""
    if isinstance(value, Mapping):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return
    yield from map(as_text, value)


def _apart(template: str, between: str) -> list[str]:
    """`template` cut at `between`, where that does not stand in a placeholder."""
    if not template:
        return []
    cut = [""]
    for at, piece in enumerate(pieces(template)):
        if at % 2:
            cut[-1] += "{{" + piece + "}}"
        else:
            first, *others = piece.split(between)
            cut[-1] += first
            cut += others
    return cut


def _over(old: tuple[Pair, ...], new: tuple[Pair, ...], key: Callable[[str], str] = str) -> tuple[Pair, ...]:
    if not new:
        return old
    replaced = {key(name) for name, _ in new}
    return (*(pair for pair in old if key(pair[0]) not in replaced), *new)
