"""What comes from a server is taken apart without trust: compressed bodies, links, times, paths into JSON."""

from __future__ import annotations

import gzip
import zlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.capabilities.http.client import Answer
from magictunnel.capabilities.http.inflate import Inflater, Unreadable
from magictunnel.capabilities.http.pages import next_link
from magictunnel.capabilities.http.places import Origin
from magictunnel.capabilities.http.request import Built
from magictunnel.capabilities.http.run import asked_pause
from magictunnel.capabilities.language.expression import MISSING
from magictunnel.capabilities.language.members import at_path

PACKERS = {
    "gzip": gzip.compress,
    "x-gzip": lambda data: gzip.compress(data[:7]) + gzip.compress(data[7:]),
    "deflate": zlib.compress,
    "Deflate": lambda data: zlib.compress(data, wbits=-15),
    "": bytes,
}


@given(st.sampled_from(sorted(PACKERS)), st.binary(max_size=500), st.integers(1, 1_000), st.integers(1, 50))
def test_what_was_packed_is_unpacked_wherever_it_is_cut(encoding: str, some: bytes, times: int, size: int) -> None:
    data = some * times
    packed = PACKERS[encoding](data)
    inflater = Inflater(encoding, 1 << 20)

    chunks = (packed[at : at + size] for at in range(0, len(packed), size))
    pieces = [piece for chunk in chunks for piece in inflater.feed(chunk)]

    assert b"".join(pieces) == data
    assert all(len(piece) <= 64 * 1024 for piece in pieces)


@given(st.sampled_from(["gzip", "deflate"]), st.binary(min_size=1))
def test_what_is_not_packed_is_told_or_little(encoding: str, data: bytes) -> None:
    try:
        assert len(b"".join(Inflater(encoding, 1 << 20).feed(data))) <= 1_100 * len(data)
    except Unreadable:
        return


def test_packed_bytes_with_nothing_in_them_are_not_unpacked_for_ever() -> None:
    inflater = Inflater("gzip", 1 << 30)

    assert list(inflater.feed(gzip.compress(b"") * 50 + gzip.compress(b"x"))) == [b"x"]
    with pytest.raises(Unreadable, match="nothing in it"):
        list(inflater.feed(gzip.compress(b"") * 60))


def test_no_more_packed_bytes_are_taken_than_unpacked_ones_are_wanted() -> None:
    inflater = Inflater("gzip", 1_000)
    name_without_end = b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * 40_000

    assert list(inflater.feed(name_without_end)) == []
    with pytest.raises(Unreadable, match="than is read"):
        list(inflater.feed(b"x" * 40_000))


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "gzip\r\nx"])
def test_what_was_not_asked_for_is_not_unpacked(encoding: str) -> None:
    with pytest.raises(Unreadable, match="not asked for"):
        Inflater(encoding, 1 << 20)


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ('<https://h/x?page=2>; rel="next"', "https://h/x?page=2"),
        ("</x?a=1,2>; rel=next", "/x?a=1,2"),
        ('<a>; rel="prev", <b>; rel="next", <c>; rel="last"', "b"),
        ('<a>;title="x; rel=\\"no\\"";REL = "last next"', "a"),
        ("<a>; rel=nextish, <b>; rel=NEXT; x=y", "b"),
        ('<a>; rel="next-archive"', None),
        ('<a>; rev="next"', None),
        ("rel=next", None),
        ("", None),
    ],
)
def test_the_next_link_is_found(header: str, target: str | None) -> None:
    assert next_link([header]) == target


@given(st.text('<>;=", relnxtabc/\\', max_size=200))
def test_any_link_header_is_looked_through(header: str) -> None:
    assert next_link([header]) is None or f"<{next_link([header])}>" in header


def answer(**headers: str) -> Answer:
    request = Built("GET", Origin("http", "h", 80), "/")
    return Answer(request, 503, "", tuple((name.replace("_", "-"), text) for name, text in headers.items()), b"")


def test_a_server_tells_seconds_or_a_time_for_which_to_wait() -> None:
    assert asked_pause(answer()) is None
    assert asked_pause(answer(retry_after="7")) == 7
    soon = asked_pause(answer(retry_after=format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)))
    assert soon is not None
    assert 20 < soon <= 30
    assert asked_pause(answer(retry_after="Fri, 31 Dec 1999 23:59:59 GMT")) == 0


@given(st.text())
def test_whatever_a_server_says_it_is_time_or_nothing(text: str) -> None:
    pause = asked_pause(answer(retry_after=text))

    assert pause is None or pause >= 0


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("", {"a": {"b": [1, {"c": None}]}}),
        ("a.b", [1, {"c": None}]),
        ("a.b.1.c", None),
        ("a.b.-1", MISSING),
        ("a.b.9999999999999", MISSING),
        ("a.x", MISSING),
        ("a.b.c", MISSING),
        ("a..b", MISSING),
    ],
)
def test_a_path_leads_into_json(path: str, value: Any) -> None:
    assert at_path({"a": {"b": [1, {"c": None}]}}, path) == value
