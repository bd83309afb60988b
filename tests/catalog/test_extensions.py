"""Whose business a method is that the core protocol does not know."""

from __future__ import annotations

import pytest

from magictunnel.catalog.extensions import extensions_of, owners
from magictunnel.catalog.merge import MergeRules, merge
from magictunnel.catalog.model import Listing

LISTINGS = {
    "b": Listing(capabilities={"extensions": {"com.example/notes": {}, "shared": {}}}),
    "a": Listing(capabilities={"experimental": {"shared": {"odd": 1}, "old": {}}}),
    "odd": Listing(capabilities={"extensions": ["x"], "experimental": None}),
    "none": Listing(),
}


def test_an_extension_is_its_servers_however_they_advertise_it() -> None:
    assert extensions_of(LISTINGS) == {"com.example/notes": ("b",), "shared": ("a", "b"), "old": ("a",)}


@pytest.mark.parametrize(
    ("method", "backends"),
    [
        ("notes/add", ("b",)),
        ("com.example/notes/add", ("b",)),
        ("notifications/notes/added", ("b",)),
        ("notifications/com.example/notes/added", ("b",)),
        ("notes", ("b",)),
        ("old/thing", ("a",)),
        ("shared/thing", ("a", "b")),
        ("notesx/add", ()),
        ("com.example/add", ()),
        ("tools/call", ()),
        ("notifications/", ()),
        ("", ()),
    ],
)
def test_a_method_belongs_to_the_extension_that_it_begins_with(method: str, backends: tuple[str, ...]) -> None:
    assert owners(merge(LISTINGS, MergeRules()), method) == backends
