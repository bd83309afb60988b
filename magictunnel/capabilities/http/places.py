"""Where a request goes: scheme, host and port as the file says them, and the path and query that stand behind. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote, unquote

PORTS = {"http": 80, "https": 443}
_PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_SHIELD = re.compile(r"\0(\d+)\0")
_ABSOLUTE = re.compile(
    r"(?P<scheme>[^/?#]*?)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]*)?(?P<rest>#.*)?"
)
_RELATIVE = re.compile(r"(?P<path>[^?#]*)(?P<query>\?[^#]*)?(?P<rest>#.*)?")
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~-]|[^\x00-\x7f])+)(?::(?P<port>\d{1,5}))?")
_CONTROL = re.compile(r"[\x00-\x20\x7f\\]")
_IN_PATH = "/%:@!$&'()*+,;=~"
_IN_QUERY = "/?%:@!$&'()*+,;=~"


class Misplaced(ValueError):
    """A URL of a file cannot be used."""


class Origin(NamedTuple):
    """Scheme, host (ASCII, without brackets) and port."""

    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        """Host, and port where it is not the ordinary one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}"


class Place(NamedTuple):
    """A URL of a file, taken apart; path and query may hold placeholders."""

    origin: Origin
    path: str
    query: str
    """Without its `?`."""


def place_of(url: str, base: str | None = None) -> Place:
    """Where `url` leads, which may stand behind `base`.

    Raises:
        Misplaced: it is no URL that a file may have.
    """
    shielded, placeholders = _shielded(url)
    if not _scheme_in(shielded):
        if base is None:
            raise Misplaced(f"{_short(url)} is no absolute URL, and the file has no `http.base_url`")
        shielded = _behind(base, shielded)
    found = _ABSOLUTE.fullmatch(shielded)
    assert found is not None, shielded
    if found["rest"]:
        raise Misplaced(f"{_short(url)} has a fragment (`#...`), which is never sent")
    path = found["path"] or "/"
    if any(is_dots(segment) for segment in path.split("/")):
        raise Misplaced(f"{_short(url)} has `.` or `..` in its path")
    query = (found["query"] or "").removeprefix("?")
    unshield = _unshielding(placeholders)
    origin = _origin(found["scheme"], found["authority"], url)
    return Place(origin, unshield(quote(path, safe=_IN_PATH + "\0")), unshield(quote(query, safe=_IN_QUERY + "\0")))


def pairs_in(query: str) -> tuple[tuple[str, str], ...]:
    """Names and values of a query, as they are written."""
    apart = (one.partition("=") for one in query.split("&") if one)
    return tuple((name, value) for name, _, value in apart)


def pieces(template: str) -> list[str]:
    """Text and placeholders in turns: the odd ones are expressions, without their braces."""
    return _PLACEHOLDER.split(template)


def is_dots(segment: str) -> bool:
    """Whether a segment of a path means another place, to whoever decodes it first."""
    return unquote(segment).partition(";")[0] in (".", "..")  # some take what follows a `;` for parameters


def climbs(text: str) -> bool:
    """Whether one of the segments that `text` might be taken for is `.` or `..`."""
    return any(is_dots(part) for part in re.split(r"[/\\]", unquote(text)))


def _shielded(url: str) -> tuple[str, list[str]]:
    """`url` with each placeholder replaced by its number, so that what is in it is not taken for the URL's."""
    if _CONTROL.search(_PLACEHOLDER.sub("", url)):
        raise Misplaced(f"{_short(url)} has white space, a control character or a backslash in it")
    placeholders: list[str] = []

    def replaced(found: re.Match[str]) -> str:
        placeholders.append(found[0])
        return f"\0{len(placeholders) - 1}\0"

    return _PLACEHOLDER.sub(replaced, url), placeholders


def _unshielding(placeholders: list[str]) -> Callable[[str], str]:
    return lambda text: _SHIELD.sub(lambda found: placeholders[int(found[1])], text)


def _scheme_in(url: str) -> bool:
    return _ABSOLUTE.fullmatch(url) is not None


def _behind(base: str, rest: str) -> str:
    """The path of `rest` appended to that of `base`."""
    found = None if _CONTROL.search(base) else _ABSOLUTE.fullmatch(base)
    if found is None or "{{" in base:
        raise Misplaced(f"`http.base_url`: {_short(base)} is no absolute URL without placeholders")
    if found["query"] or found["rest"]:
        raise Misplaced("`http.base_url` has a query or a fragment, which belongs to the single tools")
    relative = _RELATIVE.fullmatch(rest)
    assert relative is not None, rest
    start = f"{found['scheme']}://{found['authority']}{found['path'].rstrip('/')}"
    path = relative["path"].lstrip("/")
    middle = f"/{path}" if path or relative["path"] else (found["path"] or "/")[len(found["path"].rstrip("/")) :]
    return start + middle + rest[len(relative["path"]) :]


def _origin(scheme: str, authority: str, url: str) -> Origin:
    if "\0" in scheme + authority:
        raise Misplaced(f"{_short(url)} has a placeholder in its scheme, host or port, which only the file may choose")
    if scheme.lower() not in PORTS:
        raise Misplaced(f"{_short(url)} is neither http:// nor https://")
    if "@" in authority:
        raise Misplaced("a URL has a user or a password in it: give them by `auth`")
    found = _AUTHORITY.fullmatch(authority)
    port = int(found["port"] or PORTS[scheme.lower()]) if found else 0
    if found is None or not 0 < port < 1 << 16:
        raise Misplaced(f"{_short(url)} has no host and port that can be reached")
    return Origin(scheme.lower(), _ascii(found["host"], url), port)


def _ascii(host: str, url: str) -> str:
    """`host` as it is resolved and compared."""
    if host.isascii():
        return host.strip("[]").lower()
    import httpx2  # takes long to import, and is needed for names in other scripts only

    try:
        return httpx2.URL(f"http://{host}").raw_host.decode()
    except (httpx2.InvalidURL, UnicodeError) as error:
        raise Misplaced(f"{_short(url)} has a host that is no name: {error}") from error


def _short(url: str) -> str:
    return repr(url.split("?")[0][:100])
