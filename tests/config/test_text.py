from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.config.build import MAX_DEPTH
from magictunnel.config.text import MAX_BYTES, parse_text, read_text
from magictunnel.errors import ConfigError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def refused(text: str, file: str = "config.yaml") -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse_text(text, file)
    assert len(str(caught.value).splitlines()) == 1
    return caught.value


def complaint(text: str, file: str) -> str:
    """What parse_text says against `text`; nothing if it can be read."""
    try:
        parse_text(text, file)
    except ConfigError as error:
        return str(error)
    return ""


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@given(
    st.dictionaries(st.text(), JSON),
    st.booleans(),
    st.sampled_from([None, 2, "\t"]),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,", " : ")]),
)
def test_any_json_object_reads_back_as_it_was(
    value: dict, ascii_only: bool, indent: int | str | None, separators: tuple[str, str]
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent, separators=separators)

    assert parse_text(text, "config.json").data == value


@given(st.text(alphabet=st.characters(codec=None), max_size=60), st.sampled_from(["a.yaml", "a.json", ""]))
def test_any_text_is_read_or_refused_with_one_line(text: str, file: str) -> None:
    assert "\n" not in complaint(text, file)


@given(st.text(alphabet="{}[]:,\"'\\/*#&!|>%@`-? \t\n\r<~au0.", max_size=40), st.booleans())
def test_text_made_of_syntax_alone_is_read_or_refused(text: str, as_json: bool) -> None:
    assert "\n" not in complaint(text, "a.json" if as_json else "a.yaml")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r'"\/"', "/"),
        (r'"\u0041\b\f\n\r\t\"\\"', 'A\b\f\n\r\t"\\'),
        (r'"\ud83d\ude00"', "\U0001f600"),
        ('"\x7f\u2028\ufeff\x85"', "\x7f\u2028\ufeff\x85"),
        ('"a\tb"', "a\tb"),
        ('"yes"', "yes"),
        ('"1e3"', "1e3"),
        ('"2026-01-01"', "2026-01-01"),
        ('"http://x//y /* z */ # w"', "http://x//y /* z */ # w"),
        ("1e3", 1000.0),
        ("-0.5E+1", -5.0),
        ("12345678901234567890", 12345678901234567890),
        ("null", None),
        ("false", False),
    ],
)
def test_json_values_mean_what_json_says(written: str, meant: object) -> None:
    assert parse_text(f'{{"a":{written}}}', "config.json").data == {"a": meant}


def test_a_key_of_any_length_may_have_its_colon_anywhere() -> None:
    key = "k" * 5000

    assert parse_text(f'{{"{key}":1, "a": {{"b"\n :\n2}}}}', "config.json").data == {key: 1, "a": {"b": 2}}


def test_half_of_a_surrogate_pair_becomes_the_replacement_character() -> None:
    assert parse_text(r'{"a": "x\ud83d"}', "config.json").data == {"a": "x\ufffd"}
    assert parse_text(r'a: "x\ud83d"', "config.yaml").data == {"a": "x\ufffd"}


def test_json_may_have_a_bom_comments_tabs_and_trailing_commas() -> None:
    text = '\ufeff// hello {\n{\t"a": [1, 2,], /* two\nlines " */ "b": "x", // it\'s "odd\n\t"c": true,\n}\n'

    document = parse_text(text, "config")

    assert document.is_json
    assert document.data == {"a": [1, 2], "b": "x", "c": True}
    assert [document.line_of((key,)) for key in "abc"] == [2, 3, 4]


def test_text_is_json_by_its_first_brace_or_by_its_suffix() -> None:
    assert parse_text("# note\n {a: 1}", "any").is_json
    assert parse_text("", "CONFIG.JSON").is_json
    assert not parse_text("a: {}", "config").is_json


def test_a_bare_url_in_braces_is_no_comment() -> None:
    assert parse_text("{url: http://x/mcp}", "config.yaml").data == {"url": "http://x/mcp"}


def test_yaml_dates_and_old_booleans_stay_text() -> None:
    text = "a: 2026-01-01\nb: 2026-01-01 10:00:00\nc: yes\nd: 1_000\ne: 12:30\nf: 0o14\ng: .inf\nh: ~\ni:\n"

    assert parse_text(text, "config.yaml").data == {
        "a": "2026-01-01",
        "b": "2026-01-01 10:00:00",
        "c": "yes",
        "d": "1_000",
        "e": "12:30",
        "f": 12,
        "g": float("inf"),
        "h": None,
        "i": None,
    }


def test_tags_say_how_a_value_is_read() -> None:
    assert parse_text("a: !!str 1\nb: ! 2\nc: !!int '3'", "config.yaml").data == {"a": "1", "b": "2", "c": 3}


def test_a_tag_of_its_own_is_refused() -> None:
    error = refused("a: 1\nb: !python/object x")

    assert error.line == 2
    assert "!python/object" in error.message
    assert refused("a: !!set {x}").line == 1


def test_keys_are_text_however_they_look() -> None:
    assert parse_text("8080: a\ntrue: b\n2026-01-01: c", "c.yaml").data == {"8080": "a", "true": "b", "2026-01-01": "c"}
    assert "a key has to be text" in refused("? [1]\n: 2").message


