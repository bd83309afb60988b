"""Responses read at a glance: whatever is taken for whole is what the parser makes of the same bytes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from magictunnel.wire.http1.connection import Connection
from magictunnel.wire.http1.head import Head
from magictunnel.wire.http1.plain import whole

BODY = b'{"jsonrpc":"2.0","id":1,"result":{}}'
LINES = [
    b"content-type: application/json",
    b"Content-Type:application/json",
    b"content-length: 36",
    b"Content-Length:36 ",
    b"content-length: 35",
    b"content-length: +36",
    b"content-length: 36, 36",
    b"connection: keep-alive",
    b"Connection: close",
    b"Connection: upgrade",
    b"transfer-encoding: chunked",
    b"upgrade: h2c",
    b"date: Sun, 22 Nov 2026 00:00:00 GMT",
    b"x-empty:",
    b" folded: line",
    b"no colon",
    b"x-half: caf\xe9",
    b"x-nul: \x00",
    b"content-length: 0",
]
FIRST = [b"HTTP/1.1 200 OK", b"HTTP/1.1 200", b"HTTP/1.0 200 OK", b"HTTP/1.1 404 Not Found", b"HTTP/1.1 204 No Content"]


class Heard:
    """What a connection tells of one response."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self._body = b""

    def on_whole(self, head: Head, body: bytes) -> None:
        self.told += [(head.status, dict(head.fields)), body]

    def on_head(self, head: Head) -> None:
        self.told.append((head.status, dict(head.fields)))

    def on_body(self, chunk: bytes) -> None:
        assert chunk, "nothing is no piece"
        self._body += chunk

    def on_end(self) -> None:
        self.told.append(self._body)

    def on_broken(self, error: Exception | None) -> None:
        self.told.append("broken")


class Wire(asyncio.Transport):
    """Takes what is written, and never fails."""

    def __init__(self) -> None:
        super().__init__()
        self._is_closing = False

    def write(self, data: Any) -> None:
        """Nobody reads it."""

    def is_closing(self) -> bool:
        return self._is_closing

    def abort(self) -> None:
        self._is_closing = True

    def close(self) -> None:
        self._is_closing = True


def heard(*pieces: bytes) -> tuple[list[Any], bool]:
    """What is told of a response that comes in these pieces; and whether its connection is kept."""
    kept: list[Connection] = []
    connection, told = Connection(kept.append, lambda _lost: None), Heard()
    connection.connection_made(Wire())
    connection.send(b"POST / HTTP/1.1\r\n\r\n", b"", told)
    for piece in pieces:
        if not connection.is_closing:
            connection.data_received(piece)
    return told.told, bool(kept)


def response(first: bytes, lines: list[bytes], body: bytes = BODY) -> bytes:
    return b"\r\n".join([first, *lines, b"", b""]) + body


def test_a_whole_ordinary_response_is_read_at_a_glance() -> None:
    found = whole(response(FIRST[0], [LINES[0], LINES[2], LINES[12]]))
    assert found is not None
    head, body = found
    assert (head.status, body) == (200, BODY)
    assert head.content_type == "application/json"


@pytest.mark.parametrize(
    "data",
    [
        response(FIRST[0], [LINES[0], LINES[2]])[:-1],
        response(FIRST[0], [LINES[0], LINES[2]]) + b"x",
        response(FIRST[0], [LINES[0], LINES[2], LINES[2]]),
        response(FIRST[0], [LINES[0], LINES[2], LINES[8]]),
        response(FIRST[0], [LINES[0], LINES[2], LINES[10]]),
        response(FIRST[0], [LINES[0]]),
        response(FIRST[0], [b"content-type: Text/Event-Stream", LINES[2]]),
        response(FIRST[2], [LINES[0], LINES[2]]),
        response(FIRST[3], [LINES[0], LINES[2]]),
        response(FIRST[0], [b"x-long: " + b"x" * 4_000, LINES[2]]),
        b"",
    ],
    ids=["short", "more", "twice", "close", "chunked", "no length", "stream", "1.0", "404", "long head", "nothing"],
)
def test_all_else_is_left_to_the_parser(data: bytes) -> None:
    assert whole(data) is None


@given(
    first=st.sampled_from(FIRST), lines=st.lists(st.sampled_from(LINES), max_size=6), body=st.sampled_from([BODY, b""])
)
@example(FIRST[0], [LINES[-1]], b"")
def test_it_says_what_the_parser_says(first: bytes, lines: list[bytes], body: bytes) -> None:
    """In two pieces nothing is read at a glance."""
    data = response(first, lines, body)
    if whole(data) is not None:
        assert heard(data) == trimmed(heard(data[:9], data[9:]))


def trimmed(found: tuple[list[Any], bool]) -> tuple[list[Any], bool]:
    """The parser leaves white space after a value, which belongs to none."""
    (status, fields), *rest = found[0]
    return [(status, {name: value.strip() for name, value in fields.items()}), *rest], found[1]


def test_connections_serve_one_response_after_another_either_way() -> None:
    kept: list[Connection] = []
    connection = Connection(kept.append, lambda _lost: None)
    connection.connection_made(Wire())
    data = response(FIRST[0], [LINES[0], LINES[2]])
    for pieces in ([data], [data[:20], data[20:]], [data], [data[:-3], data[-3:]], [data]):
        told = Heard()
        connection.send(b"POST / HTTP/1.1\r\n\r\n", b"", told)
        for piece in pieces:
            connection.data_received(piece)
        assert [one if isinstance(one, bytes) else one[0] for one in told.told] == [200, BODY]
    assert len(kept) == 5
