"""A tool's view is reached by the URI the tool names, whoever else has one of that name."""

from __future__ import annotations

import pytest

from magictunnel.catalog.apps import view_of
from magictunnel.catalog.find import find
from magictunnel.catalog.links import Links, Place
from magictunnel.catalog.merge import MergeRules, ServerRules, merge
from magictunnel.catalog.model import Catalog, Json, Kind, Listing, everything

VIEW = "ui://chart"
RULES = MergeRules(servers={name: ServerRules(alias=name) for name in ("a", "b")})


def tool(uri: str, *, flat: bool = False) -> Json:
    meta = {"ui/resourceUri": uri} if flat else {"ui": {"resourceUri": uri, "visibility": ["app"]}, "other": 1}
    return {"name": "draw", "inputSchema": {}, "_meta": meta}


def listing(*tools: Json, lists: bool = False) -> Listing:
    resources = [{"uri": VIEW, "mimeType": "text/html;profile=mcp-app"}] if lists else []
    return Listing({Kind.TOOL: tools, Kind.RESOURCE: resources})


def view(catalog: Catalog, name: str) -> str:
    return view_of(catalog.of(Kind.TOOL)[name].definition)


def owner(catalog: Catalog, uri: str) -> Place | None:
    return Links(lambda: RULES).owner(catalog, uri)


@pytest.mark.parametrize("lists", [True, False])
@pytest.mark.parametrize("flat", [True, False])
def test_a_view_that_one_server_has_keeps_its_uri_and_leads_there(lists: bool, flat: bool) -> None:
    catalog = merge({"a": listing(tool(VIEW, flat=flat), lists=lists), "b": listing()}, RULES)
    assert view(catalog, "a__draw") == VIEW
    assert owner(catalog, VIEW) == Place("a", VIEW)
    assert (VIEW in catalog.of(Kind.RESOURCE)) is lists


@pytest.mark.parametrize("lists", [True, False])
@pytest.mark.parametrize("flat", [True, False])
def test_views_of_the_same_name_are_told_apart_and_stay_views(lists: bool, flat: bool) -> None:
    both = {name: listing(tool(VIEW, flat=flat), lists=lists) for name in ("a", "b")}
    catalog = merge(both, RULES)
    for name in ("a", "b"):
        told = view(catalog, f"{name}__draw")
        assert told == f"ui://{name}+chart"
        assert owner(catalog, told) == Place(name, VIEW)


def test_nothing_else_of_a_tool_changes() -> None:
    catalog = merge({name: listing(tool(VIEW)) for name in ("a", "b")}, RULES)
    assert catalog.of(Kind.TOOL)["b__draw"].definition == {
        "name": "b__draw",
        "inputSchema": {},
        "_meta": {"ui": {"resourceUri": "ui://b+chart", "visibility": ["app"]}, "other": 1},
    }


@pytest.mark.parametrize("meta", [None, [], {"ui": "x"}, {"ui": {"resourceUri": 7}}, {"ui/resourceUri": None}])
def test_a_tool_whose_meta_names_no_view_is_left_alone(meta: object) -> None:
    definition = {"name": "draw", "inputSchema": {}, "_meta": meta}
    catalog = merge({"a": listing(definition)}, RULES)
    assert catalog.of(Kind.TOOL)["a__draw"].definition == definition | {"name": "a__draw"}
    assert find(catalog, Kind.RESOURCE, VIEW, everything) is None
