"""Events come out the same however the stream is cut; nothing in it makes the parser hold more than it may."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.wire.http1.sse import MAX_RETRY, Event, EventParser, EventTooLarge

LINES = st.sampled_from(
    [
        b"data: a",
        b"data:b",
        b"data",
        b"data:  two spaces",
        b": comment",
        b"",
        b"event: ping",
        b"event",
        b"id: 7",
        b"id:",
        b"id: \0",
        b"retry: 1500",
        b"retry: x",
        b"odd: field",
        "data: ü€😀".encode(),
        b"\xff\xfe",
    ]
)
STREAMS = st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r\n", b"\r"])))


def parsed(*chunks: bytes, limit: int = 10_000) -> tuple[list[Event], str, float | None]:
    parser = EventParser(limit)
    events = [event for chunk in chunks for event in parser.feed(chunk)]
    return events, parser.last_id, parser.retry


@given(STREAMS, st.booleans(), st.lists(st.integers(min_value=0, max_value=400)))
def test_it_does_not_matter_how_a_stream_is_cut(lines: list[tuple[bytes, bytes]], bom: bool, cuts: list[int]) -> None:
    whole = (b"\xef\xbb\xbf" if bom else b"") + b"".join(line + end for line, end in lines)
    at = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    pieces = [whole[start:end] for start, end in pairwise(at)]

    assert parsed(*pieces) == parsed(whole)


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), min_size=1)))
def test_what_was_sent_comes_out(texts: list[str]) -> None:
    stream = "".join(f"data: {text}\n\n" for text in texts).encode()

    assert parsed(stream)[0] == [Event("message", text.encode()) for text in texts]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\ndata: b\n\n", [Event("message", b"a\nb")]),
        (b"data: a\r\n\r\ndata: b\r\r", [Event("message", b"a"), Event("message", b"b")]),
        (b"event: ping\ndata: x\n\n", [Event("ping", b"x")]),
        (b"event: ping\n\ndata: x\n\n", [Event("message", b"x")]),
        (b"data:\n\n", []),
        (b"data: unfinished\n", []),
        (b"\xef\xbb\xbfdata: a\n\n", [Event("message", b"a")]),
        (b"\ndata:  a\n\n", [Event("message", b" a")]),
    ],
)
def test_what_is_an_event(stream: bytes, events: list[Event]) -> None:
    assert parsed(stream)[0] == events


def test_an_id_counts_once_its_event_is_whole_and_stays() -> None:
    assert parsed(b"id: 1\ndata: a\n\ndata: b\n\nid: 2\ndata: c\n")[1] == "1"
    assert parsed(b"id: 1\ndata:\n\n")[1] == "1"
    assert parsed(b"id: 1\n\nid:\n\n")[1] == ""
    assert parsed(b"id: 1\n\nid: " + b"2" * 9_000 + b"\n\n")[1] == "1"


@pytest.mark.parametrize(
    ("field", "seconds"),
    [(b"1500", 1.5), (b"0", 0.0), (b"-1", None), (b"1.5", None), (b"9" * 12, MAX_RETRY), (b"9" * 5_000, None)],
)
def test_how_long_to_wait(field: bytes, seconds: float | None) -> None:
    assert parsed(b"retry: " + field + b"\n")[2] == seconds


@pytest.mark.parametrize("line", [b"x" * 50, b"data: " + b"x" * 50, b": " + b"x" * 50])
def test_an_event_without_an_end_is_not_kept_for_ever(line: bytes) -> None:
    with pytest.raises(EventTooLarge):
        parsed(*[line] * 10, limit=200)


def test_an_event_of_too_many_lines_is_not_kept_for_ever() -> None:
    with pytest.raises(EventTooLarge):
        parsed(b"data:\n" * 100, limit=200)


def test_what_is_nothing_may_come_without_end() -> None:
    assert parsed(*[b": comment\n" * 100] * 10, limit=200)[0] == []
    assert len(parsed(*[b"data: x\n\n" * 100] * 10, limit=200)[0]) == 1_000
