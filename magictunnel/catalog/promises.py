"""What we may say of ourselves: the capabilities and instructions of all servers as those of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from magictunnel.catalog.model import Json, Kind, Listing

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
    if awaited or "completions" in have:
        promised["completions"] = {}
    return promised


def merged_instructions(listings: Mapping[str, Listing], order: Sequence[str]) -> str:
    """Each server's instructions under its name, in `order`; long ones are cut, and say so."""
    sections = [
        f"# {name}\n{_cut(listings[name].instructions.strip(), MAX_INSTRUCTIONS)}"
        for name in order
        if name in listings and listings[name].instructions.strip()
    ]
    return _cut("\n\n".join(sections), MAX_ALL_INSTRUCTIONS)


def offers(capabilities: Json, kind: Kind) -> bool:
    """Whether `capabilities` promise entries of this kind."""
    return kind.capability in capabilities


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 2].rstrip() + " …"
