"""What each client is shown of many tools, and when that changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from magictunnel.catalog.live import LiveCatalog
from magictunnel.catalog.merge import MergeRules
from magictunnel.catalog.model import Entry, Kind, Listing, View, Visibility
from magictunnel.config.discovery import DiscoveryConfig, Mode
from magictunnel.discovery.budget import Weight, tokens, weight
from magictunnel.discovery.views import MAX_SORTS, Differs, Views
from magictunnel.wire.caller import Caller

CALLER = Caller("somebody")
DEFERRING = Caller("Claude-Code")


def tools(count: int, description: str = "") -> Listing:
    return Listing({Kind.TOOL: [{"name": f"tool{n}", "description": description} for n in range(count)]})


@dataclass
class Shown:
    """A catalog, its views, and what clients were told of."""

    config: DiscoveryConfig = field(default_factory=lambda: DiscoveryConfig(max_tools=10))
    rules: MergeRules = field(default_factory=lambda: MergeRules(guide="guide"))

    def __post_init__(self) -> None:
        self.live = LiveCatalog(self.rules)
        self.views = Views(self.live, lambda: self.config)
        self.live.replace("guide", Listing({Kind.TOOL: [{"name": "find_tools"}]}))
        self.news: list[frozenset[Kind]] = []
        self.views.subscribe(self.hear)
        self.caller = CALLER

    def hear(self, differs: Differs) -> None:
        self.news.append(differs(self.caller))

    def serve(self, count: int, **keys: Any) -> View:
        self.live.replace("a", tools(count, **keys))
        return self.views.of(self.caller)

    @property
    def told(self) -> int:
        """How often the client was told that its list of tools is another one."""
        return sum(Kind.TOOL in kinds for kinds in self.news)


def test_few_tools_are_listed_and_many_are_searched() -> None:
    shown = Shown()

    assert shown.serve(10) is View.EVERYTHING
    assert shown.serve(11) is View.SEARCH
    assert [entry.name for entry in shown.views.listed(CALLER, Kind.TOOL)] == ["find_tools"]


def test_few_tools_with_long_definitions_are_searched() -> None:
    shown = Shown(DiscoveryConfig(max_tools=10, max_tokens=500))

    assert shown.serve(5) is View.EVERYTHING
    assert shown.serve(5, description="long " * 200) is View.SEARCH


def test_lists_are_alike_unless_some_clients_search_by_themselves_and_others_do_not() -> None:
    shown = Shown()

    shown.serve(10)
    assert shown.views.are_alike
    shown.serve(100)
    assert not shown.views.are_alike
    shown.config = DiscoveryConfig(mode=Mode.SEARCH)
    shown.views.look()
    assert shown.views.are_alike


@pytest.mark.parametrize(("mode", "view"), [(Mode.SEARCH, View.SEARCH), (Mode.OFF, View.EVERYTHING)])
@pytest.mark.parametrize("count", [1, 100])
@pytest.mark.parametrize("caller", [CALLER, DEFERRING])
def test_a_mode_that_was_chosen_holds_for_everybody(mode: Mode, view: View, count: int, caller: Caller) -> None:
    shown = Shown(DiscoveryConfig(mode=mode, max_tools=10))
    shown.serve(count)

    assert shown.views.of(caller) is view


def test_a_client_that_searches_long_lists_by_itself_is_shown_them() -> None:
    shown = Shown()
    shown.serve(100)

    assert shown.views.of(DEFERRING) is View.EVERYTHING
    assert shown.views.of(CALLER) is View.SEARCH


def test_what_is_in_no_list_weighs_nothing() -> None:
    shown = Shown(rules=MergeRules(guide="guide", visibility={"a__tool*": Visibility.SEARCH_ONLY}))

    assert shown.serve(100) is View.EVERYTHING


def test_each_client_is_measured_by_what_it_may_use() -> None:
    shown = Shown()
    shown.serve(100)

    def few(entry: Entry) -> bool:
        return entry.original == "tool1"

    assert shown.views.of(Caller("guest", allows=few)) is View.EVERYTHING
    assert [entry.name for entry in shown.views.listed(Caller("guest", allows=few), Kind.TOOL)] == ["a__tool1"]


def test_a_tool_more_or_less_does_not_switch_back_and_forth() -> None:
    shown = Shown()
    shown.serve(10)

    assert [shown.serve(count) for count in (11, 10, 11, 9)] == [View.SEARCH] * 4
    assert shown.serve(8) is View.EVERYTHING
    assert shown.serve(10) is View.EVERYTHING


def test_a_switch_is_told_once_and_what_a_client_is_not_shown_is_no_news() -> None:
    shown = Shown()
    shown.serve(10)
    before = shown.told

    shown.serve(11)
    assert shown.told == before + 1
    for count in (12, 13, 14):
        shown.serve(count)
    assert shown.told == before + 1


def test_other_settings_are_told_as_a_switch() -> None:
    shown = Shown()
    shown.serve(5)
    before = shown.told

    shown.config = DiscoveryConfig(mode=Mode.SEARCH)
    shown.views.look()
    assert shown.told == before + 1
    assert shown.views.of(CALLER) is View.SEARCH
    shown.views.look()
    assert shown.told == before + 1


def test_what_a_client_may_not_use_is_no_news_to_it() -> None:
    shown = Shown()
    shown.caller = Caller("guest", allows=lambda entry: entry.backend != "b")
    shown.serve(3)
    before = shown.told

    shown.live.replace("b", tools(2))
    assert shown.told == before
    shown.serve(4)
    assert shown.told == before + 1


def test_other_kinds_are_told_of_in_whatever_view() -> None:
    shown = Shown()
    shown.serve(100)
    shown.live.replace("b", Listing({Kind.PROMPT: [{"name": "p"}]}))

    assert shown.news[-1] == {Kind.PROMPT}


def test_the_opening_of_a_client_that_searches_says_how_and_in_what() -> None:
    shown = Shown()
    shown.live.replace("a", Listing(tools(100).entries, instructions="Files.\nRead the manual first."))
    shown.live.replace("b", tools(2))
    text = shown.views.instructions(CALLER)

    assert "102 tools of 2 server(s)" in text
    assert "- a (100): Files. Read the manual first.\n- b (2)" in text
    assert "find_tools" in text
    assert shown.views.instructions(DEFERRING) == "# a\nFiles.\nRead the manual first."


def test_servers_that_a_client_may_not_use_are_not_named_to_it() -> None:
    shown = Shown(DiscoveryConfig(mode=Mode.SEARCH))
    shown.serve(3)
    shown.live.replace("secret", tools(2))

    assert "secret" not in shown.views.instructions(Caller("guest", allows=lambda entry: entry.backend == "a"))


def endless(_caller: Any = None) -> Callable[[Entry], bool]:
    """Rights that are another object each time."""
    return lambda _entry: True


def test_rights_without_end_are_kept_within_bounds_and_push_out_nobody_who_is_here() -> None:
    shown = Shown()
    shown.serve(2)
    shown.views.of(CALLER)

    for number in range(2 * MAX_SORTS):
        assert shown.views.of(Caller("guest", allows=endless())) is View.EVERYTHING
        if number % 100 == 0:
            shown.views.of(CALLER)
    assert len(shown.views._decided) <= MAX_SORTS
    before = shown.told
    shown.serve(11)
    assert shown.told == before + 1


def test_a_client_whose_view_was_never_asked_for_is_told_of_a_switch() -> None:
    shown = Shown()
    shown.caller = Caller("guest", allows=endless())
    shown.live.replace("a", tools(10))
    before = shown.told

    shown.live.replace("a", tools(11))
    assert shown.told == before + 1


def test_tokens_are_a_quarter_of_the_characters() -> None:
    assert tokens({"name": "x"}) == 3
    assert tokens("four") == 1
    shown = Shown()
    shown.serve(2)
    assert weight(shown.views.listed(CALLER, Kind.TOOL)) == Weight(2, 18)
