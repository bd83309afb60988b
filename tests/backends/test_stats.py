"""What the calls of a backend came to, in numbers."""

from __future__ import annotations

import pytest

from magictunnel.backends.stats import KEPT, Latency, Stats


def took(*seconds: float) -> Stats:
    stats = Stats()
    stats.recent.extend(seconds)
    return stats


def test_before_the_first_call_nothing_is_known() -> None:
    stats = Stats()

    assert stats.latency is None
    assert (stats.started, stats.ended, stats.answered, stats.in_flight, stats.last) == (0, 0, 0, 0, 0.0)


def test_what_began_and_has_not_ended_is_in_flight_answered_or_not() -> None:
    stats = Stats()
    stats.started += 5
    stats.ended += 3
    stats.answered += 1

    assert stats.in_flight == 2


@pytest.mark.parametrize(
    ("times", "latency"),
    [
        ([3.0], Latency(3.0, 3.0)),
        ([2.0, 1.0], Latency(2.0, 2.0)),
        ([3.0, 1.0, 2.0], Latency(2.0, 3.0)),
        ([float(at) for at in range(100, 0, -1)], Latency(51.0, 96.0)),
        ([1.0] * 95 + [9.0] * 5, Latency(1.0, 9.0)),
        ([1.0] * 96 + [9.0] * 4, Latency(1.0, 1.0)),
    ],
)
def test_latency_is_the_middle_and_what_only_one_call_in_twenty_is_slower_than(
    times: list[float], latency: Latency
) -> None:
    assert took(*times).latency == latency


def test_latency_is_that_of_lately() -> None:
    stats = took(*[60.0] * KEPT)
    stats.recent.extend([0.1] * KEPT)

    assert stats.latency == Latency(0.1, 0.1)
    assert len(stats.recent) == KEPT


def test_asking_for_the_latency_changes_nothing() -> None:
    stats = took(3.0, 1.0, 2.0)

    assert stats.latency == stats.latency
    assert list(stats.recent) == [3.0, 1.0, 2.0]
