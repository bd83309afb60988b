"""What a client is shown of many tools: all of them, or the way to search them. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice

from magictunnel.catalog.model import Entry, Json, View
from magictunnel.config.discovery import DiscoveryConfig, Mode

_CHARACTERS = 4
"""Of JSON, to a token: what the tokenizers of large models come to on tool definitions, give or take a fifth."""
_EASE = 0.8
"""Part of the budget that a list has to fit in again once it did not: one tool more or less changes nothing."""


@dataclass(frozen=True, slots=True)
class Weight:
    """What listing some tools costs a client."""

    tools: int
    tokens: int


def tokens(value: Json | str) -> int:
    """About how many tokens a model reads of a JSON object, or of text."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return -(-len(text) // _CHARACTERS)


def weight(entries: Iterable[Entry]) -> Weight:
    """What listing `entries` costs."""
    sizes = [tokens(entry.definition) for entry in entries]
    return Weight(len(sizes), sum(sizes))


def defers(client: str, config: DiscoveryConfig) -> bool:
    """Whether a client of that name searches long lists by itself."""
    return any(fnmatchcase(client.lower(), pattern.lower()) for pattern in config.deferring)


def view_of(entries: Iterable[Entry], config: DiscoveryConfig, *, by_itself: bool, former: View | None = None) -> View:
    """What a client is shown that may use `entries`.

    `by_itself`: it searches long lists by itself. `former`: what it, or one like it, was shown before this.
    """
    if config.mode is Mode.SEARCH:
        return View.SEARCH
    if config.mode is Mode.OFF or by_itself:
        return View.EVERYTHING
    ease = _EASE if former is View.SEARCH else 1.0
    few = list(islice(entries, int(config.max_tools * ease) + 1))
    if len(few) > config.max_tools * ease:
        return View.SEARCH
    return View.EVERYTHING if weight(few).tokens <= config.max_tokens * ease else View.SEARCH
