"""A URI inside a result leads back to the server that gave it."""

from __future__ import annotations

import pytest

from magictunnel.catalog.links import MAX_REMEMBERED, Links, republish
from magictunnel.catalog.merge import MergeRules, merge
from magictunnel.catalog.model import Catalog, Json, Kind, Listing


def links() -> Links:
    return Links(MergeRules)


def catalog(**offers: Json) -> Catalog:
    found = {
        name: Listing(
            {
                Kind.RESOURCE: [{"uri": uri} for uri in offered.get("uris", ())],
                Kind.TEMPLATE: [{"uriTemplate": template} for template in offered.get("templates", ())],
            }
        )
        for name, offered in offers.items()
    }
    return merge(found, MergeRules())


# --- publish


def test_a_listed_uri_is_told_as_it_is_listed() -> None:
    both = catalog(a={"uris": ["x:1"]}, b={"uris": ["x:1", "y:1"]})

    assert links().publish(both, "a", "x:1") == "a+x:1"
    assert links().publish(both, "b", "x:1") == "b+x:1"
    assert links().publish(both, "b", "y:1") == "y:1"


def test_an_unlisted_uri_stays_and_its_giver_is_remembered() -> None:
    known = links()

    assert known.publish(catalog(), "a", "x:1") == "x:1"
    assert known.owner(catalog(), "x:1") == ("a", "x:1")
    assert known.owner(catalog(), "x:2") is None


def test_an_unlisted_uri_that_another_server_gave_before_is_told_apart() -> None:
    known = links()
    known.publish(catalog(), "a", "x:1")

    assert known.publish(catalog(), "b", "x:1") == "b+x:1"
    assert known.owner(catalog(), "b+x:1") == ("b", "x:1")
    assert known.owner(catalog(), "x:1") == ("a", "x:1")
    assert known.publish(catalog(), "a", "x:1") == "x:1"


def test_a_uri_that_another_server_lists_is_told_apart() -> None:
    known = links()

    assert known.publish(catalog(a={"uris": ["x:1"]}), "b", "x:1") == "b+x:1"
    assert known.owner(catalog(), "b+x:1") == ("b", "x:1")


def test_a_uri_of_the_givers_own_template_stays_and_needs_no_memory() -> None:
    known = links()

    assert known.publish(catalog(a={"templates": ["x:{id}"]}), "a", "x:1") == "x:1"
    assert known.owner(catalog(), "x:1") is None


def test_a_uri_that_another_servers_template_makes_is_told_apart() -> None:
    assert links().publish(catalog(a={"templates": ["x:{id}"]}), "b", "x:1") == "b+x:1"


def test_the_oldest_link_is_forgotten_first_and_a_repeated_one_is_young_again() -> None:
    known, nothing = links(), catalog()
    for number in range(MAX_REMEMBERED):
        known.publish(nothing, "a", f"x:{number}")
    known.publish(nothing, "a", "x:0")

    known.publish(nothing, "a", "one more")

    assert known.owner(catalog(), "x:0") == ("a", "x:0")
    assert known.owner(catalog(), "x:1") is None
    assert known.owner(catalog(), "x:2") == ("a", "x:2")


# --- republish


def told(uri: str) -> str:
    return "a+" + uri


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"contents": [{"uri": "x:1", "text": "t"}]}, {"contents": [{"uri": "a+x:1", "text": "t"}]}),
        (
            {"content": [{"type": "resource_link", "uri": "x:1", "name": "n"}]},
            {"content": [{"type": "resource_link", "uri": "a+x:1", "name": "n"}]},
        ),
        (
            {"content": [{"type": "resource", "resource": {"uri": "x:1", "blob": "AA=="}}]},
            {"content": [{"type": "resource", "resource": {"uri": "a+x:1", "blob": "AA=="}}]},
        ),
        (
            {"messages": [{"role": "user", "content": {"type": "resource", "resource": {"uri": "x:1"}}}]},
            {"messages": [{"role": "user", "content": {"type": "resource", "resource": {"uri": "a+x:1"}}}]},
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "resource_link", "uri": "x:1"}]}]},
            {"messages": [{"role": "user", "content": [{"type": "resource_link", "uri": "a+x:1"}]}]},
        ),
    ],
    ids=["contents", "link", "embedded", "in a message", "in a message with many parts"],
)
def test_every_place_for_a_uri_is_told_anew(result: Json, expected: Json) -> None:
    assert republish(result, told) == expected


@pytest.mark.parametrize(
    "result",
    [
        {"content": [{"type": "text", "text": "x:1", "uri": "x:1"}]},
        {"structuredContent": {"uri": "x:1"}, "_meta": {"uri": "x:1"}},
        {"content": None, "contents": "x:1", "messages": {"uri": "x:1"}},
        {"content": [None, 7, "x:1", {"type": "resource_link", "uri": 7}]},
        {},
    ],
    ids=["not a link", "elsewhere", "no lists", "no blocks", "empty"],
)
def test_what_is_no_link_passes_as_the_very_same_object(result: Json) -> None:
    assert republish(result, told) is result


def test_the_result_that_came_is_not_changed() -> None:
    block = {"type": "resource_link", "uri": "x:1"}

    republish({"content": [block]}, told)

    assert block == {"type": "resource_link", "uri": "x:1"}
