import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.capabilities.language.expression import (
    MAX_EXPRESSION,
    MISSING,
    Absent,
    BadExpression,
    expressions,
    filled,
    holds,
    is_nameable,
    named,
    parsed,
    value_of,
)

SCOPE: dict[str, Any] = {
    "n": 3,
    "on": True,
    "list": ["x", "y"],
    "deep": {"a": [{"b": None}]},
    "X-Key": "k",
    "none": None,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_text_that_is_one_placeholder_becomes_the_value_whatever_it_is(value: Any) -> None:
    assert filled("{{v}}", {"v": value}) == value
    assert filled({"a": ["{{ v }}"]}, {"v": value}) == {"a": [value]}


@given(st.text())
def test_what_a_value_holds_is_never_taken_for_a_placeholder(value: str) -> None:
    assert filled("<{{v}}>", {"v": "{{secret}}" + value, "secret": "no"}) == "<{{secret}}" + value + ">"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("n", 3),
        ("list[0]", "x"),
        ("list[-1]", "y"),
        ("deep.a[0].b", None),
        ("X-Key", "k"),
        ("n > 2", True),
        ("n >= 4", False),
        ("n == 3", True),
        ("n != 3", False),
        ('"x" in list', True),
        ("n in list", False),
        ("on == true", True),
        ("none == null", True),
        ("list < 3", False),
        ("missing == null", False),
        ("missing < 3", False),
        ('"a\\"b"', 'a"b'),
        ("-1.5e3", -1500.0),
        ("truelike", MISSING),
        ("list[9]", MISSING),
        ("n.a", MISSING),
        ("list.a", MISSING),
        ('"p" in ["p", "q"]', True),
        ("n in [1, 2]", False),
        ("none in [null]", True),
        ('["x","y"] == list', True),
        ("[ ]", []),
    ],
)
def test_an_expression_comes_to(text: str, value: Any) -> None:
    assert value_of(text, SCOPE | {"list": SCOPE["list"]}) is value or value_of(text, SCOPE) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "a b",
        "a.",
        "a ==",
        "== a",
        "a == b == c",
        "f(x)",
        "a[x]",
        "'a'",
        "{{a}}",
        "1a",
        "[",
        "[a]",
        "[[1]]",
        "[1,]",
    ],
)
def test_what_is_no_expression_is_refused_with_what_was_not_understood(text: str) -> None:
    with pytest.raises(BadExpression):
        parsed(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a == 'p'", 'text stands in double quotes: "p"'),
        ("a and b", "==, !=, <, <=, >, >= or in"),
        ("a in [{}]", "a list is one of texts, numbers, true, false and null"),
        ("a == ", "a path or a literal is expected"),
    ],
)
def test_what_should_have_been_written_is_told(text: str, said: str) -> None:
    with pytest.raises(BadExpression, match=re.escape(said)):
        parsed(text)


def test_a_list_that_was_filled_in_may_be_changed() -> None:
    filled('{{["a"]}}', {}).append("b")
    assert filled('{{["a"]}}', {}) == ["a"]


@pytest.mark.parametrize(("name", "is_one"), [("city", True), ("X-Key", True), ("$a", True), ("a.b", False)])
def test_whether_a_placeholder_can_name_an_argument(name: str, is_one: bool) -> None:
    assert is_nameable(name) is is_one
    assert (value_of(name, {name: 1}) == 1) is is_one


def test_a_long_expression_is_refused() -> None:
    with pytest.raises(BadExpression, match="500"):
        parsed("a" * (MAX_EXPRESSION + 1))


def test_what_is_missing_is_left_out_of_lists_and_objects_and_is_missing_alone() -> None:
    assert filled({"a": "{{zz}}", "b": ["{{zz}}", 1], "c": {"d": "{{zz}}"}}, {}) == {"b": [1], "c": {}}
    assert filled("{{zz}}", {}) is MISSING


def test_within_text_a_missing_value_is_an_error_that_names_it() -> None:
    with pytest.raises(Absent, match="city is needed"):
        filled("/in/{{city}}", {})


def test_values_within_text_are_written_as_json_but_for_text_and_null() -> None:
    assert filled("{{a}}|{{b}}|{{c}}|{{d}}", {"a": "ü", "b": True, "c": {"x": [1]}, "d": None}) == 'ü|true|{"x":[1]}|'


def test_braces_can_be_written_as_a_literal() -> None:
    assert filled('{{"{{"}}x', {}) == "{{x"
    assert list(expressions('{{"{{"}}x'))


def test_what_a_template_names_is_known_before_it_is_filled() -> None:
    assert named({"a": "{{x.y}}-{{z == w}}", "b": [{"c": "{{q[0]}}"}]}) == {"x", "z", "w", "q"}
    with pytest.raises(BadExpression, match="does not end"):
        named("{{x")


@pytest.mark.parametrize(
    ("condition", "is_true"), [("on", True), ("{{n > 2}}", True), ("zz", False), ("none", False), ("zz != 1", True)]
)
def test_a_condition_holds_if_it_comes_to_something(condition: str, is_true: bool) -> None:
    assert holds(condition, SCOPE) is is_true


@given(st.text(max_size=60))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    try:
        expression = parsed(text)
    except BadExpression:
        return
    assert all(path.steps for path in expression.paths)
    value_of(text, {})


@given(st.text(max_size=60), st.dictionaries(st.text(max_size=3), JSON, max_size=3))
def test_any_template_is_filled_or_refused(text: str, scope: dict[str, Any]) -> None:
    with suppress(BadExpression, Absent):
        filled(text, scope)
