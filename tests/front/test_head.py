"""Heads of hot requests: understood where they are ordinary, left to others where they are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.front.head import (
    MAX_HEAD,
    CommonLines,
    head_of,
    is_unfinished,
    length_of,
    response,
    trimmed,
    without_upgrade,
)

LINES = [
    b"Host: 127.0.0.1:8420",
    b"Content-Type: application/json",
    b"Accept: application/json, text/event-stream",
    b"Content-Length: 12",
]


def head(*more: bytes, without: bytes = b"\0") -> bytes:
    return b"\r\n".join([*(line for line in LINES if not line.startswith(without)), *more])


def test_an_ordinary_head_says_what_it_is_for() -> None:
    found = head_of(head(b"Mcp-Session-Id: abc", b"MCP-Protocol-Version: 2025-11-25", b"User-Agent: x"))

    assert found is not None
    assert (found.length, found.session, found.version, found.mirrors) == (12, "abc", "2025-11-25", False)


def test_arguments_in_the_head_are_noticed() -> None:
    found = head_of(head(b"Mcp-Param-City: Rome", b"Mcp-Method: tools/call", b"Mcp-Name:  x "))

    assert found is not None
    assert found.mirrors
    assert found.routing == {"mcp-method": "tools/call", "mcp-name": "x"}


@pytest.mark.parametrize(
    "odd",
    [
        b"Content-Length: 12",
        b"host: 127.0.0.1",
        b"Origin: http://127.0.0.1",
        b"Transfer-Encoding: chunked",
        b"Expect: 100-continue",
        b"Connection: close",
        b"Content-Encoding: gzip",
        b" folded: line",
        b"No colon",
        b"Space before : colon",
        b"Bad: \x00",
        b"Mcp-Param-City: Z\xfcrich",
        b"",
    ],
)
def test_what_is_out_of_the_ordinary_is_left_to_others(odd: bytes) -> None:
    assert head_of(head(odd)) is None


@pytest.mark.parametrize(
    ("instead", "of"),
    [
        (b"Host: example.com", b"Host"),
        (b"Host: 127.0.0.1.example.com", b"Host"),
        (b"Content-Type: text/plain", b"Content-Type"),
        (b"Accept: application/json", b"Accept"),
        (b"Content-Length: -1", b"Content-Length"),
        (b"Content-Length: +5", b"Content-Length"),
        (b"Content-Length: 0x5", b"Content-Length"),
        (b"Content-Length: 99999999999", b"Content-Length"),
        (b"X: y", b"Content-Length"),
    ],
)
def test_so_is_what_is_not_for_us(instead: bytes, of: bytes) -> None:
    assert head_of(head(instead, without=of)) is None


@pytest.mark.parametrize(
    ("lines", "length"),
    [
        (b"Host: x", 0),
        (b"Content-Length: 12", 12),
        (b"content-length:12 ", 12),
        (b"X-Content-Length: 12", 0),
        (b"Content-Length: 12\r\nContent-Length: 12", None),
        (b"Content-Length: 12\r\nTransfer-Encoding: chunked", None),
    ],
)
def test_where_a_body_ends_is_known_where_its_head_says_so_once(lines: bytes, length: int | None) -> None:
    assert length_of(b"POST / HTTP/1.1\r\n" + lines) == length


@given(st.integers(1, 150))
def test_a_head_that_comes_in_pieces_is_waited_for(cut: int) -> None:
    whole = b"POST /mcp HTTP/1.1\r\n" + head() + b"\r\n\r\n"

    assert is_unfinished(whole[: min(cut, len(whole) - 1)])
    assert not is_unfinished(whole)


@pytest.mark.parametrize("data", [b"", b"garbage", b"GARBAGE\r\n", b"POST /m cp HTTP/1.1\r\n", b"P" * MAX_HEAD])
def test_what_can_be_no_request_is_not_waited_for(data: bytes) -> None:
    assert not is_unfinished(data)


def test_a_wish_for_another_protocol_is_overlooked() -> None:
    wish = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\n"
    asked = b"GET /health HTTP/1.1\r\nHost: x\r\n" + wish + b"\r\nrest"

    assert without_upgrade(asked) == b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nrest"
    assert without_upgrade(asked.replace(b"Upgrade,", b"close,")).endswith(b"Connection: close\r\n\r\nrest")
    assert without_upgrade(b"GET / HTTP/1.1\r\n\r\nUpgrade: h2c") == b"GET / HTTP/1.1\r\n\r\nUpgrade: h2c"


def test_white_space_around_values_belongs_to_none() -> None:
    assert trimmed([(b"a", b" \tb c \t"), (b"d", b"")]) == [(b"a", b"b c"), (b"d", b"")]


def test_an_answer_names_the_session_it_belongs_to() -> None:
    assert b"mcp-session-id: s1\r\n" in response(b"200 OK", b"", "s1", 5)
    assert b"mcp-session-id" not in response(b"200 OK", b"", "", 5)
    assert response(b"200 OK", b"date: x\r\n", "", 5).endswith(b"content-length: 5\r\n\r\n")


def test_the_lines_of_all_answers_follow_the_list_that_they_are_made_of() -> None:
    common = CommonLines()
    first, second = [(b"date", b"x"), (b"server", b"y")], [(b"date", b"z")]
    assert common.of(first) == common.of(first) == b"date: x\r\nserver: y\r\n"
    assert common.of(second) == b"date: z\r\n"
