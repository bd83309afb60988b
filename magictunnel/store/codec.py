"""A Listing as bytes, and back to the letter; bounded, since a file may hold anything."""

from __future__ import annotations

import json
import zlib
from typing import Any

from magictunnel.catalog.model import Json, Kind, Listing

MAX_BYTES = 64 * 1024 * 1024
"""Of one listing as JSON."""


class Unreadable(Exception):
    """Bytes that are no listing."""


class Unwritable(Exception):
    """A listing that cannot be kept: it is too large, or no JSON."""


def encode(listing: Listing) -> bytes:
    """Compressed JSON that keeps unknown fields, the order of keys and entries, and halves of UTF-16 pairs.

    Raises:
        Unwritable: it is larger than MAX_BYTES, or cannot be written as JSON.
    """
    whole = {
        "entries": {kind.value: list(found) for kind, found in listing.entries.items()},
        "capabilities": listing.capabilities,
        "instructions": listing.instructions,
        "hints": {kind.value: hint for kind, hint in listing.hints.items()},
    }
    try:
        text = json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    except (TypeError, ValueError, RecursionError) as error:
        raise Unwritable(f"it cannot be written as JSON: {error}") from error
    if len(text) > MAX_BYTES:
        raise Unwritable(f"it is larger than {MAX_BYTES // 1024 // 1024} MiB")
    return zlib.compress(text)


def decode(blob: Any) -> Listing:
    """What `encode` was given. Raises Unreadable."""
    try:
        inflate = zlib.decompressobj()
        text = inflate.decompress(blob, MAX_BYTES + 1)
        if not inflate.eof:
            raise Unreadable("it is cut off, or too large")
        return _listing(json.loads(text.decode("utf-8", "surrogatepass")))
    except (zlib.error, KeyError, TypeError, ValueError, RecursionError) as error:
        raise Unreadable(str(error)) from error


def _listing(whole: Any) -> Listing:
    """The Listing that is written so. Raises KeyError, TypeError, ValueError."""
    entries = {Kind(kind): tuple(map(_object, found)) for kind, found in _object(whole["entries"]).items()}
    hints = {Kind(kind): _object(hint) for kind, hint in _object(whole["hints"]).items()}
    if not isinstance(whole["instructions"], str):
        raise TypeError("its instructions are no text")
    return Listing(entries, _object(whole["capabilities"]), whole["instructions"], hints)


def _object(value: Any) -> Json:
    if not isinstance(value, dict):
        raise TypeError("there is something else where an object has to be")
    return value
