"""The figures of an evaluation, held against definitions that are written down in another way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.discovery.evaluation import (
    CUTS,
    Labelled,
    Picks,
    Recall,
    calibration_error,
    measured,
    percentile,
    picked,
    recall,
    widest,
)

TOOLS = st.sampled_from([f"s/{name}" for name in "abcdefghijklmnopq"])
RANKED = st.lists(TOOLS, unique=True, max_size=15)
SURE = st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=40)


@st.composite
def labelled(draw: st.DrawFn) -> Labelled:
    need = draw(st.lists(st.frozensets(TOOLS, min_size=1, max_size=3), min_size=1, max_size=3))
    suite, profile = draw(st.sampled_from(["one", "two"])), draw(st.sampled_from(["p", "q"]))
    return Labelled("x", "", frozenset().union(*need), tuple(need), suite, profile)


def query(*need: str, **more: str) -> Labelled:
    """A request each of whose needs is met by one tool."""
    return Labelled("x", "", frozenset(need), tuple(frozenset({one}) for one in need), **more)


# --- recall and rank


def test_a_request_for_one_thing() -> None:
    figures = measured(query("s/c"), ["s/a", "s/b", "s/c"])

    assert (figures.hit, figures.recall, figures.mrr) == (0.0, (0.0, 1.0, 1.0, 1.0), 1 / 3)


def test_a_request_for_several_is_met_in_part() -> None:
    figures = measured(query("s/a", "s/b"), ["s/b", "s/x", "s/y", "s/a"])

    assert (figures.hit, figures.recall, figures.mrr) == (1.0, (0.5, 0.5, 1.0, 1.0), 1.0)


def test_what_comes_behind_the_tenth_place_is_not_found() -> None:
    figures = measured(query("s/z"), [*(f"s/{number}" for number in range(10)), "s/z"])

    assert (figures.recall, figures.mrr) == ((0.0, 0.0, 0.0, 0.0), 0.0)
    assert measured(query("s/z"), []).recall == (0.0, 0.0, 0.0, 0.0)


@given(one=labelled(), ranked=RANKED)
def test_each_figure_is_what_it_is_defined_to_be(one: Labelled, ranked: list[str]) -> None:
    figures = measured(one, ranked)

    for cut, value in zip(CUTS, figures.recall, strict=True):
        met = [any(tool in ranked[:cut] for tool in group) for group in one.need]
        assert value == pytest.approx(met.count(True) / len(met))
    places = [ranked.index(tool) + 1 for tool in one.gold if tool in ranked]
    first = min(places, default=math.inf)
    assert figures.mrr == (1 / first if first <= 10 else 0)
    assert figures.hit == (first == 1)
    assert list(figures.recall) == sorted(figures.recall)


@given(answers=st.lists(st.tuples(labelled(), RANKED), max_size=12))
def test_means_are_by_suite_by_profile_over_all_and_over_profiles(
    answers: list[tuple[Labelled, list[str]]],
) -> None:
    for single in (True, False):
        mine = [(one, ranked) for one, ranked in answers if (len(one.need) == 1) is single]
        found = recall(answers, single=single)

        assert {name: figures.n for name, figures in found.suites.items()} == counts(one.suite for one, _ in mine)
        assert {name: figures.n for name, figures in found.profiles.items()} == counts(one.profile for one, _ in mine)
        if mine:
            check_means(found, mine)
        else:
            assert found == Recall({}, {}, None, None)


def counts(names: object) -> dict[str, int]:
    every = list(names)  # type: ignore[call-overload]
    return {name: every.count(name) for name in sorted(set(every))}


def check_means(found: Recall, mine: Sequence[tuple[Labelled, Sequence[str]]]) -> None:
    def mean(profile: str | None) -> Fraction:
        values = [measured(*pair).mrr for pair in mine if profile in (None, pair[0].profile)]
        return sum(map(Fraction, values), Fraction()) / len(values)

    assert found.micro is not None
    assert found.macro is not None
    assert found.micro.mrr == pytest.approx(float(mean(None)))
    profiles = sorted({one.profile for one, _ in mine})
    assert found.macro.mrr == pytest.approx(float(sum(map(mean, profiles), Fraction()) / len(profiles)))


# --- confidence


def test_confidence_that_is_right_has_no_error() -> None:
    answers = [(0.75, True)] * 3 + [(0.75, False)] + [(1.0, True)] * 5 + [(0.0, False)]

    assert calibration_error(answers) == 0
    assert calibration_error([(0.95, False)] * 4) == pytest.approx(0.95)
    assert calibration_error([]) is None


@given(answers=SURE)
def test_the_calibration_error_is_the_mean_gap_of_ten_bins(answers: list[tuple[float, bool]]) -> None:
    bins = [
        [one for one in answers if at / 10 <= one[0] < (at + 1) / 10 or (at == 9 and one[0] == 1)] for at in range(10)
    ]
    if any(int(sure * 10) != next(at for at in range(10) if (sure, right) in bins[at]) for sure, right in answers):
        return  # on the edge of a bin, where two ways of computing may differ
    gaps = [abs(sum(sure for sure, _ in one) - sum(right for _, right in one)) for one in bins]

    assert calibration_error(answers) == (pytest.approx(sum(gaps) / len(answers)) if answers else None)


def test_picks_are_the_answers_that_are_sure_enough() -> None:
    answers = [(0.9, True), (0.8, True), (0.8, False), (0.1, False)]

    assert picked(answers, 0.8) == Picks(pytest.approx(2 / 3), 0.75)
    assert picked(answers, 0.95) == Picks(None, 0.0)
    assert picked([], 0.5) == Picks(None, 0.0)


def test_the_widest_picks_of_a_precision() -> None:
    answers = [(0.9, True), (0.8, True), (0.7, False), (0.6, True), (0.5, False)]

    assert widest(answers, 0.75) == (0.6, Picks(0.75, 0.8))
    assert widest(answers, 1.0) == (0.8, Picks(1.0, 0.4))
    assert widest([(0.9, False)], 0.5) == (None, Picks(None, 0.0))
    assert widest([(0.9, True), (0.9, False)], 0.6) == (None, Picks(None, 0.0))


@given(answers=SURE, precision=st.floats(0.1, 1))
def test_no_other_threshold_gives_more_picks_as_often_right(
    answers: list[tuple[float, bool]], precision: float
) -> None:
    threshold, best = widest(answers, precision)

    assert threshold is None or picked(answers, threshold) == best
    assert best.precision is None or best.precision >= precision - 1e-9
    for other, _ in answers:
        picks = picked(answers, other)
        assert picks.precision is None or picks.precision < precision or picks.coverage <= best.coverage


# --- time


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentile([], 0.5) is None
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([float(n) for n in range(1, 101)], 0.95) == 95.0
    assert percentile([7.0], 0.95) == 7.0
