"""The table in docs/protocol.md is that of the matrix: each behaviour, each way, and nothing that did not hold."""

from __future__ import annotations

from tests.journeys import test_matrix
from tests.journeys.matrix_plan import BEHAVIOURS, COMBINATIONS, DIFFERENT, WAYS
from tests.journeys.matrix_report import ALL_HELD, PAGE, in_page, table

REMEDY = "run `python -m tests.journeys.matrix_report`"


def test_the_table_names_just_the_behaviours_and_ways_there_are() -> None:
    assert in_page(PAGE.read_text(encoding="utf-8")) == table(ALL_HELD), REMEDY


def test_each_behaviour_is_a_test() -> None:
    tests = [name.removeprefix("test_") for name in vars(test_matrix) if name.startswith("test_")]
    assert tests == list(BEHAVIOURS)


def test_there_are_twenty_five_ways() -> None:
    assert len(set(map(str, WAYS))) == 25
    assert {way.eras for way in WAYS} == set(COMBINATIONS)


def test_what_differs_is_of_the_matrix() -> None:
    assert all(name in BEHAVIOURS and (client, server) in COMBINATIONS for name, client, server in DIFFERENT)
