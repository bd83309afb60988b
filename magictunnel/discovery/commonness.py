"""How common words are in tools of all sorts (`common.txt`): what a small catalog cannot tell by itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.resources import files

from magictunnel.discovery.lexicon import RELATED, VERB_KINDS

VIRTUAL = 400
"""Tools of all sorts that are counted along with those that are there."""


def _shares() -> dict[str, float]:
    """Stem -> the share of tools in which it stands."""
    found: dict[str, float] = {}
    share = 0.0
    for line in files(__package__).joinpath("common.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            share = 2.0 ** int(line.strip("[]"))
        elif not line.startswith("#"):
            found |= dict.fromkeys(line.split(), share)
    return found


SHARES: Mapping[str, float] = _shares()


def telling(term: str, count: int, total: int) -> float:
    """How much `term` tells (its smoothed inverse document frequency) that stands in `count` of `total` entries."""
    smooth = count + VIRTUAL * SHARES.get(term, 0.0)
    return math.log(1 + (total + VIRTUAL - smooth + 0.5) / (smooth + 0.5))


def is_known(term: str) -> bool:
    """Whether tools speak of it anywhere. What they do not is likely to be a value: a name, a place, a thing to buy."""
    return term in SHARES or term in RELATED or term in VERB_KINDS
