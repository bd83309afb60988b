"""Pages, and cursors that stay good; the laws are in `tests/properties`."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from magictunnel.catalog.model import Entry, Kind
from magictunnel.errors import BadParams
from magictunnel.front.pages import page


def entries(names: str) -> list[Entry]:
    return [Entry(Kind.TOOL, name, "a", name, {}) for name in names]


def names(found: Any) -> str:
    return "".join(entry.name for entry in found)


def cursor_after(listed: str, size: int) -> str:
    _, cursor = page(entries(listed), None, size)
    assert cursor is not None
    return cursor


@pytest.mark.parametrize(
    ("listed", "size", "given", "more"), [("", 2, "", False), ("ab", 2, "ab", False), ("abc", 2, "ab", True)]
)
def test_the_first_page_has_a_cursor_only_if_there_is_more(listed: str, size: int, given: str, more: bool) -> None:
    found, cursor = page(entries(listed), None, size)

    assert names(found) == given
    assert (cursor is not None) is more


@pytest.mark.parametrize(
    ("now", "rest"),
    [("abcd", "cd"), ("xabcd", "cd"), ("bcd", "cd"), ("abxc", "xc"), ("acd", "d"), ("b", ""), ("a", ""), ("", "")],
    ids=[
        "same",
        "one came before",
        "one went before",
        "one came behind",
        "itself went",
        "the rest went",
        "most",
        "all",
    ],
)
def test_the_next_page_begins_behind_the_last_entry_given_out(now: str, rest: str) -> None:
    found, cursor = page(entries(now), cursor_after("abcd", 2), 2)

    assert names(found) == rest
    assert cursor is None or len(rest) > 2


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "2",
        "nonsense",
        "ä",
        7,
        True,
        [],
        {},
        b"x",
        encoded("7"),
        encoded("[1]"),
        encoded('["a", 1]'),
        encoded('[-1, "a"]'),
        encoded("{}"),
    ],
)
def test_a_cursor_that_is_not_ours_is_refused_with_what_to_do(cursor: Any) -> None:
    with pytest.raises(BadParams) as caught:
        page(entries("abc"), cursor, 2)

    assert caught.value.hint == "list again without a cursor"
