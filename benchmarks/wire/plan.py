"""How much is measured: all of it, or what fits into three minutes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarks.wire.place import PAIRS, Pair
from benchmarks.wire.targets import DIRECT, FLOOR, LEANEST, OURS, SDK, TARGETS, Target

DECIDING = {("latency", 1): 3, ("throughput", 64): 9}
"""Measures, and calls at once, that bars are set for: so many times the rounds, by how much chance moves them. Many at
once find a rhythm of their own in each round: between two rounds of the same target lies up to a factor of three.
"""


@dataclass(frozen=True)
class Plan:
    """What is measured, and how long."""

    targets: tuple[Target, ...] = TARGETS
    pairs: tuple[Pair, ...] = PAIRS
    rounds: int = 5
    budget: float = 0.25
    """Seconds that one target may take for one round."""
    most: int = 2_000
    """Calls in one round."""
    warm_up: float = 1.0
    """Seconds of calls before the first round."""
    at_once: tuple[int, ...] = (1, 16, 64, 256)
    sizes: tuple[int, ...] = (1_000, 100_000, 1_000_000, 10_000_000)
    """Bytes of a result."""
    lists: tuple[int, ...] = (10, 50)
    """Servers of 20 tools each."""
    starts: tuple[int, ...] = (1, 5, 10)
    """Servers behind a cold start."""
    soak: tuple[int, ...] = (10_000, 100_000)
    """Calls after which memory is looked at."""
    soak_seconds: float = 60.0
    """How long these may take one target."""
    sessions: int = 1_000
    streams: int = 1_000
    is_quick: bool = False
    """Where it would take long, only ours and the floor."""
    is_sse: bool = False
    """Backends over HTTP answer calls as events."""

    @property
    def is_whole(self) -> bool:
        """Whether it leaves nothing out; it may be shorter."""
        return replace(self, rounds=Plan.rounds, budget=Plan.budget) == Plan()

    def rounds_of_calls(self, measure: str, at_once: int) -> int:
        """Rounds of a measure with so many calls at once."""
        return self.rounds * (1 if self.is_quick else DECIDING.get((measure, at_once), 1))

    def rounds_of_results(self, size: int) -> int:
        """Rounds with results of so many bytes; a bar is set for the largest."""
        return self.rounds if size == max(self.sizes) else self.few_rounds

    @property
    def few_rounds(self) -> int:
        """Rounds of what takes long: lists, starts, results of many sizes."""
        return max(3, self.rounds // 2)

    @property
    def told(self) -> str:
        """How long it measures, in words."""
        told = [f"{self.rounds} rounds of {self.budget:g} s", f"{self.rounds_of_calls('latency', 1)} of single calls"]
        if 64 in self.at_once:
            told.append(f"{self.rounds_of_calls('throughput', 64)} of 64 at once")
        return f"{', '.join(told)}, {self.few_rounds} of lists, starts and all but the largest results"


QUICK_TARGETS = (DIRECT, FLOOR, LEANEST, OURS, SDK)


def quick() -> Plan:
    """The same in small, without the gateways of others."""
    return Plan(
        targets=tuple(target for target in TARGETS if target.name in QUICK_TARGETS),
        rounds=3,
        budget=0.1,
        warm_up=0.25,
        at_once=(64,),
        sizes=(1_000_000,),
        lists=(10,),
        starts=(10,),
        soak=(2_000,),
        soak_seconds=10.0,
        sessions=200,
        streams=200,
        is_quick=True,
    )
