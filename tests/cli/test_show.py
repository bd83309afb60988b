"""Data on stdout, talk on stderr, and nothing in either that a server could drive a terminal with."""

from __future__ import annotations

import json
from typing import Any

import pytest

from magictunnel.catalog.model import Kind
from magictunnel.cli.show import content_text, counted, progress, say, show_json, show_rows, show_text


def test_rows_in_a_pipe_are_lines_of_tab_separated_cells(capsys: pytest.CaptureFixture[str]) -> None:
    show_rows(("name", "what"), [("a", "[bold]b[/]"), ("c", "")])

    assert capsys.readouterr() == ("a\t[bold]b[/]\nc\t\n", "")


def test_a_cell_is_one_cell_whatever_stands_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    show_rows(("x",), [("a\tb\nc \x1b[31md\x07",)])

    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "\t" not in out
    assert "\x1b" not in out
    assert "\x07" not in out


def test_json_is_whole_and_readable(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"ü": [None, "x" * 500, "[bold]"]}
    show_json(value)

    out = capsys.readouterr().out
    assert json.loads(out) == value
    assert "ü" in out


@pytest.mark.parametrize(("text", "shown"), [("a", "a\n"), ("a\n", "a\n"), ("a\n\n", "a\n\n"), ("", "\n")])
def test_text_ends_with_a_newline(text: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    show_text(text)

    assert capsys.readouterr().out == shown


def test_talk_goes_to_stderr_and_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    say("[red]x[/red] [/] " + "y" * 300 + "\x1b[2J", "red")

    out, err = capsys.readouterr()
    assert out == ""
    assert err == "[red]x[/red] [/] " + "y" * 300 + " [2J\n"


def test_progress_is_for_those_who_watch(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("working"):
        pass

    assert capsys.readouterr() == ("", "")


def test_counts_leave_out_what_there_is_none_of() -> None:
    assert counted({Kind.TOOL: 3, Kind.PROMPT: 1, Kind.RESOURCE: 0}) == "3 tools, 1 prompt"
    assert counted({}) == ""


@pytest.mark.parametrize(
    ("blocks", "texts"),
    [
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], ["a", "b"]),
        ({"type": "text", "text": "a"}, ["a"]),
        ([{"uri": "x:1", "text": "a"}], ["a"]),
        ([{"type": "resource", "resource": {"uri": "x:1", "text": "a"}}], ["a"]),
        (
            [{"type": "image", "data": "AAAA" * 1000, "mimeType": "image/png"}],
            ["[image image/png, 3,000 bytes; --json shows it]"],
        ),
        ([{"uri": "x:1", "blob": "AAAA", "mimeType": "x/y"}], ["[data x/y, 3 bytes; --json shows it]"]),
        ([{"type": "resource_link", "uri": "x:1"}], ["[resource x:1]"]),
        ([{"type": "odd", "ü": 1}], ['{"type": "odd", "ü": 1}']),
        ([None, 7, "x"], []),
        (None, []),
    ],
)
def test_content_is_told_as_text_or_by_what_it_is(blocks: Any, texts: list[str]) -> None:
    assert list(content_text(blocks)) == texts
