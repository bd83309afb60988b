"""Requests are put together from whatever pieces they come in; nothing is lost, and nothing waits without need."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.front.head import MAX_HEAD
from magictunnel.front.reader import Request, RequestReader

MAX_BODY = 1_000
HOT = (
    b"Host: 127.0.0.1:8420",
    b"Content-Type: application/json",
    b"Accept: application/json, text/event-stream",
)


def post(body: bytes, *lines: bytes, start: bytes = b"POST /mcp HTTP/1.1", length: int | None = None) -> bytes:
    size = b"Content-Length: %d" % (len(body) if length is None else length)
    return b"\r\n".join([start, *(lines or HOT), size, b"", body])


def pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    places = sorted({0, len(data), *(cut * len(data) // 1_000 for cut in cuts)})
    return (data[start:end] for start, end in pairwise(places))


def read(data: bytes) -> Request | None:
    return RequestReader(MAX_BODY).take(data)


@given(st.binary(max_size=40), st.lists(st.integers(0, 1_000), max_size=6), st.sampled_from([b"", b"\r\n", b"\n\r\n"]))
def test_a_hot_request_is_waited_for_to_its_end(body: bytes, cuts: list[int], before: bytes) -> None:
    reader, whole = RequestReader(MAX_BODY), post(body)
    *early, last = pieces(before + whole, cuts)

    assert not any(reader.take(piece) for piece in early)
    found = reader.take(last)
    assert found is not None
    assert found.head is not None
    assert (found.data, found.body, found.end) == (whole, len(whole) - len(body), len(whole))
    assert not reader.is_in_body


def test_what_its_client_asks_after_it_comes_with_it() -> None:
    first, second = post(b"first"), post(b"second")
    found = read(first + second)

    assert found is not None
    assert (found.data, found.end) == (first + second, len(first))


@pytest.mark.parametrize(
    "request_",
    [
        post(b"", start=b"GET /mcp HTTP/1.1"),
        post(b"half", start=b"POST /mcp?x=1 HTTP/1.1", length=8),
        post(b"half", start=b"POST /mcp HTTP/1.0", length=8),
        post(b"half", start=b"POST http://x/mcp HTTP/1.1", length=8),
        post(b"half", b"Host: example.com", length=8),
        post(b"half", length=MAX_BODY + 1),
    ],
)
def test_one_that_is_not_hot_is_not_waited_for(request_: bytes) -> None:
    found = read(request_)

    assert found is not None
    assert found.head is None
    assert (found.data, found.end) == (request_, len(request_))


def test_how_much_of_it_is_still_to_come_is_told_where_that_is_known() -> None:
    whole = post(b"half", b"Host: example.com", length=8)
    found, chunked = read(whole), read(post(b"half", *HOT, b"Transfer-Encoding: chunked"))

    assert found is not None
    assert found.missing == 4
    assert chunked is not None
    assert chunked.missing == 0


def test_nor_is_it_taken_for_more_than_it_is() -> None:
    asked = post(b"", start=b"GET /mcp HTTP/1.1")
    found = read(asked + post(b"{}"))

    assert found is not None
    assert found.end == len(asked)


@pytest.mark.parametrize("odd", [b"Content-Length: 4", b"Transfer-Encoding: chunked"])
def test_where_a_head_is_in_doubt_nothing_is_said_of_its_end(odd: bytes) -> None:
    data = post(b"1234", *HOT, odd) + post(b"{}")
    found = read(data)

    assert found is not None
    assert (found.head, found.end) == (None, len(data))


def test_one_whose_body_is_needed_is_waited_for_unless_it_is_too_long() -> None:
    reader = RequestReader(MAX_BODY, lambda head: b"x-needed" in head)
    whole = post(b"12345678", b"x-needed: 1")

    assert reader.take(whole[:-3]) is None
    assert reader.is_in_body
    assert reader.take(whole[-3:]) == Request(whole, len(whole) - 8, len(whole))
    assert not reader.is_in_body
    assert reader.take(post(b"half", b"x-needed: 1", length=MAX_BODY + 1)) is not None


@given(st.binary(max_size=400), st.lists(st.integers(0, 1_000), max_size=6))
def test_nothing_is_lost_of_what_is_no_request(data: bytes, cuts: list[int]) -> None:
    reader = RequestReader(MAX_BODY)
    taken = b"".join(found.data for piece in pieces(data, cuts) if (found := reader.take(piece)) is not None)
    assert without_line_ends(data).startswith(without_line_ends(taken))

    found = read(data)
    assert found is None or found.data == data.lstrip(b"\r\n")


def without_line_ends(data: bytes) -> bytes:
    """Those between requests mean nothing."""
    return data.translate(None, b"\r\n")


def test_a_head_without_an_end_is_not_waited_for_for_ever() -> None:
    reader = RequestReader(MAX_BODY)
    taken = [reader.take(b"GET / HTTP/1.1\r\n"), *(reader.take(b"x: %d\r\n" % number) for number in range(MAX_HEAD))]
    assert any(taken)
