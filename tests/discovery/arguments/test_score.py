"""What counts as a value that was found: equal but for how it is written, and nothing for what nobody knows."""

from __future__ import annotations

from typing import Any

import pytest

from magictunnel.discovery.arguments.score import Score, same, score, total


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("Ada  Lovelace", "ada lovelace", True),
        ("8", 8, True),
        (8.0, 8, True),
        ("8a", 8, False),
        ("1" * 20, int("1" * 20), True),
        ("1" * 20, "1" * 19 + "2", False),
        (["a", "B"], ["b", "a"], True),
        (["a"], "a", False),
        (["a", "a"], ["a"], False),
        (True, True, True),
        (True, 1, False),
        (False, "false", False),
        ({"a": "X", "b": [1]}, {"b": ["1"], "a": "x"}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1}, "a", False),
        ([{"a": 1}], [{"a": 1}], True),
    ],
)
def test_values_are_the_same_however_they_are_written(one: Any, other: Any, is_same: bool) -> None:
    assert same(one, other) is is_same
    assert same(other, one) is is_same


def test_a_call_is_counted_value_by_value() -> None:
    found = {"to": "ada@x.org", "limit": 5, "cc": "bob"}

    counted = score(found, [{"to": "Ada@x.org", "limit": 6, "page": 1}])

    assert counted == Score(calls=1, expected=3, found=3, right=1, whole=0)
    assert (counted.precision, counted.recall, counted.exact) == (1 / 3, 1 / 3, 0)


def test_expected_nulls_and_what_nobody_knows_do_not_count() -> None:
    assert score({"to": "x"}, [{"to": "x", "page": None, "unit": "<obj>"}]) == Score(1, 1, 1, 1, 1)
    assert score({"to": "x", "unit": "km"}, [{"to": "x", "unit": "<obj>"}]) == Score(1, 1, 1, 1, 1)
    assert score({"page": 1}, [{"page": None}]) == Score(1, 0, 1, 0, 0)


def test_any_of_several_calls_and_any_of_several_texts_is_right() -> None:
    assert score({"id": "b"}, [{"id": "a", "n": 1}, {"id": "b"}]).whole == 1
    assert score({"words": "b"}, [{"words": ["a", "b"]}]).whole == 1
    assert score({}, [{}]) == Score(1, 0, 0, 0, 1)


def test_a_total_has_shares_of_what_there_is() -> None:
    assert total([]) == Score()
    assert (Score().precision, Score().recall, Score().exact) == (None, None, None)
    assert total([Score(1, 2, 2, 1, 0), Score(1, 2, 1, 1, 1)]) == Score(2, 4, 3, 2, 1)
