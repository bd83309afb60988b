"""What our reader takes for an ordinary request is to the byte what the parser of the other way in takes it for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import httptools
from hypothesis import example, given
from hypothesis import strategies as st

from magictunnel.front.head import head_of
from magictunnel.front.reader import RequestReader
from tests.fuzz.budget import tries
from tests.fuzz.client import fields, head

T = TypeVar("T")
NAMES = (
    "host",
    "accept",
    "content-type",
    "content-length",
    "Content-Length",
    "transfer-encoding",
    "connection",
    "expect",
    "upgrade",
    "keep-alive",
    "proxy-connection",
    "mcp-session-id",
    "mcp-name",
    "x",
    "te",
    "trailer",
    "x_y",
    "",
    "content-length ",
)
VALUES = (
    "",
    "0",
    "5",
    "+5",
    "-1",
    "0x5",
    "5, 5",
    "5 5",
    "05",
    "5\t",
    "\t 5",
    "5\r",
    "\u00b5",
    "\u00b2",
    "99999999999999999999",
    "chunked",
    "identity",
    "close",
    "keep-alive",
    "keep-alive, close",
    "upgrade",
    "100-continue",
    "h2c",
    "x" * 300,
    "a\0b",
    "a\x0bb",
    "a\x7fb",
    "a\rb",
    "a\nb: c",
    "a\r\n b",
    "\x80",
    "localhost",
    "application/json",
)
STARTS = (
    "POST /mcp HTTP/1.1",
    "POST /mcp HTTP/1.0",
    "POST /mcp  HTTP/1.1",
    "POST http://localhost/mcp HTTP/1.1",
    "GET /mcp HTTP/1.1",
    "post /mcp HTTP/1.1",
    "POST /mcp? HTTP/1.1",
    "POST /mcp/ HTTP/1.1",
    "POST //mcp HTTP/1.1",
    "POST /mcp HTTP/1.1 ",
    "\r\nPOST /mcp HTTP/1.1",
)
ENDS = (b"\r\n", b"\n", b"\r", b"\r\r\n", b"\r\n ", b"\r\n\t", b" \r\n", b"")


class Parsed:
    """What httptools makes of it."""

    def __init__(self, data: bytes) -> None:
        self.target, self.body, self.whole = b"", b"", 0
        self.headers: dict[bytes, bytes] = {}
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(data)
        self.method = self._parser.get_method()
        self.version = self._parser.get_http_version()
        self.is_kept = self._parser.should_keep_alive()
        self.is_upgrade = self._parser.should_upgrade()

    def on_url(self, target: bytes) -> None:
        self.target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        assert name.lower() not in self.headers
        self.headers[name.lower()] = value.strip(b" \t")

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.whole += 1


def mostly(draw: st.DrawFn, values: Sequence[T]) -> T:
    """The first of these, or now and then another."""
    return draw(st.sampled_from(values)) if draw(st.integers(0, 3)) == 3 else values[0]


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """An ordinary head with lines added, and bytes of it changed."""
    start = mostly(draw, STARTS).encode()
    own = [*fields().items(), ("content-length", mostly(draw, ("5", *VALUES)))]
    for _ in range(mostly(draw, (0, 1, 2))):
        own.insert(draw(st.integers(0, len(own))), (draw(st.sampled_from(NAMES)), draw(st.sampled_from(VALUES))))
    ends = [ENDS[0]] * len(own)
    ends[draw(st.integers(0, len(own) - 1))] = mostly(draw, ENDS)
    colon = mostly(draw, (b": ", b":", b":\t \t", b" : "))
    lines = [name.encode() + colon + value.encode("latin-1", "replace") for name, value in own]
    whole = start + b"\r\n" + b"".join(a + b for a, b in zip(lines, ends, strict=True)) + b"\r\n"
    for _ in range(mostly(draw, (0, 1, 2))):
        at = draw(st.integers(0, len(whole) - 1))
        whole = whole[:at] + bytes([draw(st.integers(0, 255))]) + whole[at + 1 :]
    return whole


@given(
    whole=heads(), body=st.sampled_from([b"", b"hello", b"hello, ", b"POST /mcp HTTP/1.1\r\n\r\n", b"\r\n\r\nhello"])
)
@example(head(fields() | {"x": "\xe9"}, 5), b"hello")
@tries(150)
def test_what_is_ordinary_is_the_same_to_both(whole: bytes, body: bytes) -> None:
    padded = whole + body.ljust(1 << 16, b".")
    found = RequestReader(1 << 15).take(padded)
    if found is None or found.head is None:
        return
    told, rest = found.head, found.data[found.body :]
    parsed: Any = Parsed(found.data[: found.end])

    assert (parsed.method, parsed.target, parsed.version) == (b"POST", b"/mcp", "1.1")
    assert parsed.whole == 1
    assert not parsed.is_upgrade
    assert len(parsed.body) == told.length
    assert parsed.body.startswith(rest[: told.length])
    assert parsed.headers.get(b"mcp-session-id", b"").decode("latin-1") == told.session
    for name, value in told.routing.items():
        assert parsed.headers[name.encode()].decode("latin-1") == value
    assert b"transfer-encoding" not in parsed.headers
    assert parsed.is_kept or b"proxy-connection" in parsed.headers


@given(st.binary(max_size=200))
@tries(50)
def test_bytes_are_a_head_or_none(data: bytes) -> None:
    head_of(data)
    RequestReader(100).take(b"POST /mcp HTTP/1.1\r\n" + data)
