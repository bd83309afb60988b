"""Many Listings -> one Catalog: filters, overrides, names. The same listings and rules, the same Catalog."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from magictunnel.catalog.apps import with_views
from magictunnel.catalog.extensions import extensions_of
from magictunnel.catalog.model import EMPTY, Catalog, Conflict, Entry, Json, Kind, Listing, Visibility, identical
from magictunnel.catalog.names import (
    NameRules,
    Prefix,
    digested_name,
    digested_uri,
    is_legal,
    public_name,
    public_uri,
)
from magictunnel.catalog.promises import merged_capabilities, merged_hints, merged_instructions
from magictunnel.catalog.visibility import Rules, seen, without_disabled


@dataclass(frozen=True, slots=True)
class Override:
    """What a person decided about one tool; None leaves it as its server has it."""

    name: str | None = None
    description: str | None = None
    enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class ServerRules:
    """How one server's entries enter the catalog. Globs are matched against names there (or URIs)."""

    alias: str
    enabled: bool = True
    include: Mapping[Kind, tuple[str, ...]] = field(default_factory=lambda: EMPTY)
    exclude: Mapping[Kind, tuple[str, ...]] = field(default_factory=lambda: EMPTY)
    overrides: Mapping[str, Override] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class MergeRules:
    """How listings become one catalog. `servers` is in the order in which they are listed and win clashes."""

    names: NameRules = field(default_factory=NameRules)
    prefix: Prefix = Prefix.ALWAYS
    servers: Mapping[str, ServerRules] = field(default_factory=lambda: EMPTY)
    visibility: Rules = field(default_factory=lambda: EMPTY)
    guide: str = ""
    """The backend whose tools are those by which others are found."""

    def seen(self, kind: Kind, backend: str, original: str, *public: str) -> Visibility:
        """Where an entry is to be seen. Its rules hold under all of its names: none of them is a way around another."""
        if not self.visibility:
            return Visibility.AUTO
        alias = self.of(backend).alias
        is_uri = kind in (Kind.RESOURCE, Kind.TEMPLATE)
        qualified = public_uri(alias, original) if is_uri else public_name(alias, original, self.names)
        return seen(self.visibility, backend, {original, qualified, *public})

    def of(self, backend: str) -> ServerRules:
        return self.servers.get(backend) or ServerRules(alias=backend)

    def order(self, backends: Iterable[str]) -> list[str]:
        """Backends as configured, then those nobody configured by name: never by who connected first."""
        rank = {name: position for position, name in enumerate(self.servers)}
        return sorted(backends, key=lambda name: (rank.get(name, len(rank)), name))


@dataclass(frozen=True, slots=True)
class _Offer:
    """One definition of one backend, before it has a public name."""

    backend: str
    alias: str
    original: str
    definition: Json
    rules: MergeRules
    override: Override = Override()

    def entry(self, kind: Kind, name: str) -> Entry:
        shown = self.definition if self.original == name else self.definition | {kind.key: name}
        if self.override.description is not None:
            shown = shown | {"description": self.override.description}
        visibility = self.rules.seen(kind, self.backend, self.original, name)
        return Entry(kind, name, self.backend, self.original, shown, visibility)


@dataclass(slots=True)
class _Naming:
    """The public and accepted names of one kind, as they are given out."""

    taken: Mapping[str, Entry] = field(default_factory=lambda: EMPTY)
    """Who has a name that is not given out."""
    entries: dict[str, Entry] = field(default_factory=dict)
    accepted: dict[str, Entry] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)
    ambiguous: dict[str, tuple[str, ...]] = field(default_factory=dict)


def merge(listings: Mapping[str, Listing], rules: MergeRules) -> Catalog:
    """One Catalog of everything in `listings` (backend name -> what it offers), independent of their order."""
    others = {name: listing for name, listing in listings.items() if name != rules.guide}
    order = rules.order(others)
    guide = listings.get(rules.guide, Listing())
    guides = _guides(guide, rules)
    remarks: list[Conflict] = []
    named: dict[Kind, _Naming] = {}
    for kind in Kind:
        offers = list(_offers(kind, others, order, rules, remarks))
        is_uri = kind in (Kind.RESOURCE, Kind.TEMPLATE)
        taken = guides if kind is Kind.TOOL else {}
        naming = _name_by_uri(kind, offers, rules) if is_uri else _name_by_name(kind, offers, rules, taken)
        named[kind] = _enabled(_listed_as_offered(naming, offers))
    resources = named[Kind.RESOURCE]
    claims = _claims(resources.entries.values())
    tools, views = with_views(named[Kind.TOOL].entries.values(), claims, lambda name: rules.of(name).alias)
    named[Kind.TOOL].entries = tools
    resources.accepted = views | resources.accepted
    present = {entry.backend for naming in named.values() for entry in naming.entries.values()}
    said = {
        name: others[name].instructions
        for name in order
        if name in present or not any(others[name].entries.values())  # else all that it has is kept from clients
    }
    return Catalog(
        entries={kind: naming.entries for kind, naming in named.items()},
        accepted={kind: naming.accepted for kind, naming in named.items()},
        guides=without_disabled(guides),
        claims=claims,
        ambiguous=resources.ambiguous | named[Kind.TEMPLATE].ambiguous,
        conflicts=(*remarks, *(clash for naming in named.values() for clash in naming.conflicts)),
        capabilities=merged_capabilities(
            others | {rules.guide: replace(guide, entries={})},
            awaited=any(name not in listings for name in rules.servers),
        ),
        instructions=merged_instructions(said),
        said=said,
        backends=tuple(order),
        extensions=extensions_of(others),
        hints={kind: merged_hints(others, kind) for kind in Kind},
    )


