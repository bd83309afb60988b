"""Responses that come whole in one piece, under a head as ordinary as can be: read at a glance. Pure.

All others are the parser's; what is taken for ordinary here means the same to any reader of HTTP.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from magictunnel.wire.http1.head import Head

_END = b"\r\n\r\n"
_EVENTS = "text/event-stream"
"""What is read event by event."""
_MAX_HEAD = 2_048
"""Bytes of a head that is looked at."""
_FIRST = re.compile(rb"HTTP/1\.1 200(?: [\x20-\x7e]*)?")
_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?[ \t]*")
_LENGTH = re.compile(rb"[0-9]{1,9}")
_UNUSUAL = frozenset({b"transfer-encoding", b"upgrade", b"trailer", b"content-encoding"})


class _Ordinary(NamedTuple):
    head: Head
    length: int
    """Bytes of its body."""


def whole(data: bytes) -> tuple[Head, bytes] | None:
    """The head and the body of a response which `data` is, and after which its connection is kept."""
    at = data.find(_END, 0, _MAX_HEAD)
    found = _ordinary(data[:at]) if at >= 0 else None
    if found is None or at + len(_END) + found.length != len(data):
        return None
    return found.head, data[at + len(_END) :]


@lru_cache(maxsize=256)
def _ordinary(head: bytes) -> _Ordinary | None:
    """Servers answer with the same head again and again, for a second at least."""
    first, *lines = head.split(b"\r\n")
    fields: dict[bytes, bytes] = {}
    for line in lines:
        found = _LINE.fullmatch(line)
        if found is None or (name := found.group(1).lower()) in fields:
            return None
        fields[name] = found.group(2) or b""
    length = fields.get(b"content-length", b"")
    is_kept = fields.get(b"connection", b"keep-alive").lower() == b"keep-alive"
    if not (is_kept and _FIRST.fullmatch(first) and _LENGTH.fullmatch(length) and _UNUSUAL.isdisjoint(fields)):
        return None
    ordinary = _Ordinary(Head(200, fields), int(length))
    return None if ordinary.head.content_type.startswith(_EVENTS) else ordinary
