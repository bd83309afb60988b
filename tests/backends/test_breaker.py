"""Calls to a server that does not answer: when it is given up on, and when one is tried all the same."""

from __future__ import annotations

import pytest

from magictunnel.backends.breaker import FIRST_REST, LONGEST_REST, MISSES, Breaker
from magictunnel.backends.stats import Stats


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stats() -> Stats:
    return Stats()


@pytest.fixture
def breaker(stats: Stats, clock: Clock) -> Breaker:
    return Breaker(stats, clock)


def missed(breaker: Breaker, times: int) -> list[bool]:
    return [breaker.miss() for _ in range(times)]


# --- misses


def test_so_many_misses_in_a_row_are_too_many_and_no_fewer(breaker: Breaker) -> None:
    assert missed(breaker, MISSES + 1) == [False] * (MISSES - 1) + [True, True]
    assert breaker.misses == MISSES + 1


def test_an_answer_to_any_call_begins_a_new_row(breaker: Breaker, stats: Stats) -> None:
    missed(breaker, MISSES - 1)
    stats.answered += 1

    assert missed(breaker, MISSES) == [False] * (MISSES - 1) + [True]


def test_answers_before_the_first_miss_do_not_count_against_it(breaker: Breaker, stats: Stats) -> None:
    stats.answered += 1_000

    assert missed(breaker, MISSES) == [False] * (MISSES - 1) + [True]


def test_calls_that_merely_begin_or_end_change_nothing(breaker: Breaker, stats: Stats) -> None:
    missed(breaker, MISSES - 1)
    stats.started += 7
    stats.ended += 7

    assert breaker.miss()
    assert not breaker.has_recovered


def test_an_answer_after_the_last_miss_is_a_recovery(breaker: Breaker, stats: Stats) -> None:
    missed(breaker, MISSES)
    assert not breaker.has_recovered

    stats.answered += 1

    assert breaker.has_recovered


def test_another_connection_begins_with_a_clean_sheet(breaker: Breaker, stats: Stats, clock: Clock) -> None:
    stats.answered = 3
    missed(breaker, MISSES)
    for _ in range(4):
        breaker.admits(1)
        clock.now += LONGEST_REST

    breaker.reset()

    assert (breaker.misses, breaker.wait, breaker.has_recovered) == (0, 0.0, False)
    assert breaker.admits(1)
    assert breaker.wait == FIRST_REST
    assert missed(breaker, MISSES) == [False] * (MISSES - 1) + [True]


# --- tries


@pytest.mark.parametrize("heard", [0, 17])
def test_the_first_call_is_tried_at_once_and_the_next_not_before_the_rest_is_over(
    breaker: Breaker, clock: Clock, heard: int
) -> None:
    missed(breaker, MISSES)

    assert breaker.wait == 0.0
    assert breaker.admits(heard)
    assert not breaker.admits(heard)
    assert breaker.wait == FIRST_REST

    clock.now += FIRST_REST - 0.01
    assert not breaker.admits(heard)
    clock.now += 0.01
    assert breaker.admits(heard)


def test_the_rest_doubles_with_each_try_up_to_the_longest(breaker: Breaker, clock: Clock) -> None:
    rests = []
    for _ in range(7):
        assert breaker.admits(1)
        rests.append(breaker.wait)
        clock.now += breaker.wait

    assert rests == [FIRST_REST, 4.0, 8.0, 16.0, LONGEST_REST, LONGEST_REST, LONGEST_REST]


def test_calls_that_are_refused_do_not_make_the_rest_longer(breaker: Breaker, clock: Clock) -> None:
    assert breaker.admits(1)
    assert not any(breaker.admits(1) for _ in range(100))
    assert breaker.wait == FIRST_REST

    clock.now += FIRST_REST
    assert breaker.admits(1)
    assert breaker.wait == 2 * FIRST_REST


def test_neither_more_misses_nor_time_alone_make_the_rest_longer(breaker: Breaker, clock: Clock) -> None:
    assert breaker.admits(1)
    missed(breaker, 10 * MISSES)
    clock.now += 1_000.0

    assert breaker.wait == 0.0
    assert breaker.admits(1)
    assert breaker.wait == 2 * FIRST_REST


def test_a_server_that_is_heard_of_is_tried_at_once_and_rested_with_anew(breaker: Breaker, clock: Clock) -> None:
    for _ in range(4):
        breaker.admits(1)
        clock.now += breaker.wait
    assert breaker.admits(1)
    assert breaker.wait == LONGEST_REST

    assert breaker.admits(2)

    assert breaker.wait == FIRST_REST
    assert not breaker.admits(2)
