"""The catalog is swapped whole, and only a difference is told."""

from __future__ import annotations

import pytest

from magictunnel.catalog.live import LiveCatalog
from magictunnel.catalog.merge import MergeRules, ServerRules
from magictunnel.catalog.model import Kind, Listing
from magictunnel.catalog.names import NameRules

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


# --- other rules


OTHER_NAMES = MergeRules(names=NameRules("-"))


def test_what_is_listed_already_is_merged_by_other_rules_and_told(
    live: LiveCatalog, told: list[frozenset[Kind]]
) -> None:
    live.replace("a", TOOL)
    before = live.current

    live.rule(OTHER_NAMES)

    assert live.rules is OTHER_NAMES
    assert (list(before.of(Kind.TOOL)), list(live.current.of(Kind.TOOL))) == (["a__x"], ["a-x"])
    assert told == [{Kind.TOOL}] * 2


def test_what_is_listed_later_is_merged_by_the_other_rules_too(live: LiveCatalog) -> None:
    live.rule(OTHER_NAMES)

    live.replace("a", TOOL)

    assert list(live.current.of(Kind.TOOL)) == ["a-x"]


def test_rules_that_change_no_list_are_told_to_nobody_and_hold(live: LiveCatalog, told: list[frozenset[Kind]]) -> None:
    live.replace("a", TOOL)
    others = MergeRules(servers={"b": ServerRules("b", enabled=False)})

    live.rule(others)

    assert (live.rules, told) == (others, [{Kind.TOOL}])
    live.replace("b", TOOL)
    assert list(live.current.of(Kind.TOOL)) == ["a__x"]


def test_a_server_that_is_disabled_goes_and_comes_back_when_it_is_enabled(
    live: LiveCatalog, told: list[frozenset[Kind]]
) -> None:
    live.replace("a", TOOL)

    live.rule(MergeRules(servers={"a": ServerRules("a", enabled=False)}))
    assert not live.current.of(Kind.TOOL)

    live.rule(MergeRules(servers={"a": ServerRules("a")}))
    assert list(live.current.of(Kind.TOOL)) == ["a__x"]
    assert told == [{Kind.TOOL}] * 3


def test_only_the_kinds_that_other_rules_touch_are_told(live: LiveCatalog, told: list[frozenset[Kind]]) -> None:
    live.replace("a", Listing({Kind.TOOL: [{"name": "x"}], Kind.RESOURCE: [{"uri": "x:1"}]}))

    live.rule(OTHER_NAMES)

    assert told[1:] == [{Kind.TOOL}]
