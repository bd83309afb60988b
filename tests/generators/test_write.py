"""What is written reads back as it was, by our reader and by another one, and looks as a person would write it."""

from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from magictunnel.config.text import parse_text
from magictunnel.errors import ConfigError
from magictunnel.generators.write import to_json, to_text, to_yaml, write_file

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    ["", " ", "a: b", "a #b", "- a", "yes", "null", "1.0", "0x1", "{{a}}", "x {{a}}", "a\nb", "a\n\n", "\n", " a\nb",
     "a\n  b\n", "a\tb\n c", "---", "a:", "#", "%a", "@", "`", "<<", "=", "~", "a,b", "[a", "2024-01-01", "a\r\nb",
     "x\x85y\nz", "line one\n\nline two\n\n\n", "\ufeffx", "a\n \nb", "$(rm) \\ \" '", "on", "a: \nb",
     "what?", "a?b", "x!", "it's", "a&b", "50%", "a|b"]
)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=20
)
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=5)


@settings(deadline=None)
@given(OBJECTS, st.lists(st.text(st.characters(categories=["L", "N", "Zs"])), max_size=2))
def test_our_reader_reads_what_was_written(content: dict[str, Any], header: list[str]) -> None:
    assert parse_text(to_yaml(content, header), "x.yaml").data == content
    assert parse_text(to_json(content), "x.json").data == content


@pytest.mark.parametrize("pure", [True, False])
@settings(deadline=None)
@given(content=OBJECTS)
def test_other_readers_read_the_same(pure: bool, content: dict[str, Any]) -> None:
    """`pure`: by ruamel's own parser, or by libyaml where that is installed."""
    text = to_yaml(content)
    assert YAML(typ="safe", pure=pure).load(text) == content


def test_a_long_key_is_still_a_key() -> None:
    content = {"a": {"k" * 2_000: {"deep": [1]}, "and" * 500: "x\ny"}}
    assert parse_text(to_yaml(content), "x.yaml").data == content


def test_it_looks_as_a_person_writes_it() -> None:
    content = {
        "name": "city",
        "tools": [
            {
                "name": "weather",
                "description": "Of a city.\n\nNow, or tomorrow.\n",
                "inputSchema": {
                    "type": "object",
                    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "default": 1}},
                    "required": ["city", "days"],
                },
                "http": {"url": "https://a.example/{{city}}", "headers": {}, "query": {"days": "{{days}}"}},
                "tags": ["on", "a b", "x, y"],
            }
        ],
    }
    assert to_yaml(content, ["Made by hand."]) == (
        "# Made by hand.\n"
        "name: city\n"
        "tools:\n"
        "  - name: weather\n"
        "    description: |\n"
        "      Of a city.\n"
        "\n"
        "      Now, or tomorrow.\n"
        "    inputSchema:\n"
        "      type: object\n"
        "      properties:\n"
        "        city: {type: string}\n"
        "        days: {type: integer, default: 1}\n"
        "      required: [city, days]\n"
        "    http:\n"
        "      url: https://a.example/{{city}}\n"
        "      headers: {}\n"
        '      query: {days: "{{days}}"}\n'
        '    tags: ["on", a b, "x, y"]\n'
    )


def test_a_thousand_tools_take_no_time() -> None:
    schema = {"type": "object", "properties": {f"p{n}": {"type": "string", "description": "d" * 80} for n in range(20)}}
    tools = [{"name": f"t{n}", "description": "One.\nTwo.", "inputSchema": schema} for n in range(1_000)]
    before = time.process_time()
    text = to_yaml({"tools": tools})
    assert text.count("\n") > 40_000
    assert time.process_time() - before < 10  # 0.5 s where nobody else computes


def test_a_file_called_json_is_json() -> None:
    assert json.loads(to_text({"a": "é"}, "X.JSON", ["h"])) == {"a": "é"}
    assert to_text({"a": 1}, "x.yaml", ["h"]) == "# h\na: 1\n"


def test_what_is_there_is_replaced_only_if_that_is_said(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    write_file(file, "a")
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    with pytest.raises(ConfigError, match="is there already"):
        write_file(file, "b")
    assert file.read_text("utf-8") == "a"
    file.chmod(0o600)
    write_file(file, "b", over=True)
    assert (file.read_text("utf-8"), stat.S_IMODE(file.stat().st_mode)) == ("b", 0o600)
    assert os.listdir(tmp_path) == ["a.yaml"]


def test_behind_a_link_the_file_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("a", "utf-8")
    (tmp_path / "link").symlink_to("real")
    write_file(tmp_path / "link", "b", over=True)
    assert (tmp_path / "real").read_text("utf-8") == "b"


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written: No such file"):
        write_file(tmp_path / "no" / "a.yaml", "a")


def test_numbers_without_end_stand_in_yaml() -> None:
    content = {"most": float("inf"), "least": float("-inf")}
    assert parse_text(to_yaml(content), "x.yaml").data == content