def diff(old: Catalog, new: Catalog) -> frozenset[Kind]:
    """The kinds of which there is something else to list for somebody. The order of entries is no difference."""
    return frozenset(kind for kind in Kind if not identical(_shown(old, kind), _shown(new, kind)))


def _shown(catalog: Catalog, kind: Kind) -> Json:
    guides = catalog.guides if kind is Kind.TOOL else EMPTY
    return {name: (entry.definition, entry.visibility) for name, entry in (*guides.items(), *catalog.of(kind).items())}


def _offers(
    kind: Kind,
    listings: Mapping[str, Listing],
    order: Iterable[str],
    rules: MergeRules,
    remarks: list[Conflict],
) -> Iterator[_Offer]:
    for backend in order:
        server = rules.of(backend)
        seen: set[str] = set()
        for definition in listings[backend].entries.get(kind, ()):
            original = definition.get(kind.key)
            if not isinstance(original, str) or not original or not is_offered(kind, original, server):
                continue
            if original in seen:
                remarks.append(Conflict(kind, original, (backend,), "listed twice; the first is served"))
                continue
            seen.add(original)
            override = server.overrides.get(original, Override()) if kind is Kind.TOOL else Override()
            yield _Offer(backend, server.alias, original, definition, rules, override)
        if kind is Kind.TOOL:
            remarks.extend(_idle_overrides(backend, server, listings[backend]))


def _idle_overrides(backend: str, server: ServerRules, listing: Listing) -> Iterator[Conflict]:
    """What the config says of tools that do not exist; a slip of the pen would otherwise go unnoticed."""
    existing = [tool.get("name") for tool in listing.entries.get(Kind.TOOL, ())]
    for name in server.overrides:
        if name not in existing:
            yield Conflict(Kind.TOOL, name, (backend,), "stands in the config, but the server has no such tool")


def is_offered(kind: Kind, original: str, server: ServerRules) -> bool:
    """Whether the rules of a server let this one of its entries through (a resource that is not listed, too)."""
    override = server.overrides.get(original) if kind is Kind.TOOL else None
    if override and override.enabled is not None:
        return override.enabled
    group = Kind.RESOURCE if kind is Kind.TEMPLATE else kind
    include, exclude = server.include.get(group), server.exclude.get(group, ())
    wanted = include is None or any(fnmatchcase(original, glob) for glob in include)
    return server.enabled and wanted and not any(fnmatchcase(original, glob) for glob in exclude)


def _name_by_name(kind: Kind, offers: list[_Offer], rules: MergeRules, taken: Mapping[str, Entry]) -> _Naming:
    """Names for tools and prompts, none of them `taken`: explicit ones first, then the derived ones around them."""
    naming = _Naming(taken=taken)
    for offer in offers:
        if offer.override.name is not None:
            _claim(naming, kind, offer, (offer.override.name,))
    bare = _bare_names(offers, rules, taken)
    for offer in offers:
        if offer.override.name is None:
            _claim(naming, kind, offer, (offer.original,) if bare(offer) else _prefixed_names(offer, rules))
    _accept_other_names(naming, kind, offers, rules)
    return naming


def _prefixed_names(offer: _Offer, rules: MergeRules) -> tuple[str, str]:
    return (
        public_name(offer.alias, offer.original, rules.names),
        digested_name(offer.alias, offer.original, rules.names),
    )


