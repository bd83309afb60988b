"""What is said of days and times, on Wednesday the 11th of June 2025, ten o'clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.discovery.arguments.dates import MAX_MOMENTS, Moment, duration, moments

NOW = datetime(2025, 6, 11, 10, 0, tzinfo=UTC)


def only(request: str) -> Moment:
    (moment,) = moments(request, NOW)
    return moment


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("today", "2025-06-11"),
        ("tomorrow", "2025-06-12"),
        ("yesterday", "2025-06-10"),
        ("the day after tomorrow", "2025-06-13"),
        ("monday", "2025-06-16"),
        ("next wednesday", "2025-06-18"),
        ("this wednesday", "2025-06-11"),
        ("last friday", "2025-06-06"),
        ("in 3 days", "2025-06-14"),
        ("in a week", "2025-06-18"),
        ("two weeks ago", "2025-05-28"),
        ("a month ago", "2025-05-11"),
        ("2025-02-28", "2025-02-28"),
        ("2025/03/05", "2025-03-05"),
        ("25/03/2025", "2025-03-25"),
        ("03/25/2025", "2025-03-25"),
        ("5.3.2025", "2025-03-05"),
        ("March 5", "2025-03-05"),
        ("the 5th of March", "2025-03-05"),
        ("5 January", "2025-01-05"),
        ("Dec 24th, 2024", "2024-12-24"),
        ("5 March 2025", "2025-03-05"),
        ("November 30", "2025-11-30"),
    ],
)
def test_a_day(said: str, day: str) -> None:
    moment = only(f"show what is due {said}, please")

    assert (moment.day, moment.last, moment.at) == (date.fromisoformat(day), None, None)


@pytest.mark.parametrize(
    ("said", "first", "last"),
    [
        ("last week", "2025-06-02", "2025-06-08"),
        ("this month", "2025-06-01", "2025-06-30"),
        ("next year", "2026-01-01", "2026-12-31"),
        ("last quarter", "2025-01-01", "2025-03-31"),
        ("this weekend", "2025-06-14", "2025-06-15"),
        ("the last 3 days", "2025-06-08", "2025-06-11"),
        ("the past week", "2025-06-04", "2025-06-11"),
        ("the next two weeks", "2025-06-11", "2025-06-25"),
        ("March 2024", "2024-03-01", "2024-03-31"),
    ],
)
def test_a_stretch_of_days(said: str, first: str, last: str) -> None:
    moment = only(f"what happened in {said}?")

    assert (moment.day, moment.last) == (date.fromisoformat(first), date.fromisoformat(last))


@pytest.mark.parametrize(
    ("said", "hour", "minute"),
    [("3pm", 15, 0), ("11:45 pm", 23, 45), ("12:15am", 0, 15), ("noon", 12, 0), ("midnight", 0, 0), ("09:30", 9, 30)],
)
def test_a_time_of_no_day(said: str, hour: int, minute: int) -> None:
    moment = only(f"call at {said}")

    assert (moment.day, moment.at) == (None, time(hour, minute))


@pytest.mark.parametrize("said", ["tomorrow at 3pm", "3pm tomorrow", "at 15:00 on 12 June", "2025-06-12T15:00"])
def test_a_day_and_its_time_are_one(said: str) -> None:
    moment = only(f"meet {said}")

    assert (moment.day, moment.at) == (date(2025, 6, 12), time(15))


def test_hours_from_now_are_exact() -> None:
    assert only("in 2 hours").instant == NOW + timedelta(hours=2)
    assert only("30 minutes ago").instant == NOW - timedelta(minutes=30)
    assert only("at 2025-06-12T15:00:00+02:00").instant == datetime.fromisoformat("2025-06-12T15:00:00+02:00")


def test_both_ends_of_a_range_know_their_side_and_share_a_day() -> None:
    one, other = moments("on September 26, 2024, from 11:45pm to 12:15am", NOW)

    assert (one.side, one.day, one.at) == ("from", date(2024, 9, 26), time(23, 45))
    assert (other.side, other.day, other.at) == ("to", date(2024, 9, 27), time(0, 15))


def test_the_end_of_a_week_comes_after_its_start() -> None:
    one, other = moments("from friday to monday", NOW)

    assert (one.day, other.day) == (date(2025, 6, 13), date(2025, 6, 16))
    one, other = moments("from monday to friday", NOW)
    assert (one.day, other.day) == (date(2025, 6, 16), date(2025, 6, 20))


@pytest.mark.parametrize(
    "request_",
    [
        "03/05/2025 is two days",
        "2025-02-30 is none",
        "32 March is none",
        "at 25:00",
        "may I? they sat in the sun",
        "in 9999999 years",
        "version 1.10:20.3",
        "for 30 minutes",
    ],
)
def test_what_is_no_day_or_may_be_two_is_none(request_: str) -> None:
    assert moments(request_, NOW) == ()


def test_how_long_something_takes() -> None:
    assert duration("book a room for 2 hours") == (timedelta(hours=2), 12, 23)
    assert duration("for an hour")[0] == timedelta(hours=1)  # type: ignore[index]
    assert duration("for 1 hour or for 2 hours") is None


PARTS = [
    "tomorrow ",
    "1 day ",
    "may 1 ",
    "last ",
    "monday ",
    "2025-01-01 ",
    "10:00 ",
    "1/",
    "a couple of ",
    "in 1 ",
    "to ",
]


@pytest.mark.parametrize("part", PARTS)
def test_no_repetition_takes_long(part: str) -> None:
    assert len(moments(part * 50_000, NOW)) <= MAX_MOMENTS


@given(st.text(max_size=100) | st.lists(st.sampled_from(PARTS), max_size=20).map("".join), st.datetimes())
def test_moments_are_in_order_and_apart_whatever_is_said_and_whenever(request: str, now: datetime) -> None:
    found = moments(request, now)

    assert all(one.end <= other.start for one, other in pairwise(found))
    assert all(moment.day or moment.at for moment in found)
