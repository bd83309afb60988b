"""One digest for what a server offers: the same for listings that differ only in order. Pure."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from magictunnel.catalog.model import Kind, Listing


def canonical(value: Any) -> str:
    """JSON text that is the same for values that are the same JSON, whatever the order of their keys.

    Raises:
        ValueError, RecursionError: no JSON text can be made of it.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(listing: Listing) -> str:
    """sha256 (hex) of all that `listing` says; the order of keys and of entries is no difference, a list or hint of
    nothing is like none.

    Raises:
        ValueError, RecursionError: it cannot be written as JSON.
    """
    whole = {
        "entries": {kind: sorted(map(canonical, listing.entries[kind])) for kind in Kind if listing.entries.get(kind)},
        "hints": {kind: listing.hints[kind] for kind in Kind if listing.hints.get(kind)},
        "capabilities": listing.capabilities,
        "instructions": listing.instructions,
    }
    # Half of a UTF-16 pair is no text, but servers send it.
    return hashlib.sha256(canonical(whole).encode("utf-8", "surrogatepass")).hexdigest()
