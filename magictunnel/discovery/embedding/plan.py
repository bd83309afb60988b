"""Which texts need a vector, for a list of entries. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from magictunnel.catalog.model import EMPTY, Entry, Kind
from magictunnel.discovery.documents import views

Key = tuple[Kind, str]
"""Kind and public name of an entry."""
_ORDER = {Kind.TOOL: 0, Kind.PROMPT: 1, Kind.RESOURCE: 2, Kind.TEMPLATE: 3}


@dataclass(frozen=True, slots=True)
class Plan:
    """The entries, and the digests of their texts. Equal texts are embedded once, whosever they are."""

    entries: Mapping[Key, Entry] = field(default_factory=lambda: EMPTY)
    digests: Mapping[Key, str] = field(default_factory=lambda: EMPTY)
    keys: Mapping[str, tuple[Key, ...]] = field(default_factory=lambda: EMPTY)
    """By digest; those first that are to be embedded first."""

    def texts(self, digest: str) -> tuple[str, ...]:
        """What is embedded for `digest`: one text or two, whose vectors' mean is taken."""
        return tuple(dict.fromkeys(views(self.entries[self.keys[digest][0]])))


def planned(entries: Iterable[Entry], before: Plan) -> Plan:
    """The plan for `entries`, tools first. Of those that stand alike in the plan `before` no text is made again."""
    known = {(entry.kind, entry.name): entry for entry in sorted(entries, key=lambda entry: _ORDER[entry.kind])}
    digests = {key: _kept(key, entry, before) or _digest(entry) for key, entry in known.items()}
    keys: dict[str, list[Key]] = {}
    for key, digest in digests.items():
        keys.setdefault(digest, []).append(key)
    return Plan(known, digests, {digest: tuple(found) for digest, found in keys.items()})


def _kept(key: Key, entry: Entry, before: Plan) -> str | None:
    """The digest it had, if it is the same entry. To compare is quicker than to read it again."""
    old = before.entries.get(key)
    try:
        return before.digests[key] if old is not None and old == entry else None
    except RecursionError:
        return None


def _digest(entry: Entry) -> str:
    whole = hashlib.sha256()
    for text in views(entry):
        data = text.encode("utf-8", "surrogatepass")
        whole.update(len(data).to_bytes(8, "little") + data)
    return whole.hexdigest()
