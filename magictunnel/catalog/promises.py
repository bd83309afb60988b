"""What we may say of ourselves: the capabilities and instructions of all servers as those of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from magictunnel.catalog.extensions import TASKS
from magictunnel.catalog.model import Json, Kind, Listing

_CAPABILITY = {kind: kind.capability for kind in Kind}
MAX_INSTRUCTIONS = 4_000
"""Characters of one server's instructions that are passed on."""
MAX_ALL_INSTRUCTIONS = 32_000
"""Characters of all servers' instructions together."""


def merged_capabilities(listings: Mapping[str, Listing], *, awaited: bool) -> Json:
    """The server capabilities that are true of all `listings` together.

    With `awaited` (a configured server has not listed yet) each kind is promised, since a session that was told
    "no prompts" would never look again when that server brings some; the methods behind the promise do answer.
    """
    have = {name for listing in listings.values() for name in listing.capabilities}
    have |= {kind.capability for listing in listings.values() for kind, found in listing.entries.items() if found}
    promised: Json = {
        name: {"listChanged": True} for name in ("tools", "prompts", "resources") if awaited or name in have
    }
    promised |= {name: {} for name in ("completions", "logging") if awaited or name in have}
    if awaited or any(can_subscribe(listing.capabilities) for listing in listings.values()):
        promised["resources"]["subscribe"] = True
    for name in ("experimental", "extensions", "tasks"):
        if joined := _joined([listing.capabilities.get(name) for listing in listings.values()]):
            promised[name] = joined
    return promised


def announced(capabilities: Json) -> frozenset[Kind]:
    """The kinds of which `capabilities` promise to tell when what is offered changes."""
    return frozenset(kind for kind in Kind if _object(capabilities.get(kind.capability)).get("listChanged"))


def can_subscribe(capabilities: Json) -> bool:
    """Whether `capabilities` promise to tell of updates of resources."""
    resources = capabilities.get("resources")
    return isinstance(resources, dict) and bool(resources.get("subscribe"))


def told_to(capabilities: Json, *, stateless: bool) -> Json:
    """The part of `capabilities` that exists in a client's era."""
    if stateless:
        return {name: value for name, value in capabilities.items() if name != "tasks"}
    others = {name: value for name, value in _object(capabilities.get("extensions")).items() if name != TASKS}
    told = {name: value for name, value in capabilities.items() if name != "extensions"}
    return told | {"extensions": others} if others else told


def _joined(objects: Sequence[object]) -> Json:
    """One object of several; where they share a key, objects are joined, and of anything else the first is taken."""
    joined: Json = {}
    for key, value in ((key, value) for one in objects for key, value in _object(one).items()):
        known = joined.get(key)
        both = isinstance(known, dict) and isinstance(value, dict)
        joined[key] = _joined([known, value]) if both else joined.get(key, value)
    return joined


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def merged_hints(listings: Mapping[str, Listing], kind: Kind) -> Json:
    """For how long (`ttlMs`) and by whom (`cacheScope`) a merged list may be kept: as its strictest part.

    What a server says of its list holds for ours as long as it tells us of changes; of one that does not, ours is
    already old.
    """
    parts = [_hint(listing, kind) for listing in listings.values() if listing.entries.get(kind)]
    return {
        "ttlMs": min((part["ttlMs"] for part in parts), default=0),
        "cacheScope": "public" if parts and all(part["cacheScope"] == "public" for part in parts) else "private",
    }


def _hint(listing: Listing, kind: Kind) -> Json:
    announced = _object(listing.capabilities.get(kind.capability)).get("listChanged")
    told = listing.hints.get(kind, {}) if announced else {}
    ttl, scope = told.get("ttlMs"), told.get("cacheScope")
    kept = max(0, ttl) if isinstance(ttl, int) and not isinstance(ttl, bool) else 0
    return {"ttlMs": kept, "cacheScope": scope if scope == "public" else "private"}


def merged_instructions(said: Mapping[str, str]) -> str:
    """What each server says (name -> instructions), under its name; what is long is cut, and says so."""
    sections = [f"# {name}\n{_cut(text.strip(), MAX_INSTRUCTIONS)}" for name, text in said.items() if text.strip()]
    return _cut("\n\n".join(sections), MAX_ALL_INSTRUCTIONS)


def offers(capabilities: Json, kind: Kind) -> bool:
    """Whether `capabilities` promise entries of this kind."""
    return _CAPABILITY[kind] in capabilities


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 2].rstrip() + " …"
