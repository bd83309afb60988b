"""Which servers workers tell each other of."""

from __future__ import annotations

from typing import Any

from magictunnel.catalog.merge import MergeRules, merge
from magictunnel.catalog.model import Catalog, Kind, Listing
from magictunnel.front.feed import changed_servers, offer
from tests.support.raw import tool


def catalog(**tools: list[Any]) -> Catalog:
    return merge({name: Listing({Kind.TOOL: offered}) for name, offered in tools.items()}, MergeRules())


def test_a_server_that_offers_something_else_has_changed() -> None:
    was = catalog(a=[tool("x")], b=[tool("x")], c=[])
    now = catalog(a=[tool("x")], b=[tool("x", title="X")], c=[tool("new")])

    assert changed_servers(was, now) == {"b", "c"}
    assert changed_servers(was, was) == set()
    assert offer(was, "a") == offer(now, "a")
    assert offer(was, "b") != offer(now, "b")


def test_one_that_comes_or_goes_has_not() -> None:
    assert changed_servers(catalog(a=[tool("x")]), catalog(b=[tool("x")])) == set()
