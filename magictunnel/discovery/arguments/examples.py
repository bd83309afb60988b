"""Values that a property is known to take though its schema lists none: examples, and words of common kinds. Pure."""

from __future__ import annotations

import re
from dataclasses import replace

from magictunnel.discovery.arguments.fields import Field, Role
from magictunnel.discovery.arguments.flags import Found, choice
from magictunnel.discovery.arguments.phrases import Item, Phrases
from magictunnel.discovery.words import stem

_QUOTED = re.compile(r"(?<!\w)(['\"`])([A-Za-z][\w-]{0,30}(?: [\w-]{1,20}){0,2})\1(?!\w)")
_STYLE = re.compile(r"default\w*\W+(?:to |is )?\W{0,3}(?:\w{1,30}\.)?(asc|desc)(ending)?\b", re.IGNORECASE)
_MAX_TEXT = 600
_MAX_EXAMPLES = 12


def _stems(*words: str) -> frozenset[str]:
    return frozenset(map(stem, words))


_KINDS = _stems("status", "state", "priority", "severity", "level", "listing", "sort", "order", "direction", "mode")
_KINDS |= _stems("visibility", "window", "category", "format", "unit", "units", "color")
"""Last words of names of properties that take one of a few words, whatever the schema says."""
_COMMON = {
    frozenset({"state"}): ("open", "closed", "merged", "resolved"),
    frozenset({"status"}): ("open", "closed", "pending", "resolved", "solved", "active", "archived", "completed"),
    frozenset({"visibility"}): ("public", "private"),
    frozenset({stem("color")}): (
        "red",
        "blue",
        "green",
        "yellow",
        "orange",
        "purple",
        "pink",
        "black",
        "white",
        "gray",
    ),
    frozenset({"unit"}): ("miles", "kilometers", "celsius", "fahrenheit", "metric", "imperial"),
    frozenset({stem("travel"), "mode"}): ("driving", "walking", "bicycling", "cycling", "transit"),
}
"""Words in a property's name, and what is said of such things everywhere."""


def known_values(field: Field) -> tuple[str, ...]:
    """The values that its description gives as examples, or else those that such properties have everywhere."""
    text = field.schema.get("description")
    about = text[:_MAX_TEXT] if isinstance(text, str) else ""
    if (style := _STYLE.search(about)) and set(field.names) & _stems("order", "direction", "sort"):
        return ("ascending", "descending") if style[2] else ("asc", "desc")
    found = list(dict.fromkeys(match[2] for match in _QUOTED.finditer(about)))[:_MAX_EXAMPLES]
    if len(found) > 1:
        return tuple(found)
    names = set(field.names)
    return next((values for words, values in _COMMON.items() if words <= names), ())


def exemplified(phrases: Phrases, field: Field, known: frozenset[str]) -> Found | None:
    """The one of its known values that a request names beside the property, or, where it takes only such, alone.

    `known`: the stems of the tool's own name.
    """
    if field.is_list or field.role not in (Role.PLAIN, Role.TITLE):
        return None
    values = known_values(field)
    found = choice(phrases, replace(field, choices=values), known) if values else None
    if found is None or not (field.head in _KINDS or _is_beside(phrases, found, field)):
        return None
    return found._replace(how="example")


def _is_beside(phrases: Phrases, found: Found, field: Field) -> bool:
    """Whether the property is named directly before or behind a value."""
    names: list[Item] = [item for item in phrases.items if item.stem in field.names]
    return any(0 <= found.start - item.end < 3 or 0 <= item.start - found.end < 3 for item in names)
