"""Our own lists in pages, with cursors that stay good while the list changes. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from magictunnel.catalog.model import Entry
from magictunnel.errors import BadParams

PAGE_SIZE = 1_000
"""Entries in one page: large, since some hosts read only the first."""


def page(entries: Sequence[Entry], cursor: Any, size: int = PAGE_SIZE) -> tuple[Sequence[Entry], str | None]:
    """The entries behind `cursor` (None: the first ones), and the cursor of the next page if there is one.

    A cursor names the last entry that was given out, so that entries which come or go before it shift nothing;
    its position counts only if that entry itself is gone.

    Raises:
        BadParams: a cursor we never gave out.
    """
    start = _start(entries, cursor)
    given = entries[start : start + size]
    end = start + len(given)
    return given, _cursor(end, given[-1].name) if given and end < len(entries) else None


def _start(entries: Sequence[Entry], cursor: Any) -> int:
    if cursor is None:
        return 0
    position, name = _parse(cursor)
    if 0 < position <= len(entries) and entries[position - 1].name == name:
        return position
    return next((at + 1 for at, entry in enumerate(entries) if entry.name == name), min(position, len(entries)))


def _cursor(position: int, name: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([position, name]).encode()).decode()


def _parse(cursor: Any) -> tuple[int, str]:
    try:
        position, name = json.loads(base64.urlsafe_b64decode(cursor))
    except (TypeError, ValueError, binascii.Error, RecursionError):
        raise BadParams("This cursor is not one of ours", hint="list again without a cursor") from None
    if not isinstance(position, int) or not isinstance(name, str) or position < 0:
        raise BadParams("This cursor is not one of ours", hint="list again without a cursor")
    return position, name
