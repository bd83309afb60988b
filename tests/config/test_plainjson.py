"""What is plain JSON means the same to the quick reader as to the careful one, and anything else is left to that."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.config.jsonc import to_flow_yaml
from magictunnel.config.plainjson import MAX_DEPTH, MAX_NODES, NotPlain, plain_json
from magictunnel.config.text import parse_text
from magictunnel.config.yaml import parse_yaml
from magictunnel.errors import ConfigError

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
SYNTAX = st.text(alphabet='{}[]:,"\\/*# \t\n\r-+.eE0179untrfalseNaIy<~\ud83d\x7f\u2028', max_size=30)


def quickly(text: str) -> Any:
    try:
        return plain_json(text)
    except NotPlain:
        return NotPlain


def carefully(text: str) -> Any:
    try:
        return parse_yaml(to_flow_yaml(text, "a.json"), "a.json", "JSON").data
    except ConfigError:
        return ConfigError


@given(VALUES, st.booleans(), st.sampled_from([None, 2]))
def test_both_readers_agree_on_whatever_json_there_is(value: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    quick = quickly(text)

    assert quick is NotPlain or repr(quick) == repr(carefully(text))


@given(SYNTAX)
def test_both_readers_agree_on_what_looks_like_json(text: str) -> None:
    quick, careful = quickly(text), carefully(text)

    assert quick is NotPlain or careful is ConfigError or repr(quick) == repr(careful)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 2}',
        '{"a": {"b": 1, "b": 1}}',
        '{"a": 1,}',
        '{"a": 1} // note',
        '{"a": NaN}',
        '{"a": -Infinity}',
        r'{"a": "\ud83d\ude00"}',
        '{"a": ' + "9" * 4_001 + "}",
        "[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2),
        "[" * 100_000,
        "[" + "1," * MAX_NODES + "1]",
        "",
    ],
    ids=lambda text: text[:20],
)
def test_what_is_not_plain_is_left_to_the_careful_one(text: str) -> None:
    assert quickly(text) is NotPlain


def test_the_deepest_and_the_largest_that_may_be_are_plain() -> None:
    deepest = "[" * MAX_DEPTH + "1" + "]" * MAX_DEPTH
    assert quickly(deepest) == carefully(deepest)
    assert quickly(f"[{deepest}]") is NotPlain
    assert carefully(f"[{deepest}]") is ConfigError
    assert quickly("[" + "1," * (MAX_NODES - 2) + "1]") is not NotPlain
    assert quickly("[" + "1," * (MAX_NODES - 1) + "1]") is NotPlain


def test_where_things_stand_is_found_out_when_it_is_asked() -> None:
    document = parse_text('{\n "a": 1.10,\n "b": [true]\n}', "a.json")

    assert (document.line_of(("b", 0)), document.line_of(("a",))) == (3, 2)
    assert document.written == {("a",): "1.10", ("b", 0): "true"}
