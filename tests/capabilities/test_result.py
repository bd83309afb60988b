"""What came of a run becomes a result: text, structured where JSON was promised, and errors that explain themselves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.capabilities.base import Output
from magictunnel.capabilities.content.result import MAX_REASON, failure, result_of
from magictunnel.errors import RunError
from magictunnel.wire.codec import is_writable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def texts(result: dict[str, Any]) -> list[str]:
    """The texts among its content."""
    return [block["text"] for block in result["content"] if block["type"] == "text"]


def test_a_whole_result_stays_as_it_is() -> None:
    whole = {"content": [], "structuredContent": {"a": 1}, "_meta": {"x": "y"}, "new": [1]}

    assert result_of(Output(result=whole), has_schema=True) is whole


def test_text_is_text() -> None:
    assert result_of(Output(b"hello\n"), has_schema=False) == {"content": [{"type": "text", "text": "hello\n"}]}
    assert result_of(Output(), has_schema=False) == {"content": []}


def test_json_is_structured_where_it_is_promised_and_only_there() -> None:
    body, value = b'{"a": [1, 12345678901234567890123]}', {"a": [1, 12345678901234567890123]}
    expected = [{"type": "text", "text": body.decode()}]

    for content_type in ("application/json", "application/hal+json", "", "text/plain"):
        output = Output(body, content_type)
        assert result_of(output, has_schema=True) == {"content": expected, "structuredContent": value}
        assert result_of(output, has_schema=False) == {"content": expected}


def test_a_value_is_json_as_text_and_structured_where_it_is_promised() -> None:
    result = result_of(Output(value={"ü": [1]}), has_schema=True)

    assert result["structuredContent"] == {"ü": [1]}
    assert texts(result) == ['{\n  "ü": [\n    1\n  ]\n}']
    assert "structuredContent" not in result_of(Output(value={"a": 1}), has_schema=False)


def test_large_json_is_written_on_one_line() -> None:
    (text,) = texts(result_of(Output(value=list(range(10_000))), has_schema=False))

    assert "\n" not in text


@pytest.mark.parametrize("value", [[1, 2], "text", 3, None, True])
def test_json_that_is_no_object_is_text_alone(value: Any) -> None:
    for output in (Output(value=value), Output(json.dumps(value).encode(), "application/json")):
        result = result_of(output, has_schema=True)

        assert set(result) == {"content"}
        assert json.loads(texts(result)[0]) == value


@pytest.mark.parametrize(
    "output",
    [
        Output(b"<html>no</html>", "text/html"),
        Output(b'{"a": ', "application/json"),
        Output(b'{"a": "\\ud800"}', "application/json"),
        Output(b"[" * 100_000, "application/json"),
        Output(b"\x89PNG\r\n\x1a\n{}", "image/png"),
        Output(),
    ],
    ids=["html", "broken", "half a character", "deep", "image", "nothing"],
)
def test_where_json_is_promised_and_none_came_the_result_says_so_and_shows_it(output: Output) -> None:
    result = result_of(output, has_schema=True)

    assert result["isError"] is True
    assert texts(result)[0].startswith("The tool promises JSON")
    assert result["content"][1:] == result_of(output, has_schema=False)["content"]


def test_what_was_cut_says_so() -> None:
    result = result_of(Output(b"beginning", is_cut=True), has_schema=False)

    assert texts(result)[0] == "beginning"
    assert "max_output" in texts(result)[1]
    assert "isError" not in result


def test_json_that_was_cut_is_an_error_where_it_is_promised() -> None:
    result = result_of(Output(b'{"a": [1, 2', is_cut=True), has_schema=True)

    assert result["isError"] is True
    assert "max_output" in texts(result)[0]


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (Output(b"why\n", failed="exited with 3"), "exited with 3\n\nwhy"),
        (Output(failed="exited with 3"), "exited with 3"),
        (Output(b'{"error":"no"}', "application/json", failed="HTTP 404"), 'HTTP 404\n\n{"error":"no"}'),
        (Output(value={"error": "no"}, failed="HTTP 404"), 'HTTP 404\n\n{\n  "error": "no"\n}'),
        (Output(b"\x89PNG\r\n\x1a\n", "image/png", failed="HTTP 500"), "HTTP 500\n\n(image/png, 8 bytes)"),
        (Output(b"\xff\xfe", failed="exited with 1"), "exited with 1"),
    ],
)
def test_a_failure_is_an_error_with_its_reason(output: Output, text: str) -> None:
    for has_schema in (True, False):
        assert result_of(output, has_schema=has_schema) == failure(text)


def test_a_long_reason_is_shortened() -> None:
    (text,) = texts(result_of(Output(b"x" * 1_000_000, failed="HTTP 500"), has_schema=False))

    assert len(text) < MAX_REASON + 100


def test_an_error_is_told_with_its_hint() -> None:
    result = failure(RunError("it has no legs", hint="give it some"))

    assert result == {"content": [{"type": "text", "text": "it has no legs (give it some)"}], "isError": True}


@given(JSON, st.booleans())
def test_any_json_becomes_what_can_be_sent(value: Any, has_schema: bool) -> None:
    assert is_writable(result_of(Output(value=value), has_schema=has_schema))


@given(
    st.binary(), st.sampled_from(["", "application/json", "text/html; charset=latin-1"]), st.booleans(), st.booleans()
)
def test_any_body_becomes_what_can_be_sent(body: bytes, content_type: str, has_schema: bool, is_cut: bool) -> None:
    result = result_of(Output(body, content_type, is_cut=is_cut), has_schema=has_schema)

    assert is_writable(result)
    assert has_schema <= ("structuredContent" in result or "isError" in result or not isinstance(_json(body), dict))


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def test_of_a_value_that_may_not_be_all_that_is_told() -> None:
    result = result_of(Output(value={"a": [1]}, is_cut=True), has_schema=True)
    assert result["structuredContent"] == {"a": [1]}
    assert json.loads(texts(result)[0]) == {"a": [1]}
    assert "`pages.most`" in texts(result)[1]
    assert len(texts(result_of(Output(value=[1]), has_schema=False))) == 1
