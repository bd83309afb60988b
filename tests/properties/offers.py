"""Strategies: servers with hostile names, what they list, and rules to merge it by. Few names, so that they clash."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from magictunnel.catalog.merge import MergeRules, Override, ServerRules
from magictunnel.catalog.model import Entry, Kind, Listing
from magictunnel.catalog.names import NameRules, Prefix, digested_name, public_name, public_uri

law = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
"""How every law is tried: often, and without a clock."""
merge_law = settings(law, max_examples=50)
"""The same for laws about whole catalogs, each of which is hundreds of choices."""

RULES = NameRules()
SEPARATORS = ("__", "_", "-", "a", "_a_")

_ALIASES = ("a", "b", "c", "a_", "_a", "a__b", "acme", "acme_", "A", "Ä", "x" * 50)
_PLAIN = (
    "x",
    "y",
    "_x",
    "x_",
    "__x",
    "b__x",
    "status",
    "_status",
    "a.b",
    "a/b",
    "a b",
    "ö",
    "\ud800",
    "n" * 64,
    "n" * 90,
)
_DIGESTED = tuple(digested_name(alias, name, RULES) for alias in ("a", "acme_") for name in ("x", "a.b"))
_PREFIXED = tuple(public_name(alias, name, RULES) for alias in ("a", "b", "c") for name in ("x", "y", "a.b"))
_URIS = ("x:1", "file:///etc/motd", "x:{id}", "x:{+path}")
_QUALIFIED = tuple(public_uri(alias, uri) for alias in ("a", "b", "A") for uri in _URIS)

aliases = st.one_of(st.sampled_from(_ALIASES), st.text(min_size=1, max_size=8))
originals = st.one_of(st.sampled_from(_PLAIN + _DIGESTED + _PREFIXED), st.text(min_size=1, max_size=8))
uris = st.sampled_from(_URIS + _QUALIFIED)
modes = st.sampled_from(list(Prefix))
legal_names = st.from_regex(r"[A-Za-z0-9_-]{1,32}", fullmatch=True) | st.sampled_from(_PREFIXED)


def definitions(kind: Kind) -> st.SearchStrategy[list[dict[str, Any]]]:
    """What a server lists of one kind; sometimes a name twice, sometimes none at all."""
    named = uris if kind in (Kind.RESOURCE, Kind.TEMPLATE) else originals
    extras = st.fixed_dictionaries({}, optional={"description": st.text(max_size=3), "_meta": st.just({"k": None})})
    one = st.builds(lambda name, more: {kind.key: name} | more, named, extras)
    return st.lists(one | st.sampled_from([{}, {kind.key: None}, {kind.key: ""}]), max_size=5)


listings = st.builds(
    Listing,
    entries=st.fixed_dictionaries({kind: definitions(kind) for kind in Kind}),
    capabilities=st.dictionaries(st.sampled_from(["tools", "prompts", "resources", "completions"]), st.just({})),
    instructions=st.text(max_size=5),
)
worlds = st.dictionaries(aliases, listings, max_size=4)
"""Server name -> its listing. Without rules of its own a server's name is its alias."""


@st.composite
def overrides(draw: st.DrawFn, names: st.SearchStrategy[str] = originals) -> dict[str, Override]:
    """What a person decided about tools, by their names there."""
    one = st.builds(
        Override,
        name=st.none() | legal_names,
        description=st.none() | st.just("mine"),
        enabled=st.none() | st.booleans(),
    )
    return draw(st.dictionaries(names, one, max_size=2))


@st.composite
def rules_for(draw: st.DrawFn, servers: dict[str, Listing]) -> MergeRules:
    """Rules that configure some of `servers`, in any order, and perhaps one that is not there yet."""
    configured = draw(st.lists(st.sampled_from([*servers, "absent"]), unique=True)) if servers else []
    return MergeRules(
        names=NameRules(max_length=draw(st.sampled_from([32, 64, 128]))),
        prefix=draw(modes),
        servers={name: ServerRules(alias=name, overrides=draw(overrides())) for name in configured},
    )


@st.composite
def merges(draw: st.DrawFn) -> tuple[dict[str, Listing], MergeRules]:
    """Listings and the rules to merge them by."""
    found = draw(worlds)
    return found, draw(rules_for(found))


def offered(found: dict[str, Listing], rules: MergeRules, kind: Kind) -> list[tuple[str, str]]:
    """The (server, name there) pairs that are on offer: named, and not switched off."""
    pairs: list[tuple[str, str]] = []
    for server, listing in found.items():
        for definition in listing.entries.get(kind, ()):
            name = definition.get(kind.key)
            override = rules.of(server).overrides.get(name or "") if kind is Kind.TOOL else None
            if name and (server, name) not in pairs and (override is None or override.enabled is not False):
                pairs.append((server, name))
    return pairs


def pair(entry: Entry) -> tuple[str, str]:
    """Whose an entry is, and what it is called there."""
    return entry.backend, entry.original
