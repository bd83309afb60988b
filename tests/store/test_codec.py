"""Listings as bytes, and bytes that are none."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest

from magictunnel.catalog.model import Kind, Listing
from magictunnel.store import codec
from magictunnel.store.codec import Unreadable, Unwritable, decode, encode

ODD = {
    "name": "x",
    "z": 1,
    "a": 1.0,
    "big": 10**40,
    "tiny": 5e-324,
    "true": True,
    "one": 1,
    "nothing": None,
    "half": "\ud800",
    "two halves": "\ud83d\ude00",
    "whole": "😀",
    "": {"b": 1, "a": [{}, [], ""]},
}


def written(whole: Any) -> bytes:
    return zlib.compress(json.dumps(whole).encode())


EMPTY: dict[str, Any] = {"entries": {}, "capabilities": {}, "instructions": "", "hints": {}}


def test_a_listing_comes_back_to_the_letter() -> None:
    listing = Listing(
        {Kind.PROMPT: ({"name": "p"},), Kind.TOOL: (ODD, {"name": "a"}, ODD), Kind.RESOURCE: ()},
        {"tools": {"listChanged": True}, "x-own": ODD},
        "line\nline",
        {Kind.TOOL: {"ttlMs": 5, "cacheScope": "public"}},
    )
    back = decode(encode(listing))

    assert back == listing
    assert back.is_like(listing)
    assert [list(one) for one in back.entries[Kind.TOOL]] == [list(one) for one in listing.entries[Kind.TOOL]]
    assert list(back.entries) == list(listing.entries)
    assert json.dumps(back.entries[Kind.TOOL]) == json.dumps(listing.entries[Kind.TOOL])


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"junk",
        None,
        "text",
        5,
        zlib.compress(b"{"),
        zlib.compress(b"\xff\xfe"),
        zlib.compress(b"[" * 100_000),
        zlib.compress(b'{"entries": 1' + b"0" * 5_000),
        encode(Listing())[:-3],
        written([]),
        written({}),
        written(EMPTY | {"entries": {"nonsense": []}}),
        written(EMPTY | {"entries": {"tools": ["x"]}}),
        written(EMPTY | {"entries": {"tools": 5}}),
        written(EMPTY | {"entries": []}),
        written(EMPTY | {"capabilities": []}),
        written(EMPTY | {"instructions": None}),
        written(EMPTY | {"hints": {"tools": 5}}),
    ],
    ids=lambda blob: repr(blob)[:20],
)
def test_what_is_no_listing_is_refused(blob: Any) -> None:
    with pytest.raises(Unreadable):
        decode(blob)


def test_what_is_too_large_is_neither_written_nor_read(monkeypatch: pytest.MonkeyPatch) -> None:
    large = Listing(instructions="x" * 5_000)
    blob = encode(large)
    monkeypatch.setattr(codec, "MAX_BYTES", 4_000)

    with pytest.raises(Unwritable, match="larger"):
        encode(large)
    with pytest.raises(Unreadable, match="too large"):
        decode(blob)


def test_what_is_no_json_is_not_written() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]

    for capabilities in ({"x": deep}, {"x": object()}, {"x": 10**5_000}):
        with pytest.raises(Unwritable):
            encode(Listing(capabilities=capabilities))
