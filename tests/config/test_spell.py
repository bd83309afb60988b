from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.config.spell import json_text, yaml_flow, yaml_lines
from magictunnel.config.text import parse_text

_TEXTS = st.text(st.characters(codec="utf-8")) | st.from_regex(r"[-.~&*!?|>%@$:,\[\]{}a-z0-9_+/ ]{0,6}", fullmatch=True)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(_TEXTS, _VALUES)
def test_what_is_written_reads_back_as_it_was(key: str, value: object) -> None:
    assert parse_text("\n".join(yaml_lines(key, value, "  ")), "c.yaml").data == {key: value}
    assert parse_text(f"- {yaml_flow([value])}", "c.yaml").data == [[value]]
    assert parse_text(f"a: {yaml_flow({key: value})}", "c.yaml").data == {"a": {key: value}}
    assert parse_text(json_text({key: value}, "\t"), "c.json").data == {key: value}


@pytest.mark.parametrize("text", ["uvx", "mcp-server-git", "--port", "-y", "./serve", "/opt/x_y.sh", "http://h:1/mcp"])
def test_what_needs_no_quotes_has_none(text: str) -> None:
    assert yaml_flow(text) == text


@pytest.mark.parametrize("text", ["", "y", "No", "null", "~", "12", "-1", ".5", "a b", "a:", "<<", "${X}", "@x/y", "é"])
def test_what_others_might_take_for_something_else_is_quoted(text: str) -> None:
    assert yaml_flow(text) == f'"{text}"'
