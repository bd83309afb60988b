"""The same digest for the same offer, in whatever order it is told."""

from __future__ import annotations

from typing import Any

import pytest

from magictunnel.catalog.digest import canonical, digest
from magictunnel.catalog.model import Json, Kind, Listing

TOOL: Json = {"name": "a", "inputSchema": {"type": "object", "properties": {"x": {}, "y": {}}}, "_meta": {"k": None}}


def tools(*definitions: Json) -> Listing:
    return Listing({Kind.TOOL: definitions})


def test_the_order_of_keys_and_of_entries_is_no_difference() -> None:
    turned = {key: TOOL[key] for key in reversed(TOOL)}
    turned["inputSchema"] = {"properties": {"y": {}, "x": {}}, "type": "object"}

    assert digest(tools(TOOL, {"name": "b"})) == digest(tools({"name": "b"}, turned))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Listing({}), Listing({Kind.TOOL: (), Kind.PROMPT: ()})),
        (Listing(hints={Kind.TOOL: {}}), Listing()),
        (Listing({Kind.TOOL: [TOOL]}), Listing({Kind.TOOL: (TOOL,)})),
    ],
)
def test_nothing_is_nothing_however_it_is_said(one: Listing, other: Listing) -> None:
    assert digest(one) == digest(other)


@pytest.mark.parametrize(
    "other",
    [
        tools(),
        tools(TOOL, TOOL),
        tools(TOOL | {"name": "b"}),
        tools(TOOL | {"_meta": {}}),
        tools(TOOL | {"title": None}),
        Listing({Kind.PROMPT: (TOOL,)}),
        Listing({Kind.TOOL: (TOOL,)}, {"tools": {}}),
        Listing({Kind.TOOL: (TOOL,)}, instructions=" "),
        Listing({Kind.TOOL: (TOOL,)}, hints={Kind.TOOL: {"ttlMs": 1}}),
    ],
)
def test_anything_else_is_a_difference(other: Listing) -> None:
    assert digest(tools(TOOL)) != digest(other)


@pytest.mark.parametrize(
    ("one", "other"), [(1, True), (1, 1.0), (0, False), (0, -0.0), ("1", 1), (None, "null"), ([1, 2], [2, 1]), ({}, [])]
)
def test_values_that_python_alone_takes_for_the_same_differ(one: Any, other: Any) -> None:
    assert digest(tools({"name": "a", "x": one})) != digest(tools({"name": "a", "x": other}))


def test_odd_values_have_a_digest_too() -> None:
    odd = tools({"name": "\ud800", "n": 10**400, "inf": float("inf"), "nan": float("nan"), "": "😀"})

    assert digest(odd) == digest(odd)
    assert len(digest(odd)) == 64


def test_it_stays_the_same_from_version_to_version() -> None:
    """What is in a store was written by an older MagicTunnel."""
    assert digest(Listing({Kind.TOOL: (TOOL,)}, {"tools": {}}, "hi", {Kind.TOOL: {"ttlMs": 1}})) == (
        "1bc17391adcaaf22a7eb919f4d709d4606717c80941bf0b153b41fe66e03b4f8"
    )


def test_canonical_text_has_its_keys_sorted_all_the_way_down() -> None:
    assert canonical({"b": [{"z": 1, "a": "ü"}], "a": None}) == '{"a":null,"b":[{"a":"ü","z":1}]}'
