"""Where entries are to be seen: rules of a person, and the tools by which others are found."""

from __future__ import annotations

import pytest

from magictunnel.catalog.find import find, listed, visible
from magictunnel.catalog.merge import MergeRules, Override, ServerRules, diff, merge
from magictunnel.catalog.model import Catalog, Kind, Listing, View, Visibility, everything
from magictunnel.catalog.names import Prefix

LISTINGS = {
    "a": Listing({Kind.TOOL: [{"name": "read"}, {"name": "drop"}], Kind.RESOURCE: [{"uri": "x:1"}, {"uri": "x:2"}]}),
    "b": Listing({Kind.TOOL: [{"name": "read"}, {"name": "write"}]}),
    "guide": Listing({Kind.TOOL: [{"name": "find_tools"}, {"name": "describe_tools"}]}),
}


def catalog(prefix: Prefix = Prefix.ALWAYS, **visibility: str) -> Catalog:
    rules = {name.replace("STAR", "*").replace("COLON", ":"): Visibility(value) for name, value in visibility.items()}
    servers = {name: ServerRules(name) for name in ("a", "b")}
    return merge(LISTINGS, MergeRules(prefix=prefix, servers=servers, visibility=rules, guide="guide"))


def names(found: Catalog, view: View = View.EVERYTHING, kind: Kind = Kind.TOOL) -> list[str]:
    return [entry.name for entry in listed(found, kind, everything, view)]


def test_without_rules_everything_is_listed_but_the_tools_that_find_others() -> None:
    assert names(catalog()) == ["a__read", "a__drop", "b__read", "b__write"]


def test_who_searches_is_shown_the_tools_that_find_others_and_those_always_listed() -> None:
    found = catalog(b__write="listed")

    assert names(found, View.SEARCH) == ["find_tools", "describe_tools", "b__write"]
    assert names(found, View.SEARCH, Kind.RESOURCE) == ["x:1", "x:2"]


def test_what_is_search_only_is_in_no_list_and_answers_to_its_name() -> None:
    found = catalog(a__drop="search-only")

    assert "a__drop" not in names(found)
    assert "a__drop" in [entry.name for entry in visible(found, Kind.TOOL, everything)]
    assert find(found, Kind.TOOL, "a__drop", everything)


@pytest.mark.parametrize("name", ["a__drop", "drop"])
def test_what_is_disabled_is_unknown_under_every_name(name: str) -> None:
    found = catalog(a__drop="disabled")

    assert find(found, Kind.TOOL, name, everything) is None
    assert "a__drop" not in [entry.name for entry in visible(found, Kind.TOOL, everything)]


def test_the_last_rule_that_fits_decides() -> None:
    found = catalog(aSTAR="disabled", a__read="listed")

    assert names(found) == ["a__read", "b__read", "b__write"]
    assert names(catalog(a__read="listed", aSTAR="disabled")) == ["b__read", "b__write"]


def test_a_server_stands_for_all_that_it_has() -> None:
    found = catalog(a="disabled")

    assert names(found) == ["b__read", "b__write"]
    assert names(found, kind=Kind.RESOURCE) == []


def test_a_disabled_resource_is_gone_under_its_owners_name_too() -> None:
    found = catalog(xCOLON1="disabled")

    assert names(found, kind=Kind.RESOURCE) == ["x:2"]
    assert find(found, Kind.RESOURCE, "a+x:1", everything) is None


def test_disabling_moves_no_other_name() -> None:
    assert names(catalog(Prefix.ON_CONFLICT, a__read="disabled")) == ["drop", "b__read", "write"]


def test_the_tools_that_find_others_can_be_listed_and_disabled_as_well() -> None:
    assert names(catalog(find_tools="listed"))[0] == "find_tools"
    assert names(catalog(find_tools="disabled"), View.SEARCH) == ["describe_tools"]
    assert find(catalog(find_tools="disabled"), Kind.TOOL, "find_tools", everything) is None


@pytest.mark.parametrize("prefix", Prefix)
def test_no_server_can_have_the_name_of_a_tool_that_finds_others(prefix: Prefix) -> None:
    """Clients are told to call them; who has their names gets what is meant for others."""
    own = [{"name": "find_tools"}, {"name": "guide__find_tools"}]
    servers = {"b": ServerRules("b", overrides={"x": Override(name="describe_tools")})}
    listings = LISTINGS | {"b": Listing({Kind.TOOL: [*own, {"name": "x"}]})}
    found = merge(listings, MergeRules(prefix=prefix, servers=servers, guide="guide"))

    for name in ("find_tools", "describe_tools"):
        entry = find(found, Kind.TOOL, name, everything)
        assert entry is not None
        assert entry.backend == "guide"
        assert name not in found.of(Kind.TOOL)
    assert names(found, View.SEARCH) == ["find_tools", "describe_tools"]
    for original in ("find_tools", "x"):
        reached = find(found, Kind.TOOL, f"b__{original}", everything)
        assert reached is not None
        assert reached.backend == "b"


@pytest.mark.parametrize("prefix", Prefix)
@pytest.mark.parametrize("rule", ["delete_all", "a__delete_all", "delete_*", "a__*", "*delete*"])
def test_what_another_server_offers_enables_nothing(prefix: Prefix, rule: str) -> None:
    """Names may move with who else is there; what is disabled stays so under all of its names."""
    tool = Listing({Kind.TOOL: [{"name": "delete_all"}]})
    rules = MergeRules(prefix=prefix, visibility={rule: Visibility.DISABLED}, guide="guide")
    for listings in ({"a": tool}, {"a": tool, "b": tool}, {"a": tool, "b": Listing({Kind.TOOL: [{"name": "x"}]})}):
        found = merge(listings, rules)
        for name in ("delete_all", "a__delete_all"):
            entry = find(found, Kind.TOOL, name, everything)
            assert entry is None or entry.backend != "a"


def test_a_disabled_uri_is_so_however_many_servers_have_it() -> None:
    one = Listing({Kind.RESOURCE: [{"uri": "x:1"}]})
    for listings in ({"a": one}, {"a": one, "b": one}):
        found = merge(listings, MergeRules(visibility={"x:1": Visibility.DISABLED}))
        assert not found.of(Kind.RESOURCE)
        assert find(found, Kind.RESOURCE, "a+x:1", everything) is None


def test_a_bare_name_means_the_tool_that_finds_others_where_servers_have_prefixes() -> None:
    listings = LISTINGS | {"b": Listing({Kind.TOOL: [{"name": "find_tools"}]})}
    found = merge(listings, MergeRules(guide="guide"))

    entry = find(found, Kind.TOOL, "find_tools", everything)
    assert entry is not None
    assert entry.backend == "guide"


def test_the_tools_that_find_others_promise_nothing_and_are_no_server() -> None:
    found = merge({"guide": LISTINGS["guide"]}, MergeRules(guide="guide"))

    assert found.capabilities == {}
    assert found.backends == ()
    assert not found.of(Kind.TOOL)


def test_where_something_is_seen_is_a_difference() -> None:
    assert diff(catalog(), catalog(a__drop="search-only")) == {Kind.TOOL}
    assert diff(catalog(), catalog(find_tools="disabled")) == {Kind.TOOL}
    assert diff(catalog(), catalog(nothing__like__it="disabled")) == frozenset()