def _bare_names(offers: list[_Offer], rules: MergeRules, taken: Mapping[str, Entry]) -> Callable[[_Offer], bool]:
    """Who is listed without a prefix. On conflict that is nobody whose name another one has, prefixed or not."""
    if rules.prefix is Prefix.ALWAYS:
        return lambda _offer: False
    if rules.prefix is Prefix.NEVER:
        return lambda offer: is_legal(offer.original, rules.names) and offer.original not in taken
    wanted = Counter([*taken, *(offer.original for offer in offers)])
    wanted.update({public_name(offer.alias, offer.original, rules.names) for offer in offers})
    wanted.update(offer.override.name for offer in offers if offer.override.name is not None)
    return lambda offer: wanted[offer.original] == 1 and is_legal(offer.original, rules.names)


def _listed_as_offered(naming: _Naming, offers: list[_Offer]) -> _Naming:
    """Whoever got a name first: entries are listed in the order of their servers, and as these list them."""
    place = {(offer.backend, offer.original): at for at, offer in enumerate(offers)}
    ordered = sorted(naming.entries.values(), key=lambda entry: place[entry.backend, entry.original])
    naming.entries = {entry.name: entry for entry in ordered}
    return naming


def _enabled(naming: _Naming) -> _Naming:
    """Without what is disabled. It has got its name all the same: nothing else moves when it is enabled."""
    naming.entries, naming.accepted = without_disabled(naming.entries), without_disabled(naming.accepted)
    naming.ambiguous = {
        uri: tuple(name for name in names if name in naming.entries) for uri, names in naming.ambiguous.items()
    }
    return naming


def _guides(listing: Listing, rules: MergeRules) -> dict[str, Entry]:
    """The tools by which others are found. Nobody else can have their names: clients are told to call them."""
    offers = [
        _Offer(rules.guide, rules.guide, tool["name"], tool, rules) for tool in listing.entries.get(Kind.TOOL, ())
    ]
    return {offer.original: offer.entry(Kind.TOOL, offer.original) for offer in offers}


def _claim(naming: _Naming, kind: Kind, offer: _Offer, candidates: tuple[str, ...]) -> str:
    """Give `offer` the first of `candidates` that is free; returns it, or the first one if none was."""
    for name in candidates:
        if name not in naming.entries and name not in naming.taken:
            naming.entries[name] = offer.entry(kind, name)
            return name
    winner = (naming.taken.get(candidates[0]) or naming.entries[candidates[0]]).backend
    outcome = f"{winner!r} keeps the name; {offer.backend!r} is reached by its prefixed name only"
    naming.conflicts.append(Conflict(kind, candidates[0], (winner, offer.backend), outcome))
    return candidates[0]


def _accept_other_names(naming: _Naming, kind: Kind, offers: list[_Offer], rules: MergeRules) -> None:
    """Let a call use a prefixed name that is not shown, and a bare name that only one backend has."""
    shown = {(entry.backend, entry.original): entry for entry in naming.entries.values()}
    having = Counter(offer.original for offer in offers)
    bare: dict[str, Entry] = {}
    for offer in offers:
        names = _prefixed_names(offer, rules)
        entry = shown.get((offer.backend, offer.original))
        for name in names[:1] if entry else names:  # what is not shown must be reached by some name
            if not any(name in known for known in (naming.entries, naming.accepted, naming.taken)):
                naming.accepted[name] = entry = entry or offer.entry(kind, name)
                break
        if entry and having[offer.original] == 1:
            bare[offer.original] = entry
    for name, entry in bare.items():
        if name not in naming.entries:
            naming.accepted.setdefault(name, entry)


def _name_by_uri(kind: Kind, offers: list[_Offer], rules: MergeRules) -> _Naming:  # noqa: ARG001 one shape for both
    """URIs stay as they are where one backend claims them; where several do, each is told apart by its owner."""
    naming = _Naming()
    claimants = Counter(offer.original for offer in offers)
    for offer in offers:
        if claimants[offer.original] == 1:
            _claim(naming, kind, offer, (offer.original,))
    for offer in offers:
        qualified = public_uri(offer.alias, offer.original)
        if claimants[offer.original] > 1:
            others = (digested_uri(offer.alias, offer.original, salt) for salt in ("1", "2", "3"))
            name = _claim(naming, kind, offer, (qualified, *others))
            naming.ambiguous[offer.original] = (*naming.ambiguous.get(offer.original, ()), name)
        elif qualified not in naming.entries:
            naming.accepted[qualified] = naming.entries[offer.original]
    naming.conflicts += [
        Conflict(kind, uri, tuple(naming.entries[name].backend for name in names), "each is listed as owner+uri")
        for uri, names in naming.ambiguous.items()
    ]
    return naming


def _claims(resources: Iterable[Entry]) -> Mapping[str, Mapping[str, Entry]]:
    claims: defaultdict[str, dict[str, Entry]] = defaultdict(dict)
    for entry in resources:
        claims[entry.original][entry.backend] = entry
    return dict(claims)
