"""What `merge` and `diff` decide, case by case; the laws they keep are in `tests/properties`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from magictunnel.catalog.merge import MergeRules, Override, ServerRules, diff, merge
from magictunnel.catalog.model import Catalog, Conflict, Json, Kind, Listing
from magictunnel.catalog.names import NameRules, Prefix, digested_name


def tools(*names: Any) -> Listing:
    return Listing({Kind.TOOL: [{"name": name} for name in names]})


def resources(*uris: str) -> Listing:
    return Listing({Kind.RESOURCE: [{"uri": uri} for uri in uris]})


def rules(prefix: Prefix = Prefix.ALWAYS, **servers: ServerRules) -> MergeRules:
    return MergeRules(prefix=prefix, servers=servers)


def renaming(alias: str, **names: str) -> ServerRules:
    return ServerRules(alias, overrides={tool: Override(name=name) for tool, name in names.items()})


def owners(catalog: Catalog, kind: Kind = Kind.TOOL) -> dict[str, tuple[str, str]]:
    return {name: (entry.backend, entry.original) for name, entry in catalog.of(kind).items()}


def accepted(catalog: Catalog, kind: Kind = Kind.TOOL) -> dict[str, tuple[str, str]]:
    return {name: (entry.backend, entry.original) for name, entry in catalog.accepted[kind].items()}


# --- prefixes


def test_with_prefixes_a_bare_name_is_accepted_only_where_one_server_has_it() -> None:
    catalog = merge({"a": tools("x", "y"), "b": tools("y")}, rules())

    assert owners(catalog) == {"a__x": ("a", "x"), "a__y": ("a", "y"), "b__y": ("b", "y")}
    assert accepted(catalog) == {"x": ("a", "x")}
    assert catalog.conflicts == ()


def test_on_conflict_only_the_names_that_two_servers_have_are_prefixed() -> None:
    catalog = merge({"a": tools("x", "y"), "b": tools("y")}, rules(Prefix.ON_CONFLICT))

    assert owners(catalog) == {"x": ("a", "x"), "a__y": ("a", "y"), "b__y": ("b", "y")}
    assert accepted(catalog) == {"a__x": ("a", "x")}
    assert catalog.conflicts == ()


def test_on_conflict_a_tool_named_like_the_prefixed_name_of_another_is_prefixed_itself() -> None:
    catalog = merge({"a": tools("b__y"), "b": tools("y")}, rules(Prefix.ON_CONFLICT))

    assert "b__y" not in owners(catalog)
    assert set(owners(catalog).values()) == {("a", "b__y"), ("b", "y")}
    assert accepted(catalog)["b__y"] == ("b", "y")


def test_on_conflict_a_tool_named_like_a_rename_of_another_is_prefixed() -> None:
    catalog = merge({"a": tools("x"), "b": tools("y")}, rules(Prefix.ON_CONFLICT, a=renaming("a", x="y")))

    assert owners(catalog) == {"y": ("a", "x"), "b__y": ("b", "y")}


@pytest.mark.parametrize("prefix", [Prefix.ON_CONFLICT, Prefix.NEVER])
@pytest.mark.parametrize("name", ["a.b", "ö", "n" * 65])
def test_a_bare_name_that_hosts_refuse_is_never_shown(prefix: Prefix, name: str) -> None:
    (shown,) = owners(merge({"a": tools(name)}, rules(prefix)))

    assert shown == digested_name("a", name, NameRules())


def test_without_prefixes_the_first_configured_server_keeps_the_name_and_the_clash_is_told() -> None:
    both = rules(Prefix.NEVER, b=ServerRules("b"), a=ServerRules("a"))

    catalog = merge({"a": tools("x"), "b": tools("x")}, both)

    assert owners(catalog) == {"x": ("b", "x")}
    assert catalog.conflicts == (
        Conflict(Kind.TOOL, "x", ("b", "a"), "'b' keeps the name; 'a' is reached by its prefixed name only"),
    )
    assert accepted(catalog) == {"a__x": ("a", "x"), "b__x": ("b", "x")}
    assert catalog.accepted[Kind.TOOL]["a__x"].definition == {"name": "a__x"}


def test_an_alias_stands_for_the_server_in_names_and_nowhere_else() -> None:
    catalog = merge({"a": tools("x")}, rules(a=ServerRules("short")))

    assert owners(catalog) == {"short__x": ("a", "x")}


# --- order


def test_servers_are_listed_as_configured_and_the_others_by_name_behind_them() -> None:
    found = {"z": tools("x"), "m": tools("x"), "b": tools("x"), "a": tools("x")}

    catalog = merge(found, rules(z=ServerRules("z"), m=ServerRules("m")))

    assert list(catalog.of(Kind.TOOL)) == ["z__x", "m__x", "a__x", "b__x"]


def test_a_renamed_tool_stays_where_its_server_lists_it() -> None:
    assert list(merge({"a": tools("x", "y")}, rules(a=renaming("a", y="mine"))).of(Kind.TOOL)) == ["a__x", "mine"]


# --- what a person decided


def test_a_rename_wins_over_a_derived_name_which_then_carries_a_digest() -> None:
    catalog = merge({"a": tools("x"), "b": tools("y")}, rules(a=renaming("a", x="b__y")))

    digested = digested_name("b", "y", NameRules())
    assert owners(catalog) == {"b__y": ("a", "x"), digested: ("b", "y")}
    assert catalog.conflicts == ()


def test_of_two_renames_to_one_name_the_first_server_wins_and_the_other_keeps_its_prefixed_name() -> None:
    catalog = merge({"a": tools("x"), "b": tools("y")}, rules(a=renaming("a", x="run"), b=renaming("b", y="run")))

    assert owners(catalog) == {"run": ("a", "x")}
    assert catalog.conflicts == (
        Conflict(Kind.TOOL, "run", ("a", "b"), "'a' keeps the name; 'b' is reached by its prefixed name only"),
    )
    assert accepted(catalog) == {"a__x": ("a", "x"), "x": ("a", "x"), "b__y": ("b", "y"), "y": ("b", "y")}


def test_a_renamed_tool_is_still_reached_by_its_prefixed_and_its_bare_name() -> None:
    catalog = merge({"a": tools("x")}, rules(a=renaming("a", x="run")))

    assert accepted(catalog) == {"a__x": ("a", "x"), "x": ("a", "x")}
    assert catalog.accepted[Kind.TOOL]["x"].name == "run"


def test_an_override_changes_the_description_and_leaves_every_other_field() -> None:
    theirs: Json = {"name": "x", "description": "theirs", "annotations": {"odd": None}, "inputSchema": 7}
    mine = rules(a=ServerRules("a", overrides={"x": Override(description="mine")}))

    entry = merge({"a": Listing({Kind.TOOL: [theirs]})}, mine).of(Kind.TOOL)["a__x"]

    assert entry.definition == theirs | {"name": "a__x", "description": "mine"}
    assert theirs["description"] == "theirs"


def test_an_empty_description_is_a_description() -> None:
    mine = rules(a=ServerRules("a", overrides={"x": Override(description="")}))

    assert merge({"a": tools("x")}, mine).of(Kind.TOOL)["a__x"].definition["description"] == ""


def test_overrides_concern_tools_alone() -> None:
    listing = Listing({Kind.TOOL: [{"name": "x"}], Kind.PROMPT: [{"name": "x"}]})
    hidden = rules(a=ServerRules("a", overrides={"x": Override(name="mine", enabled=False)}))

    catalog = merge({"a": listing}, hidden)

    assert owners(catalog) == {}
    assert owners(catalog, Kind.PROMPT) == {"a__x": ("a", "x")}


@pytest.mark.parametrize(
    "server",
    [
        ServerRules("a", enabled=False, overrides={"x": Override(enabled=True)}),
        ServerRules("a", exclude={Kind.TOOL: ("*",)}, overrides={"x": Override(enabled=True)}),
        ServerRules("a", include={Kind.TOOL: ()}, overrides={"x": Override(enabled=True)}),
    ],
    ids=["server off", "excluded", "not included"],
)
def test_a_tool_that_is_switched_on_is_offered_in_spite_of_its_server(server: ServerRules) -> None:
    assert owners(merge({"a": tools("x", "y")}, rules(a=server))) == {"a__x": ("a", "x")}


@pytest.mark.parametrize(
    "server",
    [
        ServerRules("a", enabled=False),
        ServerRules("a", exclude={Kind.TOOL: ("x",)}),
        ServerRules("a", include={Kind.TOOL: ("y*",)}),
        ServerRules("a", overrides={"x": Override(enabled=False)}),
        ServerRules("a", overrides={"x": Override(enabled=False, name="x")}),
    ],
    ids=["server off", "excluded", "not included", "tool off", "tool off and renamed"],
)
def test_a_hidden_tool_takes_no_name_from_others_and_has_none(server: ServerRules) -> None:
    catalog = merge({"a": tools("x"), "b": tools("x")}, rules(Prefix.ON_CONFLICT, a=server))

    assert owners(catalog) == {"x": ("b", "x")}
    assert accepted(catalog) == {"b__x": ("b", "x")}


def test_a_filter_for_one_kind_leaves_the_others() -> None:
    listing = Listing({Kind.TOOL: [{"name": "x"}], Kind.PROMPT: [{"name": "x"}], Kind.RESOURCE: [{"uri": "x:1"}]})

    catalog = merge({"a": listing}, rules(a=ServerRules("a", exclude={Kind.PROMPT: ("*",)})))

    assert [len(catalog.of(kind)) for kind in (Kind.TOOL, Kind.PROMPT, Kind.RESOURCE)] == [1, 0, 1]


def test_globs_tell_upper_from_lower_case() -> None:
    assert owners(merge({"a": tools("X", "x")}, rules(a=ServerRules("a", exclude={Kind.TOOL: ("X",)})))) == {
        "a__x": ("a", "x")
    }


# --- malformed and repeated definitions


@pytest.mark.parametrize("name", [None, 7, "", ["x"], {"x": 1}, True])
def test_a_definition_without_a_usable_name_is_left_out_and_its_neighbours_stay(name: Any) -> None:
    assert owners(merge({"a": tools("x", name, "y")}, rules())) == {"a__x": ("a", "x"), "a__y": ("a", "y")}


@pytest.mark.parametrize("kind", list(Kind))
def test_a_definition_without_its_key_is_left_out(kind: Kind) -> None:
    catalog = merge({"a": Listing({kind: [{"title": "nameless"}, {kind.key: "x:1"}]})}, rules())

    assert [entry.original for entry in catalog.of(kind).values()] == ["x:1"]


@pytest.mark.parametrize("kind", list(Kind))
def test_of_a_name_that_is_listed_twice_the_first_is_served_and_it_is_told(kind: Kind) -> None:
    first, second = {kind.key: "x:1", "title": "first"}, {kind.key: "x:1", "title": "second"}

    catalog = merge({"a": Listing({kind: [first, second]})}, rules())

    (entry,) = catalog.of(kind).values()
    assert entry.definition["title"] == "first"
    assert catalog.conflicts == (Conflict(kind, "x:1", ("a",), "listed twice; the first is served"),)


# --- resources


def test_a_uri_of_one_server_stays_and_its_qualified_form_is_accepted() -> None:
    listed = {"uri": "file:///x", "name": "x"}
    catalog = merge({"a": Listing({Kind.RESOURCE: [listed]})}, rules())

    (entry,) = catalog.of(Kind.RESOURCE).values()
    assert (entry.name, entry.definition) == ("file:///x", listed)
    assert accepted(catalog, Kind.RESOURCE) == {"a+file:///x": ("a", "file:///x")}
    assert catalog.ambiguous == {}


def test_a_uri_of_two_servers_is_listed_as_each_ones_own_and_the_bare_one_names_the_choices() -> None:
    catalog = merge({"b": resources("file:///x"), "a": resources("file:///x")}, rules())

    assert owners(catalog, Kind.RESOURCE) == {"a+file:///x": ("a", "file:///x"), "b+file:///x": ("b", "file:///x")}
    assert catalog.ambiguous == {"file:///x": ("a+file:///x", "b+file:///x")}
    assert accepted(catalog, Kind.RESOURCE) == {}
    assert {name: entry.name for name, entry in catalog.claims["file:///x"].items()} == {
        "a": "a+file:///x",
        "b": "b+file:///x",
    }
    assert catalog.conflicts == (Conflict(Kind.RESOURCE, "file:///x", ("a", "b"), "each is listed as owner+uri"),)


def test_a_template_of_two_servers_is_told_apart_like_a_uri() -> None:
    listing = Listing({Kind.TEMPLATE: [{"uriTemplate": "x:{id}"}]})

    catalog = merge({"a": listing, "b": listing}, rules())

    assert list(catalog.of(Kind.TEMPLATE)) == ["a+x:{id}", "b+x:{id}"]
    assert catalog.ambiguous == {"x:{id}": ("a+x:{id}", "b+x:{id}")}
    assert catalog.of(Kind.TEMPLATE)["b+x:{id}"].definition == {"uriTemplate": "b+x:{id}"}


# --- what is said of all, and what differs


def test_a_server_that_has_not_listed_yet_is_awaited() -> None:
    silent: Mapping[str, Listing] = {}

    assert set(merge(silent, rules(a=ServerRules("a"))).capabilities) == {
        "tools",
        "prompts",
        "resources",
        "completions",
        "logging",
    }
    assert merge(silent, rules()).capabilities == {}


def test_instructions_come_in_configured_order() -> None:
    found = {"a": Listing(instructions="of a"), "b": Listing(instructions="of b")}

    assert merge(found, rules(b=ServerRules("b"), a=ServerRules("a"))).instructions == "# b\nof b\n\n# a\nof a"


def test_only_the_kinds_that_changed_differ() -> None:
    before = merge({"a": Listing({Kind.TOOL: [{"name": "x"}], Kind.PROMPT: [{"name": "x"}]})}, rules())
    after = merge({"a": Listing({Kind.TOOL: [{"name": "x", "title": "new"}], Kind.PROMPT: [{"name": "x"}]})}, rules())

    assert diff(before, after) == {Kind.TOOL}


def test_another_order_is_no_difference() -> None:
    assert diff(merge({"a": tools("x", "y")}, rules()), merge({"a": tools("y", "x")}, rules())) == frozenset()


# --- what does nothing


def test_an_override_of_a_tool_that_does_not_exist_is_told() -> None:
    catalog = merge({"a": tools("read_file")}, rules(a=renaming("a", readfile="read")))

    assert catalog.conflicts == (
        Conflict(Kind.TOOL, "readfile", ("a",), "stands in the config, but the server has no such tool"),
    )


def test_an_override_that_hides_its_tool_is_no_slip_of_the_pen() -> None:
    hidden = rules(a=ServerRules("a", overrides={"x": Override(enabled=False)}))

    assert merge({"a": tools("x")}, hidden).conflicts == ()


def test_an_override_for_a_server_that_has_not_listed_yet_is_not_complained_of() -> None:
    assert merge({}, rules(a=renaming("a", x="run"))).conflicts == ()
