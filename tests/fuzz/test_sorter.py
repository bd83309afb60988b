"""Between several workers nothing of a connection is lost or held back, however it comes."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import httptools
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.front.head import is_unfinished, without_upgrade
from magictunnel.front.reader import RequestReader
from magictunnel.front.workers import Sorter, Worker
from tests.fuzz.budget import tries
from tests.fuzz.test_reader_of_heads import Parsed, heads

WORKER = Worker(1, 3, "run")
ABOUT_IT = (b"connection", b"upgrade", b"http2-settings")
MORE = (
    b"",
    b"hello",
    b"hello GET / HTTP/1.1\r\n\r\n",
    b'{"requestState":"mt-run-2-x"}',
    b"\r\n",
    b"5\r\nhello\r\n0\r\n\r\n",
)


@given(whole=heads(), body=st.sampled_from(MORE), cuts=st.lists(st.integers(0, 1_000), max_size=6))
@tries(60)
def test_what_is_whole_is_handed_on_as_it_came(whole: bytes, body: bytes, cuts: list[int]) -> None:
    data = (whole + body).lstrip(b"\r\n")  # empty lines before a request mean nothing
    places = sorted({0, len(data), *(cut * len(data) // 1_000 for cut in cuts)})
    handed = handed_on(data[a:b] for a, b in pairwise(places))
    assert data.startswith(handed)
    assert handed == data or not is_whole(data[len(handed) :])


def handed_on(pieces: Iterable[bytes]) -> bytes:
    """What the parser behind gets of a connection, and in which order. What it has begun to read is its own."""
    sorter, handed, is_its_own = Sorter(WORKER), b"", False
    reader = RequestReader(1 << 20, sorter.is_needed)
    for piece in pieces:
        left = piece
        while left and not is_its_own and (taken := reader.take(left)) is not None:
            assert 1 <= sorter.owner(taken) <= WORKER.of
            request, left = taken.data[: taken.end], taken.data[taken.end :]
            handed += request
            is_its_own = not is_whole(request)
        handed += left if is_its_own else b""
    return handed


@given(whole=heads(), body=st.sampled_from(MORE))
@tries(60)
def test_a_head_that_can_be_answered_is_not_waited_for(whole: bytes, body: bytes) -> None:
    assert not (is_unfinished(whole + body) and is_whole(whole + body))


@given(whole=heads(), at=st.integers(0, 20), name=st.sampled_from(["Upgrade", "upgrade", "HTTP2-Settings"]))
@tries(60)
def test_without_an_offer_a_request_says_the_same(whole: bytes, at: int, name: str) -> None:
    lines = whole.split(b"\r\n")
    offered = b"\r\n".join([*lines[: 1 + at % len(lines)], f"{name}: h2c".encode(), *lines[1 + at % len(lines) :]])
    try:
        before = Parsed(whole + b"hello")
    except (httptools.HttpParserError, AssertionError):
        return
    try:
        after = Parsed(without_upgrade(offered) + b"hello")
    except (httptools.HttpParserError, AssertionError):
        return
    told = [{key: value for key, value in one.headers.items() if key not in ABOUT_IT} for one in (before, after)]
    assert told[0] == told[1]
    assert before.is_kept or not after.is_kept
    assert (before.method, before.target, before.body) == (after.method, after.target, after.body)


def is_whole(data: bytes) -> bool:
    """Whether the parser sees a whole request in this."""
    try:
        return Parsed(data).whole > 0
    except AssertionError:
        return True
    except httptools.HttpParserError:
        return False
