"""Values are written as OpenAPI says."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.capabilities.http.styles import (
    cookie_pairs,
    header_text,
    is_nothing,
    path_text,
    query_pairs,
)
from magictunnel.capabilities.language.expression import MISSING
from magictunnel.capabilities.language.requests import Style

ARRAY = ["blue", "black", "brown"]
OBJECT = {"R": 100, "G": 200, "B": 150}


def written(value: Any, style: str, explode: bool) -> str:
    """As the table of OpenAPI has it."""
    match style:
        case "matrix" | "label" | "simple":
            return path_text("color", value, Style(style), explode)
        case _:
            return "&".join("=".join(pair) for pair in query_pairs("color", value, Style(style), explode))


@pytest.mark.parametrize(
    ("style", "explode", "empty", "string", "array", "map_"),
    [
        ("matrix", False, ";color", ";color=blue", ";color=blue,black,brown", ";color=R,100,G,200,B,150"),
        ("matrix", True, ";color", ";color=blue", ";color=blue;color=black;color=brown", ";R=100;G=200;B=150"),
        ("label", False, ".", ".blue", ".blue,black,brown", ".R,100,G,200,B,150"),
        ("label", True, ".", ".blue", ".blue.black.brown", ".R=100.G=200.B=150"),
        ("simple", False, "", "blue", "blue,black,brown", "R,100,G,200,B,150"),
        ("simple", True, "", "blue", "blue,black,brown", "R=100,G=200,B=150"),
        ("form", False, "color=", "color=blue", "color=blue,black,brown", "color=R,100,G,200,B,150"),
        ("form", True, "color=", "color=blue", "color=blue&color=black&color=brown", "R=100&G=200&B=150"),
        ("spaceDelimited", False, None, None, "color=blue%20black%20brown", "color=R%20100%20G%20200%20B%20150"),
        ("pipeDelimited", False, None, None, "color=blue%7Cblack%7Cbrown", "color=R%7C100%7CG%7C200%7CB%7C150"),
        ("deepObject", True, None, None, None, "color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150"),
    ],
)
def test_the_table_of_the_specification_holds(
    style: str, explode: bool, empty: str | None, string: str | None, array: str | None, map_: str
) -> None:
    cases = [("", empty), ("blue", string), (ARRAY, array), (OBJECT, map_)]
    for value, expected in cases:
        if expected is not None:
            assert written(value, style, explode) == expected


@pytest.mark.parametrize("style", ["spaceDelimited", "pipeDelimited"])
def test_delimited_lists_that_explode_are_repeated(style: str) -> None:
    assert written(ARRAY, style, True) == "color=blue&color=black&color=brown"


def test_deep_objects_may_be_nested() -> None:
    value = {"a": {"b": [1, {"c": "x y"}]}, "gone": None}

    pairs = query_pairs("f", value, Style.DEEP)

    assert [(unquote(name), text) for name, text in pairs] == [("f[a][b][0]", "1"), ("f[a][b][1][c]", "x%20y")]


def test_a_value_of_a_deep_object_parameter_that_is_none_is_written_plainly() -> None:
    assert query_pairs("f", "x", Style.DEEP) == [("f", "x")]


def test_json_is_written_whole() -> None:
    assert query_pairs("f", {"a": [1, None]}, Style.JSON) == [("f", "%7B%22a%22%3A%5B1%2Cnull%5D%7D")]
    assert path_text("p", {"a": 1}, Style.JSON) == "%7B%22a%22%3A1%7D"
    assert header_text({"a": "ü"}, Style.JSON) == '{"a":"\\u00fc"}'


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (False, "false"), (0, "0"), (1.5, "1.5"), ("", ""), ({"a": 1}, "a,1")]
)
def test_scalars_are_written_as_json_has_them(value: Any, text: str) -> None:
    assert path_text("p", value) == text
    assert header_text(value) == text


@pytest.mark.parametrize("value", [None, MISSING, [], {}, [None], {"a": None}])
@pytest.mark.parametrize("style", [Style.FORM, Style.SPACE, Style.PIPE, Style.DEEP])
def test_what_is_missing_is_left_out(value: Any, style: Style) -> None:
    assert query_pairs("a", value, style) == []
    assert cookie_pairs("a", value) == []
    assert is_nothing(value)


def test_what_is_missing_is_left_out_of_lists_and_objects() -> None:
    assert query_pairs("a", [1, None, 2], Style.FORM, explode=False) == [("a", "1,2")]
    assert query_pairs("a", {"x": None, "y": 2}, Style.FORM, explode=True) == [("y", "2")]


def test_what_separates_is_encoded_within_a_value() -> None:
    (pair,) = query_pairs("a&b", ["x,y", "1&2=3", "+ /?#"], explode=False)

    assert pair == ("a%26b", "x%2Cy,1%262%3D3,%2B%20%2F%3F%23")
    assert path_text("p", "a/b.c;d=1?#%") == "a%2Fb.c%3Bd%3D1%3F%23%25"


def test_reserved_characters_stay_if_asked_to_but_none_that_would_end_the_value() -> None:
    assert query_pairs("u", "https://h/p?a=b&c#d+e", reserved=True) == [("u", "https://h/p?a=b%26c%23d%2Be")]


def test_cookies_keep_what_cookies_may_hold() -> None:
    assert cookie_pairs("id", "a+b/c==") == [("id", "a+b/c==")]
    assert cookie_pairs("id", 'a; b,"c"\r\n') == [("id", "a%3B%20b%2C%22c%22%0D%0A")]
    assert cookie_pairs("id", ["a", "b"], explode=False) == [("id", "a,b")]


scalars = st.none() | st.booleans() | st.integers() | st.text()
texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts, texts)
def test_what_is_read_back_from_a_query_is_what_was_written(name: str, value: str) -> None:
    for reserved in (False, True):
        ((key, text),) = query_pairs(name, value, reserved=reserved)

        assert parse_qsl(f"{key}={text}", keep_blank_values=True) == [(name, value)]


@given(texts)
def test_a_path_value_is_one_segment_whatever_it_is(value: str) -> None:
    text = path_text("p", value)

    assert text.isascii()
    assert not set(text) & set("/?#\\ :@")
    assert unquote(text) == value
