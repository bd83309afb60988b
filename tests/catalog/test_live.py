"""The catalog is swapped whole, and only a difference is told."""

from __future__ import annotations

import pytest

from magictunnel.catalog.live import LiveCatalog
from magictunnel.catalog.merge import MergeRules, ServerRules
from magictunnel.catalog.model import Kind, Listing

TOOL = Listing({Kind.TOOL: [{"name": "x"}]})


@pytest.fixture
def live() -> LiveCatalog:
    return LiveCatalog(MergeRules())


@pytest.fixture
def told(live: LiveCatalog) -> list[frozenset[Kind]]:
    news: list[frozenset[Kind]] = []
    live.subscribe(news.append)
    return news


def test_a_new_listing_is_merged_and_the_kinds_in_it_are_told(live: LiveCatalog, told: list[frozenset[Kind]]) -> None:
    before = live.current

    live.replace("a", Listing({Kind.TOOL: [{"name": "x"}], Kind.RESOURCE: [{"uri": "x:1"}]}))

    assert list(live.current.of(Kind.TOOL)) == ["a__x"]
    assert told == [{Kind.TOOL, Kind.RESOURCE}]
    assert not before.of(Kind.TOOL)


def test_a_server_that_goes_takes_its_entries_with_it(live: LiveCatalog, told: list[frozenset[Kind]]) -> None:
    live.replace("a", TOOL)
    live.replace("b", TOOL)

    live.replace("a", None)

    assert list(live.current.of(Kind.TOOL)) == ["b__x"]
    assert told == [{Kind.TOOL}] * 3


def test_other_instructions_are_taken_over_and_told_to_nobody(live: LiveCatalog, told: list[frozenset[Kind]]) -> None:
    live.replace("a", TOOL)

    live.replace("a", Listing(TOOL.entries, instructions="be kind"))

    assert live.current.instructions == "# a\nbe kind"
    assert told == [{Kind.TOOL}]


def test_a_change_of_what_is_hidden_is_told_to_nobody(told: list[frozenset[Kind]]) -> None:
    live = LiveCatalog(MergeRules(servers={"a": ServerRules("a", enabled=False)}))
    live.subscribe(told.append)

    live.replace("a", TOOL)

    assert told == []


def test_every_listener_is_told_when_the_new_catalog_stands(live: LiveCatalog) -> None:
    seen: list[list[str]] = []
    for _ in range(2):
        live.subscribe(lambda _kinds: seen.append(list(live.current.of(Kind.TOOL))))

    live.replace("a", TOOL)

    assert seen == [["a__x"], ["a__x"]]


def test_the_smallest_difference_of_json_is_a_change(live: LiveCatalog, told: list[frozenset[Kind]]) -> None:
    """Python takes `1` for `true`; JSON Schema does not."""
    for default in (1, True, 1, 1):
        live.replace("a", Listing({Kind.TOOL: [{"name": "x", "inputSchema": {"default": default}}]}))

    assert told == [{Kind.TOOL}] * 3
