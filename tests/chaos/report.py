"""What a run has come to, as a table for people and as data for programs. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from tests.chaos.judge import Record, findings, p99, percentile
from tests.chaos.load import HOST
from tests.chaos.plan import SERVERS
from tests.chaos.run import Told
from tests.chaos.server import TOOLS

_PHASES = ("faults", "after")
AGAIN = frozenset(name for name, hints in TOOLS.items() if hints)


def as_text(told: Told) -> str:
    """All figures, what was found, and the verdict in the last line."""
    return "\n".join([*_calls(told), "", *_times(told), "", *_leftovers(told), "", *_verdict(told)])


def _calls(told: Told) -> Iterator[str]:
    """What became of the calls under faults, server by server."""
    records = [record for record in told.evidence.records if record.phase in _PHASES]
    names = [server.name for server in SERVERS]
    kinds = [kind for kind, _ in Counter(_kind(record) for record in records).most_common() if kind != "ok"]
    struck = Counter(fault.server for fault in told.struck)
    yield f"{'under faults':16} {'faults':>7} {'longest':>7} {'away':>7} {'calls':>7} {'ok':>7}" + "".join(
        f" {kind:>20}" for kind in kinds
    )
    for name in names:
        found = Counter(_kind(record) for record in records if record.server == name)
        cells = "".join(f" {found[kind]:20}" for kind in kinds)
        longest = max((fault.seconds for fault in told.struck if fault.server == name), default=0.0)
        lengths = f"{longest:7.1f} {away(records, name):7.1f}"
        yield f"{name:16} {struck[name]:7} {lengths} {found.total():7} {found['ok']:7}{cells}"


def away(records: Sequence[Record], server: str) -> float:
    """The longest time, in seconds, in which a server answered nobody over HTTP; to be seen next to its faults."""
    own = [record for record in records if record.server == server and record.client != HOST]
    ends = [record.at + record.took for record in own]
    answered = sorted(end for end, record in zip(ends, own, strict=True) if record.verdict == "ok")
    moments = [min(ends), *answered, max(ends)] if ends else []
    return max((later - earlier for earlier, later in pairwise(moments)), default=0.0)


def _kind(record: Record) -> str:
    return "untyped" if record.verdict.startswith("!") else record.verdict


def _times(told: Told) -> Iterator[str]:
    records = told.evidence.records
    quiet, busy = p99(records, "quiet"), p99(records, "faults")
    yield f"{'p99 in ms':16} {'quiet':>7} {'faults':>7} {'ratio':>7}"
    for name in sorted(quiet):
        ratio = busy[name] / quiet[name] if quiet[name] else 0.0
        yield f"{name:16} {quiet[name] * 1000:7.1f} {busy[name] * 1000:7.1f} {ratio:7.2f}"
    slowest = max((record.took for record in records), default=0.0)
    median = percentile([record.took for record in records if record.phase == "quiet"], 0.5)
    yield f"slowest answer of all: {slowest:.2f} s; median of the quiet ones: {median * 1000:.1f} ms"


def _leftovers(told: Told) -> Iterator[str]:
    evidence = told.evidence
    yield f"{'the gateway':16} {'before':>7} {'after':>7}"
    for name, figure in vars(evidence.baseline).items():
        yield f"{name:16} {figure:7} {vars(evidence.final)[name]:7}"
    yield f"processes that were not there before: {dict(told.joined)}"
    again = [record for record in evidence.records if record.verdict == "outcome_unknown" and record.tool in AGAIN]
    yield f"calls that might have been sent again, but were told as unknown: {len(again)}"
    ends = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in evidence.ended.items())
    yield f"took to end: {ends}"
    yield f"every server answered {told.came_back:.1f} s after the last fault"
    yield f"sessions left at servers: {told.sessions}"


def _verdict(told: Told) -> Iterator[str]:
    found, evidence = findings(told.evidence), told.evidence
    yield from found
    made = f"{len(evidence.records)} calls, {len(told.struck)} faults, {len(evidence.orphans)} orphans"
    twice = sum(times > 1 for times in evidence.once.values())
    yield f"chaos: {'passed' if not found else 'FAILED'}: {made}, {twice} executed twice, {len(found)} finding(s)"


def as_data(told: Told) -> dict[str, Any]:
    """The same for programs, with every call that did not go well."""
    evidence = told.evidence
    return {
        "good": not findings(evidence),
        "findings": findings(evidence),
        "faults": [str(fault) for fault in told.struck],
        "calls": len(evidence.records),
        "outcomes": Counter(_kind(record) for record in evidence.records),
        "p99": {phase: p99(evidence.records, phase) for phase in ("quiet", *_PHASES)},
        "baseline": vars(evidence.baseline),
        "final": vars(evidence.final),
        "ended": dict(evidence.ended),
        "unheard": evidence.unheard,
        "away": {server.name: away(evidence.records, server.name) for server in SERVERS},
        "came_back": told.came_back,
        "sessions": told.sessions,
        "orphans": dict(evidence.orphans),
        "troubles": [str(record) for record in evidence.records if record.verdict != "ok"],
    }
