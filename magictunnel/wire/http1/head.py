"""The heads of requests, as bytes that hold no more than they are meant to; and what heads of responses say. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from magictunnel.wire.http1.address import Address

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_TARGET = re.compile(r"[\x21-\x7e]+")
_FRAMING = frozenset(
    {"content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade", "expect"}
)
"""What says where a message ends, or what becomes of its connection: ours to say."""
_IDENTITY = ("accept-encoding", "identity")
"""Bodies come as they are: there is nothing here that could unpack them."""
AGENT = "magictunnel"


class BadHeader(ValueError):
    """A header that HTTP does not allow."""


class Fields(dict[str, str]):
    """Headers that many messages have in common. What was made of them is found by who they are, not by what they say:
    of equal ones each is looked up by itself. They are never changed.
    """

    __slots__ = ()
    __hash__ = object.__hash__  # type: ignore[assignment]


@lru_cache(maxsize=256)
def field_line(name: str, value: str) -> str:
    """One line of a head.

    Raises:
        BadHeader: it has characters that would make another head of it, or that nobody can read.
    """
    if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
        raise BadHeader(f"the header {name!a:.80} has characters that HTTP does not allow")
    return f"{name}: {value.strip()}\r\n"


def start_of_head(method: str, address: Address, configured: Mapping[str, str]) -> str:
    """What all requests of this method to this address begin with: the request line, and what a person has configured.

    Raises:
        BadHeader: see `field_line`.
    """
    if not _TARGET.fullmatch(address.target):
        raise BadHeader("the URL has characters that HTTP does not allow")
    fields = {"host": address.netloc, "user-agent": AGENT}
    if address.authorization:
        fields["authorization"] = address.authorization
    fields |= {name.lower(): value for name, value in configured.items() if name.lower() not in _FRAMING}
    fields |= [_IDENTITY]
    lines = "".join(field_line(name, value) for name, value in fields.items())
    return f"{method} {address.target} HTTP/1.1\r\n{lines}"


def without(configured: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """`configured` without what the protocol says itself."""
    own = {name.lower() for name in names}
    return {name: value for name, value in configured.items() if name.lower() not in own}


def head(start: str, fields: Mapping[str, str], length: int | None) -> bytes:
    """A whole head; `length`: bytes of the body that follows, None where there is none.

    Raises:
        BadHeader: see `field_line`.
    """
    begun = (_known if type(fields) is Fields else _begun)(start, fields)
    return begun + (b"\r\n" if length is None else b"content-length: %d\r\n\r\n" % length)


def _begun(start: str, fields: Mapping[str, str]) -> bytes:
    """A head but for what says where it ends."""
    return (start + "".join([field_line(name, value) for name, value in fields.items()])).encode("latin-1")


_known = lru_cache(maxsize=256)(_begun)
"""Clients call the same tools again and again."""


@dataclass(slots=True)
class Head:
    """The head of a response."""

    status: int = 0
    fields: dict[bytes, bytes] = field(default_factory=dict)
    """By their names in lower case; of several of a name, the last."""

    def get(self, name: bytes) -> str:
        """The value of a header; empty if there is none."""
        return self.fields.get(name, b"").decode("latin-1").strip()

    @property
    def is_error(self) -> bool:
        return self.status >= 400

    @property
    def content_type(self) -> str:
        return _lowered(self.fields.get(b"content-type", b""))


@lru_cache(maxsize=64)
def _lowered(value: bytes) -> str:
    return value.decode("latin-1").strip().lower()
