"""Lines that say where two values differ."""

from __future__ import annotations

from typing import Any

import pytest

from magictunnel.catalog.differences import ABSENT, MAX_LINES, MAX_SHOWN, differences, excerpts, same


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        (1, 1, ()),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, ()),
        (1, True, ("1 -> true",)),
        (ABSENT, "x", ('none -> "x"',)),
        ("x", ABSENT, ('"x" -> none',)),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ("a.b: 1 -> 2",)),
        ({"a": 1}, {"b": 1}, ("a: 1 -> none", "b: none -> 1")),
        ({"a": None}, {}, ("a: null -> none",)),
        ([1, {"x": 1}], [1, {"x": 2}], ("[1].x: 1 -> 2",)),
        ({"a": [1, 2]}, {"a": [2]}, ("a: [1,2] -> [2]",)),
        ({"a": {}}, {"a": []}, ("a: {} -> []",)),
        ("line\none", "line\ntwo", (r'"line\none" -> "line\ntwo"',)),
    ],
)
def test_each_place_that_differs_is_a_line(old: Any, new: Any, lines: tuple[str, ...]) -> None:
    assert differences(old, new) == lines
    assert same(old, new) == (not lines)


def test_of_long_texts_the_part_that_differs_is_shown() -> None:
    one, other = excerpts("a" * 500 + " old " + "b" * 500, "a" * 500 + " new " + "b" * 500)

    assert "old" in one
    assert "new" in other
    assert max(len(one), len(other)) <= MAX_SHOWN + 6
    assert one.startswith("...aaaa")
    assert one.endswith("bbbb...")


def test_of_a_text_that_was_cut_the_end_is_shown() -> None:
    one, other = excerpts("a" * 500 + " and more", "a" * 500)

    assert "and more" in one
    assert other == "..." + "a" * 20 + '"'


def test_many_differences_are_cut_off() -> None:
    lines = differences({str(at): at for at in range(100)}, {})

    assert len(lines) == MAX_LINES + 1
    assert lines[-1] == "..."


def test_a_deep_value_is_one_difference_from_some_depth_on() -> None:
    old: Any = 1
    new: Any = 2
    for _ in range(300):
        old, new = [{"x": old}], [{"x": new}]

    (line,) = differences(old, new)

    assert " -> " in line
    assert len(line) < 400
