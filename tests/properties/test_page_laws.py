"""Laws of our pages: together they are the list, whatever comes and goes in between, and no cursor breaks us."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from magictunnel.catalog.model import Entry, Kind
from magictunnel.errors import BadParams
from magictunnel.front.pages import page
from tests.properties.offers import law

names = st.lists(st.text(max_size=4), unique=True, max_size=40)
sizes = st.integers(1, 12)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


def entries(found: list[str]) -> list[Entry]:
    return [Entry(Kind.TOOL, name, "a", name, {"name": name}) for name in found]


def all_pages(found: list[Entry], cursor: Any, size: int) -> list[str]:
    """The names on all pages from `cursor` on; as many pages as there can be, and one more."""
    told: list[str] = []
    for _ in range(len(found) + 1):
        given_out, cursor = page(found, cursor, size)
        told += [entry.name for entry in given_out]
        assert len(given_out) <= size
        if cursor is None:
            return told
        assert given_out
    raise AssertionError("the pages do not end")


@law
@given(names, sizes)
def test_the_pages_are_the_list(found, size) -> None:
    assert all_pages(entries(found), None, size) == found


@law
@given(names, sizes, st.data())
def test_a_cursor_outlives_what_comes_and_goes_elsewhere(found, size, data) -> None:
    """As long as the last entry of a page is there, the next page starts behind it: nothing twice, nothing missed."""
    _, cursor = page(entries(found), None, size)
    if cursor is None:
        return
    last = found[size - 1]
    before, after = found[: size - 1], found[size:]
    kept_before = data.draw(st.lists(st.sampled_from(before), unique=True)) if before else []
    kept_after = data.draw(st.lists(st.sampled_from(after), unique=True))
    new = [name for name in data.draw(st.lists(st.text("N", min_size=5, max_size=9), unique=True)) if name not in found]
    cut = data.draw(st.integers(0, len(new)))
    changed = [*new[:cut], *kept_before, last, *kept_after, *new[cut:]]
    assert all_pages(entries(changed), cursor, size) == [*kept_after, *new[cut:]]


@law
@given(names, sizes)
def test_a_cursor_whose_entry_went_misses_nothing_that_stayed(found, size) -> None:
    _, cursor = page(entries(found), None, size)
    if cursor is not None:
        rest = all_pages(entries([name for name in found if name != found[size - 1]]), cursor, size)
        assert set(rest) >= set(found[size + 1 :])
        assert all_pages([], cursor, size) == []


@law
@given(names, sizes, json_values)
def test_a_cursor_that_is_not_ours_is_bad_params_or_harmless(found, size, value) -> None:
    cursors: list[Any] = [
        value,
        json.dumps(value),
        base64.urlsafe_b64encode(json.dumps(value).encode()).decode(),
        base64.urlsafe_b64encode(json.dumps([value, value]).encode()).decode(),
        base64.urlsafe_b64encode(json.dumps([value, "x"]).encode()).decode(),
    ]
    for cursor in cursors:
        with contextlib.suppress(BadParams):
            all_pages(entries(found), cursor, size)


@law
@given(names, sizes, st.one_of(st.text(), st.binary(), st.integers()))
def test_noise_is_bad_params(found, size, noise) -> None:
    with contextlib.suppress(BadParams):
        all_pages(entries(found), noise, size)


def test_cursors_that_have_broken_others() -> None:
    deep = base64.urlsafe_b64encode(b"[" * 100_000).decode()
    long = base64.urlsafe_b64encode(b'[%s, "x"]' % (b"9" * 5_000)).decode()
    bad = ["", "0", "====", "é", "\ud800", b"\xff", 0, 1.5, True, [], {}, object(), deep, long, "A" * 1_000_000]
    bad += [
        base64.urlsafe_b64encode(json.dumps(value).encode()).decode()
        for value in ([-1, "x"], [1], [1, 2], {"a": 1, "b": 2})
    ]
    for cursor in bad:
        try:
            page(entries(["x"]), cursor)
        except BadParams as error:
            assert error.hint  # noqa: PT017 the loop goes on behind it
        else:
            raise AssertionError(f"{str(cursor)[:40]!r} was taken")
