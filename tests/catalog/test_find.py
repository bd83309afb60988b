"""Lists and look-ups ask the same question of a caller's rights."""

from __future__ import annotations

from magictunnel.catalog.find import expansions, find, visible
from magictunnel.catalog.merge import MergeRules, merge
from magictunnel.catalog.model import Entry, Kind, Listing, everything

TEMPLATES = Listing({Kind.TEMPLATE: [{"uriTemplate": "x:{id}"}]})
CATALOG = merge(
    {
        "a": Listing({Kind.TOOL: [{"name": "x"}, {"name": "y"}], Kind.TEMPLATE: [{"uriTemplate": "own:{id}"}]}),
        "b": Listing({Kind.TOOL: [{"name": "y"}]}),
    },
    MergeRules(),
)


def not_of_b(entry: Entry) -> bool:
    return entry.backend != "b"


def nothing(_entry: Entry) -> bool:
    return False


def test_a_list_shows_what_the_caller_may_use_in_order() -> None:
    assert [entry.name for entry in visible(CATALOG, Kind.TOOL, everything)] == ["a__x", "a__y", "b__y"]
    assert [entry.name for entry in visible(CATALOG, Kind.TOOL, not_of_b)] == ["a__x", "a__y"]
    assert visible(CATALOG, Kind.PROMPT, everything) == []


def test_an_entry_is_found_by_its_public_and_by_any_accepted_name() -> None:
    by_name, by_bare_name = (find(CATALOG, Kind.TOOL, name, everything) for name in ("a__x", "x"))

    assert by_name is not None
    assert by_bare_name is by_name
    assert find(CATALOG, Kind.PROMPT, "a__x", everything) is None
    assert find(CATALOG, Kind.TOOL, "y", everything) is None


def test_what_a_caller_may_not_see_it_cannot_find_by_any_name() -> None:
    assert find(CATALOG, Kind.TOOL, "b__y", not_of_b) is None
    assert find(CATALOG, Kind.TOOL, "x", nothing) is None


def test_a_template_leads_to_its_owner_if_the_caller_may_use_it() -> None:
    ((entry, uri),) = expansions(CATALOG, "own:7", everything)

    assert (entry.backend, uri) == ("a", "own:7")
    assert list(expansions(CATALOG, "own:7", nothing)) == []
    assert list(expansions(CATALOG, "else:7", everything)) == []


def test_a_template_that_two_servers_have_leads_to_the_uri_that_its_owner_knows() -> None:
    catalog = merge({"a": TEMPLATES, "b": TEMPLATES}, MergeRules())

    ((entry, uri),) = expansions(catalog, "b+x:7", everything)

    assert (entry.backend, uri) == ("b", "x:7")
    assert list(expansions(catalog, "x:7", everything)) == []
