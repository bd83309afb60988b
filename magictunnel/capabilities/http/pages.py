"""Answers that come in pages: what a page holds, and the request for the next one. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from magictunnel.capabilities.http.client import Answer, moved
from magictunnel.capabilities.http.request import Built
from magictunnel.capabilities.http.styles import as_text, encoded
from magictunnel.capabilities.language.expression import MISSING
from magictunnel.capabilities.language.members import at_path
from magictunnel.capabilities.language.requests import Pages

_LINK = re.compile(r"<([^<>]*)>([^<]*)")
_NEXT = re.compile(r""";\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next(?=[\s;,]|$))""", re.IGNORECASE)


class Page(NamedTuple):
    """One answer, as JSON."""

    answer: Answer
    value: Any
    items: list[Any]
    number: int
    """How many there were before."""


def first(pages: Pages, request: Built) -> Built:
    """The request for the first page."""
    if pages.number is None:
        return request
    return _with(request, pages, pages.number)


def following(pages: Pages, request: Built, page: Page) -> Built | None:
    """The request for the page after `page`; None: that was the last one.

    Raises:
        RunError: it is said to be at another origin.
    """
    if pages.link:
        target = next_link(value for name, value in page.answer.headers if name == "link")
        return moved(page.answer.request, target) if target is not None else None
    if pages.number is not None:
        return _with(request, pages, pages.number + page.number + 1) if page.items else None
    cursor = at_path(page.value, pages.cursor or "")
    if cursor in (MISSING, None, "", False) or isinstance(cursor, dict | list):
        return None
    onward = _with(request, pages, cursor)
    return onward if onward.query != page.answer.request.query else None


def next_link(headers: Iterable[str]) -> str | None:
    """Where `rel="next"` leads, in `Link` headers."""
    links = (found for header in headers for found in _LINK.finditer(header))
    return next((found[1] for found in links if _NEXT.search(found[2])), None)


def _with(request: Built, pages: Pages, value: Any) -> Built:
    assert pages.parameter is not None
    return request.having(query=[(encoded(pages.parameter), encoded(as_text(value)))])
