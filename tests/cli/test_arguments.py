"""What a person types becomes the JSON that a tool's schema wants."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from magictunnel.cli.arguments import parse_arguments
from magictunnel.errors import ConfigError


def parsed(word: str, schema: Any) -> Any:
    """The value that `k=word` takes if the property `k` has that schema."""
    return parse_arguments([f"k={word}"], {"type": "object", "properties": {"k": schema}})["k"]


def refused(*words: str, schema: dict[str, Any] | None = None) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse_arguments(words, schema or {})
    return caught.value


@pytest.mark.parametrize(
    ("schema", "word", "value"),
    [
        ({"type": "string"}, "7", "7"),
        ({"type": "string"}, "true", "true"),
        ({"type": "string"}, "", ""),
        ({"type": "string"}, "a=b", "a=b"),
        ({"type": "string"}, '{"a": 1}', '{"a": 1}'),
        ({"type": "integer"}, "7", 7),
        ({"type": "integer"}, "-7", -7),
        ({"type": "integer"}, "1e3", 1000),
        ({"type": "integer"}, "7.0", 7),
        ({"type": "integer"}, "12345678901234567890", 12345678901234567890),
        ({"type": "number"}, "7", 7),
        ({"type": "number"}, "7.5", 7.5),
        ({"type": "boolean"}, "yes", True),
        ({"type": "boolean"}, "TRUE", True),
        ({"type": "boolean"}, "0", False),
        ({"type": "boolean"}, "off", False),
        ({"type": "null"}, "null", None),
        ({"type": "array"}, "[1, 2]", [1, 2]),
        ({"type": "array"}, "1", [1]),
        ({"type": "array"}, "text", ["text"]),
        ({"type": "object"}, '{"a": [1]}', {"a": [1]}),
        ({"type": ["string", "integer"]}, "7", 7),
        ({"type": ["string", "integer"]}, "seven", "seven"),
        ({"type": ["null", "string"]}, "null", None),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "7", 7),
        ({"oneOf": [{"type": "boolean"}, {"type": "string"}]}, "maybe", "maybe"),
        ({"anyOf": [{"anyOf": [{"type": "number"}]}]}, "1.5", 1.5),
        ({}, "7", 7),
        ({}, "text", "text"),
        ({}, '"7"', "7"),
        ({"enum": ["a"]}, "a", "a"),
        (True, "7", 7),
        ({"type": 7}, "7", 7),
        ({"type": "odd"}, "7", 7),
    ],
)
def test_a_value_takes_the_type_its_schema_gives_it(schema: Any, word: str, value: Any) -> None:
    found = parsed(word, schema)

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("schema", "word", "types"),
    [
        ({"type": "integer"}, "seven", "integer"),
        ({"type": "integer"}, "7.5", "integer"),
        ({"type": "integer"}, "", "integer"),
        ({"type": "integer"}, "inf", "integer"),
        ({"type": "integer"}, "nan", "integer"),
        ({"type": "number"}, "much", "number"),
        ({"type": "boolean"}, "maybe", "boolean"),
        ({"type": "object"}, "[1]", "object"),
        ({"type": "array"}, "[1", "array"),
        ({"type": ["integer", "null"]}, "x", "integer or null"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_what_would(schema: Any, word: str, types: str) -> None:
    error = refused(f"k={word}", schema={"properties": {"k": schema}})

    assert error.message == f"k={word!r} is not {types}"


@pytest.mark.parametrize("word", ["nan", "inf", "-Infinity"])
def test_a_number_that_json_does_not_have_is_refused(word: str) -> None:
    assert "is not number" in refused(f"k={word}", schema={"properties": {"k": {"type": "number"}}}).message


@pytest.mark.parametrize("word", ["NaN", "Infinity"])
def test_what_only_looks_like_a_number_stays_text(word: str) -> None:
    assert parsed(word, {}) == word


def test_a_key_given_twice_makes_an_array_where_one_is_wanted() -> None:
    schema = {"properties": {"many": {"type": "array", "items": {"type": "string"}}, "one": {"type": "integer"}}}

    assert parse_arguments(["many=a", "one=1", "many=b", "one=2"], schema) == {"many": ["a", "b"], "one": 2}


def test_keys_that_the_schema_does_not_have_are_passed_on() -> None:
    assert parse_arguments(["extra=1"], {"type": "object", "properties": {}}) == {"extra": 1}
    assert parse_arguments(["extra=1"], {"properties": "odd"}) == {"extra": 1}
    assert parse_arguments([], {}) == {}


def test_one_object_is_taken_whole(tmp_path: Path) -> None:
    wanted = {"k": [1, {"ü": None}]}
    file = tmp_path / "arguments.json"
    file.write_text(json.dumps(wanted), encoding="utf-8")

    assert parse_arguments([json.dumps(wanted)], {"properties": {"k": {"type": "string"}}}) == wanted
    assert parse_arguments([f"@{file}"], {}) == wanted


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["word"], "'word' is not an argument"),
        (["=value"], "'=value' is not an argument"),
        (["a=1", '{"b": 2}'], "'{\"b\": 2}' is not an argument"),
        (["{broken"], "the arguments are not JSON"),
        (["@/no/such/file"], "cannot read /no/such/file: No such file or directory"),
    ],
)
def test_what_is_no_argument_is_refused_with_how_to_write_one(words: list[str], message: str) -> None:
    error = refused(*words)

    assert error.message.startswith(message)
    assert error.hint


@pytest.mark.parametrize("text", ["[1]", "7", "null", ""])
def test_a_file_without_an_object_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "arguments.json"
    file.write_text(text, encoding="utf-8")

    assert refused(f"@{file}").message.startswith("the arguments are not")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "arguments.json"
    file.write_bytes(b"\xff\xfe\x00")

    assert refused(f"@{file}").message.startswith("the arguments are not JSON")
