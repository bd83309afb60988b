"""What must hold of a run, and what did not. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.plan import HEALTHY, TIMEOUT

TOLERANCE = 1.5
"""Seconds by which an answer may be late: two processors are shared by all that runs here."""
UNSENT = frozenset({"backend_unavailable", "unknown_entry", "too_many", "bad_params"})
"""Errors that say that the call was not executed."""
MAY_BE_UNKNOWN = frozenset({"edited"})
"""Servers that are taken out of the config for a while."""
MOST_SLOWER = 3.0
"""How many times its quiet p99 a healthy server may take."""
ENDS = 5.0
"""Seconds that a gateway and all its servers may take to end."""
SHOWN = 5
TROUBLE = re.compile(r"Traceback|never retrieved|different task|unhandled|Exception in ", re.IGNORECASE)
"""What a log never says."""


@dataclass(frozen=True)
class Record:
    """One call: what became of it, `took` seconds after `at` seconds of the run."""

    call: str
    server: str
    tool: str
    client: str
    phase: str
    at: float
    took: float
    verdict: str
    """`ok`, the name of a typed error, or `! ...` for what may never be."""
    told: str = ""

    def __str__(self) -> str:
        what = f"{self.call} {self.server}__{self.tool} by {self.client} at {self.at:.2f} s, {self.took:.2f} s"
        return f"{what}: {self.verdict} {self.told}".strip()


@dataclass(frozen=True)
class Figures:
    """What a process has: its descendants, and its own threads and file descriptors."""

    processes: int
    threads: int
    descriptors: int

    def within(self, other: Figures) -> bool:
        """Whether none of them is above the other's."""
        return all(mine <= its for mine, its in zip(vars(self).values(), vars(other).values(), strict=True))


@dataclass
class Evidence:
    """All that a run has left behind."""

    records: Sequence[Record] = ()
    once: Counter[str] = field(default_factory=Counter)
    """How often each call was executed that may be executed once."""
    often: Counter[str] = field(default_factory=Counter)
    """The same for calls that may be sent again."""
    baseline: Figures = Figures(0, 0, 0)
    final: Figures = Figures(0, 0, 0)
    ended: Mapping[str, float] = field(default_factory=dict)
    """Seconds that a gateway took to end, once it was told to."""
    orphans: Mapping[int, str] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    """Servers that did not answer again after the faults."""
    unheard: Sequence[str] = ()
    """Tools of the last list that are not as the config has them."""
    log: Sequence[str] = ()
    with_p99: bool = True


def verdict_of(answer: Mapping[str, Any], call: str) -> str:
    """What an answer to `call` amounts to."""
    if "result" in answer:
        content = answer["result"].get("content") or [{}]
        is_ours = content[0].get("text") == call and not answer["result"].get("isError")
        return "ok" if is_ours else f"! somebody else's result: {answer['result']}"
    error = answer.get("error") or {}
    data = error.get("data")
    kind = data.get("error") if isinstance(data, dict) else None
    return kind if isinstance(kind, str) else f"! an error without a type: {error}"


def findings(evidence: Evidence) -> list[str]:
    """Each way in which the run was not as it must be, in a line."""
    return [*_of_calls(evidence), *_of_the_rest(evidence)]


def _of_calls(evidence: Evidence) -> Iterator[str]:
    records = evidence.records
    run = evidence.once + evidence.often
    known = {record.call: record for record in records}
    twice = [known.get(call, call) for call, times in evidence.once.items() if times > 1]
    yield from _told("executed twice", twice)
    yield from _told("no typed answer", [record for record in records if record.verdict.startswith("!")])
    yield from _told("late", [record for record in records if record.took > TIMEOUT + TOLERANCE])
    unsent = [record for record in records if record.verdict in UNSENT and run[record.call]]
    yield from _told("executed, although its error says that it was not sent", unsent)
    lost = [record for record in records if record.verdict == "ok" and not run[record.call]]
    yield from _told("answered, but never executed", lost)
    healthy = [record for record in records if record.server in HEALTHY and record.verdict != "ok"]
    yield from _told("failed at a healthy server", healthy)
    unknown = [record for record in records if record.verdict == "unknown_entry" and not _may_be_unknown(record)]
    yield from _told("not listed any more, although its server was only away", unknown)


def _may_be_unknown(record: Record) -> bool:
    return record.server in MAY_BE_UNKNOWN


def _of_the_rest(evidence: Evidence) -> Iterator[str]:
    quiet, busy = p99(evidence.records, "quiet"), p99(evidence.records, "faults")
    for name in sorted(HEALTHY) if evidence.with_p99 else ():
        if quiet[name] and busy[name] > MOST_SLOWER * quiet[name]:
            yield f"{name}: p99 rose from {quiet[name] * 1000:.1f} to {busy[name] * 1000:.1f} ms"
    before, after = vars(evidence.baseline), vars(evidence.final)
    for name, figure in before.items():
        if after[name] > figure:
            yield f"{name} of the gateway: {figure} before, {after[name]} at the end"
    slow = [f"{name}: {seconds:.1f} s" for name, seconds in evidence.ended.items() if seconds > ENDS]
    yield from _told("slow to end", slow)
    yield from _told("orphan", list(evidence.orphans.values()))
    yield from _told("did not come back after the faults", sorted(evidence.missing))
    yield from _told("listed, but not as the config has it", evidence.unheard)
    yield from _told("in the log", [line for line in evidence.log if TROUBLE.search(line)])


def _told(what: str, found: Sequence[object]) -> Iterator[str]:
    """The first of what was found, and how many there are."""
    for one in found[:SHOWN]:
        yield f"{what}: {one}"
    if len(found) > SHOWN:
        yield f"{what}: {len(found)} in all"


def p99(records: Sequence[Record], phase: str) -> dict[str, float]:
    """Seconds in which 99 of 100 calls of a healthy server were answered (the slow tool is slow by itself)."""
    found: dict[str, list[float]] = {name: [] for name in HEALTHY}
    for record in records:
        if record.server in HEALTHY and record.phase == phase and record.tool != "slow":
            found[record.server].append(record.took)
    return {name: percentile(took, 0.99) for name, took in found.items()}


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of all does not exceed; 0 where there is none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
