"""The heads of HTTP requests, as far as they have to be read, and of our own answers. Pure.

Only what is as ordinary as can be is understood. All else is somebody else's to read, so nothing has to be guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from mcp.shared.inbound import MCP_METHOD_HEADER, MCP_NAME_HEADER, MCP_PARAM_HEADER_PREFIX, MCP_PROTOCOL_VERSION_HEADER

MAX_HEAD = 16 * 1024
"""Bytes of a head that is looked at; a longer one is answered wherever it came in."""
START = b"POST /mcp HTTP/1.1\r\n"
"""What a hot request begins with."""
END = b"\r\n\r\n"
"""What a head ends with."""
_LINE = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*"
    rb"([\x21-\x7e\x80-\xff](?:[\x20-\x7e\x80-\xff\t]*[\x21-\x7e\x80-\xff])?)?[ \t]*"
)
_FIRST_LINE = re.compile(rb"[A-Z]{3,7} [\x21-\x7e]+ HTTP/1\.1\r\n")
_BEGUN = re.compile(rb"[A-Z]{1,7}(?: [\x21-\x7e]*(?: [HTP/.0-9]*\r?)?)?")
_UPGRADE = re.compile(rb"\r\n(?:upgrade|http2-settings):[^\r\n]*", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,15})[ \t]*(?=\r\n|$)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_CONNECTION = re.compile(rb"\r\nconnection:[^\r\n]*", re.IGNORECASE)
_PARAM = MCP_PARAM_HEADER_PREFIX.lower().encode()
_NAMING = (MCP_NAME_HEADER.encode(), _PARAM)
_ROUTING = (MCP_PROTOCOL_VERSION_HEADER, MCP_METHOD_HEADER, MCP_NAME_HEADER)
_LOOPBACK = re.compile(rb"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?")
_UNUSUAL = frozenset({b"origin", b"transfer-encoding", b"expect", b"content-encoding", b"trailer", b"te"})


class Head(NamedTuple):
    """What the head of a hot request says."""

    length: int
    """Bytes of its body."""
    version: str
    """Of the protocol; empty where it does not say."""
    session: str
    """The id of its session of the handshake era; empty where it names none."""
    routing: Mapping[str, str]
    """The headers by which requests of the stateless era are routed, by name in lower case."""
    mirrors: bool
    """Whether arguments stand in it."""


def is_unfinished(data: bytes) -> bool:
    """Whether a request begins with `data` whose head may still come whole."""
    if len(data) >= MAX_HEAD or END in data or data.count(b"\n") != data.count(b"\r\n"):
        return False
    return bool(_FIRST_LINE.match(data) if b"\n" in data else _BEGUN.fullmatch(data))


def length_of(head: bytes) -> int | None:
    """Bytes of the body that follows this head (without its end); None: they are not to be known from it."""
    lengths = _LENGTH.findall(head)
    if _CHUNKED.search(head) or len(lengths) > 1:
        return None
    return int(lengths[0]) if lengths else 0


def without_upgrade(data: bytes) -> bytes:
    """A request without its wish for another protocol, of which we have none: that may be overlooked (RFC 9110, 7.8),
    while uvicorn's parser stops where the other protocol would begin.
    """
    end = data.find(END, 0, MAX_HEAD)
    if end < 0 or _UPGRADE.search(data, 0, end) is None:
        return data
    is_last = b"close" in b"".join(_CONNECTION.findall(data[:end])).lower()
    head = _CONNECTION.sub(b"", _UPGRADE.sub(b"", data[:end]))
    return head + (b"\r\nConnection: close" if is_last else b"") + data[end:]


@lru_cache(1_024)
def head_of(lines: bytes) -> Head | None:
    """What the header lines of a request say, if they are ordinary; clients write the same ones again and again."""
    headers: dict[bytes, bytes] = {}
    for line in lines.split(b"\r\n"):
        found = _LINE.fullmatch(line)
        if found is None or (name := found.group(1).lower()) in headers:
            return None
        headers[name] = found.group(2) or b""
    length = headers.get(b"content-length", b"")
    if not _is_ordinary(headers) or not length.isdigit() or len(length) > 9:
        return None
    named = {name: headers[key] for name in _ROUTING if (key := name.encode()) in headers}
    mirrored = [value for name, value in headers.items() if name.startswith(_PARAM)]
    if not all(map(bytes.isascii, (*named.values(), *mirrored))):  # what is not is written in base64
        return None
    routing = {name: value.decode("ascii") for name, value in named.items()}
    session = headers.get(b"mcp-session-id", b"").decode("latin-1")
    mirrors = bool(mirrored)
    return Head(int(length), routing.get(MCP_PROTOCOL_VERSION_HEADER, ""), session, routing, mirrors)


def _is_ordinary(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request is meant for us, by no page of another site, is JSON, and takes an answer of either kind."""
    accepted = {part.split(b";")[0].strip().lower() for part in headers.get(b"accept", b"").split(b",")}
    options = {part.strip().lower() for part in headers.get(b"connection", b"").split(b",")}
    return (
        _UNUSUAL.isdisjoint(headers)
        and options <= {b"", b"keep-alive", b"upgrade", b"http2-settings"}
        and _LOOPBACK.fullmatch(headers.get(b"host", b"")) is not None
        and headers.get(b"content-type", b"").split(b";")[0].strip().lower() == b"application/json"
        and accepted >= {b"application/json", b"text/event-stream"}
    )


def trimmed(raw: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Headers without white space around their values, which belongs to none of them; one parser leaves it there."""
    return [(name, value.strip(b" \t")) for name, value in raw]


def is_sound(headers: Sequence[tuple[bytes, bytes]], version: str) -> bool:
    """Whether a request says to whom it is (RFC 9112, 3.2), and names and arguments in ASCII: others are written in
    base64 there, and the SDK stumbles over what is neither.

    `headers`: names in lower case. `version`: of HTTP.
    """
    has_host = any(name == b"host" for name, _ in headers) or version != "1.1"
    return has_host and all(value.isascii() for name, value in headers if name.startswith(_NAMING))


class CommonLines:
    """The header lines that uvicorn gives all answers; it makes a new list each second."""

    def __init__(self) -> None:
        self._known: object = None
        self._lines = b""

    def of(self, known: Iterable[tuple[bytes, bytes]]) -> bytes:
        """These, as lines."""
        if self._known is not known:
            self._known, self._lines = known, b"".join(name + b": " + value + b"\r\n" for name, value in known)
        return self._lines


def response(status: bytes, more: bytes, session: str, length: int) -> bytes:
    """The head of a JSON answer; `more`: header lines that all answers have."""
    return _response(status, more, session) + b"%d\r\n\r\n" % length


@lru_cache(1_024)
def _response(status: bytes, more: bytes, session: str) -> bytes:
    """The same but for the length: clients call again and again, and `more` changes once a second."""
    named = b"mcp-session-id: " + session.encode("latin-1") + b"\r\n" if session else b""
    return b"HTTP/1.1 " + status + b"\r\n" + more + named + b"content-type: application/json\r\ncontent-length: "
