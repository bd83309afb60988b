"""One scenario, directly and through MagicTunnel: what became of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.conformance.compare import Checks, Difference, differences
from tests.conformance.plan import CROSSED, Mode, Row, excuse

Case = tuple[Row, str]
"""A scenario of a row."""


@dataclass(frozen=True)
class Outcome:
    """One scenario, directly and in one way through MagicTunnel."""

    row: Row
    mode: Mode
    scenario: str
    direct: Checks
    through: Checks
    told: tuple[Difference, ...] = field(init=False)
    """Every check whose verdict differs."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "told", differences(self.direct, self.through))

    @property
    def lost(self) -> tuple[Difference, ...]:
        """What is not as it is directly, and could be."""
        return tuple(one for one in self.told if not one.better and self.why(one) is None)

    def why(self, difference: Difference) -> str | None:
        """Why a check cannot come out as it does directly."""
        return excuse(self.row.name, self.scenario, difference.id) if self.mode == CROSSED else None
