"""Laws of `merge`, `diff`, `visible` and `find`: they hold for whatever servers list, in whatever order."""

from __future__ import annotations

from fnmatch import fnmatchcase

from hypothesis import assume, given
from hypothesis import strategies as st

from magictunnel.catalog.find import find, visible
from magictunnel.catalog.live import LiveCatalog
from magictunnel.catalog.merge import MergeRules, ServerRules, diff, merge
from magictunnel.catalog.model import Catalog, Entry, Kind, Listing, everything
from magictunnel.catalog.names import NameRules, Prefix, public_name
from tests.properties.offers import law, listings, merge_law, merges, modes, offered, originals, pair, worlds

kinds = st.sampled_from(list(Kind))
globs = st.lists(st.sampled_from(["*", "x*", "*_*", "?", "a.b", "[ab]*", "x:*"]), max_size=2).map(tuple)


def names_of(catalog: Catalog) -> dict[tuple[Kind, str, str], str]:
    """Public names, by kind, server and name there."""
    return {(kind, *pair(entry)): entry.name for kind in Kind for entry in catalog.of(kind).values()}


@merge_law
@given(merges(), st.randoms(use_true_random=False))
def test_the_order_of_listings_makes_no_difference(made, random) -> None:
    found, rules = made
    shuffled = list(found.items())
    random.shuffle(shuffled)
    one, other = merge(found, rules), merge(dict(shuffled), rules)
    assert one == other
    assert [list(one.of(kind)) for kind in Kind] == [list(other.of(kind)) for kind in Kind]
    assert [list(one.accepted[kind]) for kind in Kind] == [list(other.accepted[kind]) for kind in Kind]


@merge_law
@given(merges())
def test_equals_do_not_differ(made) -> None:
    found, rules = made
    assert diff(merge(found, rules), merge(found, rules)) == frozenset()


@merge_law
@given(merges(), merges())
def test_what_differs_is_told_and_nothing_else(one_made, other_made) -> None:
    one, other = merge(*one_made), merge(*other_made)
    for kind in Kind:
        seen = {entry.name: entry.definition for entry in visible(one, kind, everything)}
        assert seen == {entry.name: entry.definition for entry in visible(other, kind, everything)} or kind in diff(
            one, other
        )
        assert one.of(kind) != other.of(kind) or kind not in diff(one, other)
    assert diff(one, other) == diff(other, one)


@merge_law
@given(merges(), kinds)
def test_an_equal_listing_tells_nobody(made, kind) -> None:
    found, rules = made
    live = LiveCatalog(rules)
    told: list[frozenset[Kind]] = []
    for server, listing in found.items():
        live.replace(server, listing)
    live.subscribe(told.append)
    before = live.current
    for server, listing in found.items():
        copy = {kind: [dict(definition) for definition in them] for kind, them in listing.entries.items()}
        live.replace(server, Listing(copy, dict(listing.capabilities), listing.instructions))
    live.replace("nobody", None)
    assert told == []
    assert live.current is before


@merge_law
@given(merges())
def test_a_server_that_goes_and_returns_leaves_no_trace(made) -> None:
    found, rules = made
    live = LiveCatalog(rules)
    for server, listing in found.items():
        live.replace(server, listing)
    before = live.current
    for server, listing in found.items():
        live.replace(server, None)
        live.replace(server, listing)
    assert live.current == before == merge(found, rules)


@merge_law
@given(merges(), st.sets(st.integers(0, 30)), st.text(max_size=5))
def test_listed_is_what_is_found(made, hidden, stray) -> None:
    found, rules = made
    catalog = merge(found, rules)
    everywhere = [entry for kind in Kind for entry in catalog.of(kind).values()]
    denied = {(entry.kind, *pair(entry)) for at, entry in enumerate(everywhere) if at in hidden}

    def allows(entry: Entry) -> bool:
        return (entry.kind, *pair(entry)) not in denied

    for kind in Kind:
        listed = visible(catalog, kind, allows)
        for entry in listed:
            assert find(catalog, kind, entry.name, allows) is entry
        askable = [
            *catalog.of(kind),
            *catalog.accepted[kind],
            *(name for _, name in offered(found, rules, kind)),
            stray,
        ]
        for name in askable:
            got = find(catalog, kind, name, allows)
            assert got is None or allows(got)
            assert (got is None) or got in listed or name in catalog.accepted[kind]


