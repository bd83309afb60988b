"""How many of the expected arguments are found: precision, recall, whole calls. Pure.

One property is one value. Texts are equal but for case and spaces, numbers by what they are worth (`"8"` is 8), lists
in any order; where a list is expected of a property that takes one text, any of its texts will do. A value for a
property of which nothing is expected is wrong. Expected nulls do not count, nor do constants of which the labels know
no value (`<obj>`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from magictunnel.catalog.model import Json

UNKNOWN = "<obj>"
_MAX_DIGITS = 16


class Score(NamedTuple):
    """Counts over `calls`: values that are expected, found, and right; calls of which all is right."""

    calls: int = 0
    expected: int = 0
    found: int = 0
    right: int = 0
    whole: int = 0

    @property
    def precision(self) -> float | None:
        """What part of the values found is right; None: none is found."""
        return self.right / self.found if self.found else None

    @property
    def recall(self) -> float | None:
        """What part of the values expected is found; None: none is expected."""
        return self.right / self.expected if self.expected else None

    @property
    def exact(self) -> float | None:
        """What part of the calls is right as a whole; None: there are none."""
        return self.whole / self.calls if self.calls else None


def total(scores: Iterable[Score]) -> Score:
    """All of them together."""
    return Score(*map(sum, zip(Score(), *scores, strict=True)))


def score(found: Json, expected: Sequence[Json]) -> Score:
    """One call, against that of the calls `expected` (one at least) which it comes closest to."""
    return max((_against(found, one) for one in expected), key=lambda one: (one.whole, one.right, -one.expected))


def _against(found: Json, expected: Json) -> Score:
    wanted = {key: value for key, value in expected.items() if value is not None and value != UNKNOWN}
    given = {key: value for key, value in found.items() if expected.get(key) != UNKNOWN}
    right = sum(key in wanted and _is_right(value, wanted[key]) for key, value in given.items())
    return Score(1, len(wanted), len(given), right, int(right == len(wanted) == len(given)))


def _is_right(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, list) and isinstance(value, str):
        return any(same(value, one) for one in wanted)
    return same(value, wanted)


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same for a tool."""
    if isinstance(one, list) and isinstance(other, list):
        return sorted(map(_plain, one)) == sorted(map(_plain, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if any(isinstance(value, list | Mapping | bool) for value in (one, other)):
        return one is other
    return _plain(one) == _plain(other)


def _plain(value: Any) -> str:
    text = " ".join(str(value).split()).casefold()
    try:
        return f"{float(text):g}" if len(text) < _MAX_DIGITS else text
    except ValueError:
        return text