def test_every_key_and_item_has_its_line() -> None:
    document = parse_text("# c\na:\n  b:\n    - x\n    - y\n\n  c: {d: 1}\n", "config.yaml")

    assert document.line_of(("a",)) == 2
    assert document.line_of(("a", "b")) == 3
    assert document.line_of(("a", "b", 1)) == 5
    assert document.line_of(("a", "c", "d")) == 7


def test_a_path_without_a_line_has_that_of_its_nearest_parent() -> None:
    document = parse_text("\na:\n  b: 1\n", "config.yaml")

    assert document.line_of(("a", "missing", 3, "deeper")) == 2
    assert document.line_of(("missing",)) == 2
    assert parse_text("", "config.yaml").line_of(("a",)) == 0


def test_how_a_number_is_spelled_is_kept() -> None:
    document = parse_text("a: 1.10\nb: [0x1F, '2']", "config.yaml")

    assert document.written == {("a",): "1.10", ("b", 0): "0x1F"}


def test_aliases_and_merges_are_followed() -> None:
    text = "base: &b {x: 1, y: 2}\none: *b\ntwo: {<<: *b, y: 3}\nthree: {<<: [{x: 5}, *b]}"

    assert parse_text(text, "config.yaml").data == {
        "base": {"x": 1, "y": 2},
        "one": {"x": 1, "y": 2},
        "two": {"x": 1, "y": 3},
        "three": {"x": 5, "y": 2},
    }


def test_a_quoted_merge_key_is_a_key() -> None:
    assert parse_text('{"<<": {"a": 1}}', "config.json").data == {"<<": {"a": 1}}


def test_a_merge_of_something_else_is_refused() -> None:
    assert refused("a: 1\n<<: 2").line == 2


def test_an_alias_within_its_own_anchor_is_refused() -> None:
    assert "*x" in refused("a: &x [*x]").message


def test_billion_laughs_are_refused_before_they_are_told() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]

    error = refused("\n".join(lines))

    assert "more than 100,000 values" in error.message
    assert error.line < 10


def test_aliases_do_not_hide_depth() -> None:
    levels = [f"a{n}: &a{n} [[[[[[[[[[*a{n - 1}]]]]]]]]]]" for n in range(1, 8)]

    assert "64 levels" in refused("\n".join(["a0: &a0 []", *levels])).message


def test_depth_is_bounded() -> None:
    assert parse_text(nested(MAX_DEPTH), "config.json").data
    assert "64 levels" in refused(nested(MAX_DEPTH + 2)).message
    assert "64 levels" in refused("[" * 100_000).message


def test_many_values_are_refused() -> None:
    assert "more than 100,000 values" in refused("[" + "1," * 100_001 + "]").message


@pytest.mark.parametrize(
    ("text", "line"),
    [("a: 1\nb: 2\na: 3\n", 3), ('{"a": 1,\n"a": 2}', 2), ("x:\n  - a: 1\n    a: 1", 3)],
)
def test_a_key_that_stands_twice_is_refused_with_both_lines(text: str, line: int) -> None:
    error = refused(text)

    assert (error.line, "'a' stands here twice" in error.message) == (line, True)
    assert f"line {line - 1}" in error.hint or "line 1" in error.hint


@pytest.mark.parametrize(
    ("text", "file", "line", "said"),
    [
        ("a: 1\nb: c: d", "c.yaml", 2, "not valid YAML"),
        ("a:\n\tb: 1", "c.yaml", 2, "cannot start any token"),
        ('{"a": 1\n "b": 2}', "c.json", 2, "not valid JSON"),
        ('{"a": 1,\n "b": "x\n}', "c.json", 2, "not closed"),
        ('{"a":\n"C:\\Users"}', "c.json", 2, r"\U is not an escape"),
        ("{}\n}", "c.json", 2, "after the end"),
        ("a: 1\n---\nb: 1", "c.yaml", 2, "second document"),
        ("a: \x07", "c.yaml", 1, "character"),
    ],
)
def test_broken_syntax_is_told_with_its_line(text: str, file: str, line: int, said: str) -> None:
    error = refused(text, file)

    assert error.line == line
    assert said in error.message


def test_toml_gets_a_word_of_advice() -> None:
    assert "TOML" in refused('[mcp_servers.git]\ncommand = "uvx"\n', "config.toml").hint


def test_a_file_is_read_as_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes("a: é".encode())

    assert read_text(path) == "a: é"


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b'{\n"a": "\xe9"}')

    with pytest.raises(ConfigError, match="UTF-8") as caught:
        read_text(path)

    assert caught.value.line == 2


def test_a_missing_file_and_a_directory_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        read_text(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="directory") as caught:
        read_text(tmp_path)
    assert caught.value.hint
    with pytest.raises(ConfigError, match="name of a file"):
        read_text(Path("a\0b"))


def test_a_large_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b" " * (MAX_BYTES + 1))

    with pytest.raises(ConfigError, match="1 MiB"):
        read_text(path)
    assert "1 MiB" in refused(" " * (MAX_BYTES + 1)).message