@merge_law
@given(merges(), kinds)
def test_a_name_always_leads_to_a_thing_that_its_owner_offers(made, kind) -> None:
    found, rules = made
    catalog = merge(found, rules)
    on_offer = offered(found, rules, kind)
    for entry in (*catalog.of(kind).values(), *catalog.accepted[kind].values()):
        assert pair(entry) in on_offer
    assert all(name == entry.name for name, entry in catalog.of(kind).items())


@merge_law
@given(merges(), kinds)
def test_a_definition_is_its_owners_but_for_name_and_overrides(made, kind) -> None:
    found, rules = made
    for entry in merge(found, rules).of(kind).values():
        first = next(each for each in found[entry.backend].entries[kind] if each.get(kind.key) == entry.original)
        expected = first | {kind.key: entry.name}
        override = rules.of(entry.backend).overrides.get(entry.original) if kind is Kind.TOOL else None
        if override and override.description is not None:
            expected["description"] = override.description
        assert entry.definition == expected
        assert set(first) <= set(entry.definition)


@merge_law
@given(merges(), kinds)
def test_a_listing_keeps_its_own_order(made, kind) -> None:
    """Servers as configured, and what each offers as it lists it."""
    found, rules = made
    catalog = merge(found, rules)
    servers = rules.order(found)
    order = {
        one: at for at, one in enumerate(sorted(offered(found, rules, kind), key=lambda one: servers.index(one[0])))
    }
    positions = [order[pair(entry)] for entry in catalog.of(kind).values()]
    assert positions == sorted(positions)


@merge_law
@given(worlds, listings, modes, st.integers(0, 4))
def test_an_unrelated_server_changes_no_name(found, newcomer, mode, place) -> None:
    rules = MergeRules(prefix=mode)
    taken = {name for kind in Kind for _, name in offered(found, rules, kind)}
    taken |= {public_name(server, name, rules.names) for server in found for name in taken}
    taken |= {name for catalog in [merge(found, rules)] for kind in Kind for name in catalog.of(kind)}
    new = {name for kind in Kind for _, name in offered({"new": newcomer}, rules, kind)}
    new |= {public_name("new", name, rules.names) for name in new} | {f"new+{name}" for name in new}
    assume("new" not in found and not taken & new)
    servers = list(found)
    servers.insert(place, "new")
    order = MergeRules(prefix=mode, servers={name: ServerRules(alias=name) for name in servers})
    before, after = merge(found, order), merge(found | {"new": newcomer}, order)
    kept = {key: name for key, name in names_of(after).items() if key[1] != "new"}
    assert kept == names_of(before)


@law
@given(st.lists(originals, unique=True, max_size=6), st.none() | globs, globs)
def test_include_and_exclude_are_what_they_say(names, include, exclude) -> None:
    rules = MergeRules(
        names=NameRules(),
        prefix=Prefix.ALWAYS,
        servers={
            "a": ServerRules(
                alias="a",
                include={} if include is None else {Kind.TOOL: include},
                exclude={Kind.TOOL: exclude},
            )
        },
    )
    catalog = merge({"a": Listing({Kind.TOOL: [{"name": name} for name in names]})}, rules)
    wanted = [
        name
        for name in names
        if (include is None or any(fnmatchcase(name, glob) for glob in include))
        and not any(fnmatchcase(name, glob) for glob in exclude)
    ]
    assert [entry.original for entry in catalog.of(Kind.TOOL).values()] == wanted
    assert {entry.original for entry in catalog.accepted[Kind.TOOL].values()} <= set(wanted)


def test_templates_are_filtered_with_resources() -> None:
    kept, dropped = {"uriTemplate": "x:{id}"}, {"uriTemplate": "y:{id}"}
    rules = MergeRules(servers={"a": ServerRules(alias="a", include={Kind.RESOURCE: ("x:*",)})})
    catalog = merge({"a": Listing({Kind.TEMPLATE: [kept, dropped], Kind.RESOURCE: [{"uri": "y:1"}]})}, rules)
    assert [entry.definition for entry in catalog.of(Kind.TEMPLATE).values()] == [kept]
    assert not catalog.of(Kind.RESOURCE)


def test_what_is_disabled_is_not_even_accepted() -> None:
    off = MergeRules(servers={"a": ServerRules(alias="a", enabled=False)})
    listing = Listing({kind: [{kind.key: "x"}] for kind in Kind})
    catalog = merge({"a": listing}, off)
    assert all(not catalog.of(kind) and not catalog.accepted[kind] for kind in Kind)
    assert not catalog.claims
