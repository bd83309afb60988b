"""What was set out to be reached, and whether a run reached it. Pure."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from benchmarks.wire.compared import added_beside, beside, paired
from benchmarks.wire.messages import Era
from benchmarks.wire.place import HTTP, PAIRS, STDIO, Pair
from benchmarks.wire.records import Record, Results
from benchmarks.wire.starts import NO_SERVER, NONE_BEHIND, PASS, STORED, VERSION
from benchmarks.wire.targets import AS_RUN, AS_RUN_TWO, FLOOR, FLOOR_UVLOOP, FORGE, OURS, SDK, TUNED, TUNED_UVLOOP

LISTED = Pair(HTTP, STDIO, Era.HANDSHAKE)
START = Pair(STDIO, STDIO, Era.HANDSHAKE)
SAME_LOOP = (FLOOR_UVLOOP, TUNED_UVLOOP)
"""Who is told beside those that bars are set against, on the loop that MagicTunnel takes."""


@dataclass(frozen=True)
class Verdict:
    """One bar."""

    text: str
    is_met: bool | None
    """None: nothing was measured that tells, or there is no bar."""
    told: str = "not measured"

    @property
    def mark(self) -> str:
        """One word."""
        return {True: "met", False: "MISSED", None: "-"}[self.is_met]


def verdicts(results: Results) -> list[Verdict]:
    """All bars, in the order of the issue."""
    return [
        *_latency(results),
        *_throughput(results),
        *_payloads(results),
        *_lists(results),
        *_starts(results),
        *_memory(results),
    ]


def _against(
    results: Results, found: tuple[str, int], target: str, ratio: Callable[[Record], float | None], failed: float
) -> Iterator[tuple[Pair, float]]:
    """On each pair on which a measure has figures of the target: the ratio of our record; `failed` if we have none."""
    measure, at = found
    for pair in PAIRS:
        own, theirs = (results.find(measure, name, pair, at) for name in (OURS, target))
        if theirs and theirs.figures:
            value = ratio(own) if own and own.figures else failed
            yield from _known([(pair, value)])


def _latency(results: Results) -> Iterator[Verdict]:
    for target, most in ((FLOOR, 1.5), (TUNED, 1 / 10), (AS_RUN_TWO, 1 / 200)):
        ratios = _added(results, "latency", target)
        yield _all(f"added p50 at most {most:g}x that of {target}", ratios, partial(operator.ge, most))
    for target in SAME_LOOP:
        yield _no_bar(f"added p50, as a multiple of that of {target}", _added(results, "latency", target))
    for target in (FLOOR, TUNED):
        text = f"added p50 over all cores, as a multiple of that of {target}"
        yield _no_bar(text, _added(results, "throughput", target))


def _added(results: Results, measure: str, target: str) -> Iterator[tuple[Pair, float]]:
    ratio = partial(added_beside, results, base=target)
    return _against(results, (measure, 1), target, ratio, math.inf)


def _rates(results: Results, target: str, front: str = "") -> list[tuple[Pair, float]]:
    found = _against(results, ("throughput", 64), target, partial(beside, results, base=target, figure="rate"), 0.0)
    return [(pair, ratio) for pair, ratio in found if not front or pair.front == front]


def _throughput(results: Results) -> Iterator[Verdict]:
    for target, least, front in ((FLOOR, 0.6, ""), (TUNED, 30, HTTP), (FORGE, 100, HTTP)):
        text = f"calls/s at 64 at once, at least {least:g}x those of {target}"
        yield _all(text, _rates(results, target, front), partial(operator.le, least))
    for target in SAME_LOOP:
        yield _no_bar(f"calls/s at 64 at once, as a multiple of those of {target}", _rates(results, target))
    found = [(pair, results.find("throughput", OURS, pair, 64)) for pair in PAIRS]
    spread = [(pair, paired(one.series("p95"), one.series("p50"))) for pair, one in found if one]
    yield _all("p95 at 64 at once within 4x of p50", _known(spread), lambda x: x <= 4)


def _payloads(results: Results) -> Iterator[Verdict]:
    size = 10_000_000
    ratio = partial(beside, results, base=FLOOR, figure="p50")
    ratios = _against(results, ("payload", size), FLOOR, ratio, math.inf)
    yield _all(f"10 MB results within 1.5x of the {FLOOR}", ratios, lambda x: x <= 1.5)
    yield _all("10 MB results: MB more at the peak, at most 40", _ours(results, "peak", size), lambda x: x <= 40)
    yield _all("10 MB results: MB that stay, at most 10", _ours(results, "kept", size), lambda x: x <= 10)


def _ours(results: Results, name: str, size: int) -> Iterator[tuple[Pair, float]]:
    """The figure of our payloads on each pair."""
    yield from _known((pair, results.median("payload", OURS, pair, name, size)) for pair in PAIRS)


def _known(values: Iterable[tuple[Pair, float | None]]) -> list[tuple[Pair, float]]:
    return [(pair, value) for pair, value in values if value is not None]


def _lists(results: Results) -> Iterator[Verdict]:
    value = results.median("list", OURS, LISTED, "cpu", 50)
    yield _one("tools/list of 1,000 tools: at most 2 ms of processor time at the gateway", value, 2, "ms")


def _starts(results: Results) -> Iterator[Verdict]:
    def seconds(name: str, at: int) -> dict[int, float]:
        found = results.find("start", name, START, at)
        return found.series("seconds") if found else {}

    version, nothing = (results.median("start", name, START, "seconds") for name in (f"magictunnel {VERSION}", PASS))
    more = (version - nothing) * 1000 if version is not None and nothing is not None else None
    yield _one("`magictunnel --version`: at most 60 ms more than `python -c pass`", more, 60, "ms")
    stored, text = seconds(STORED, 10), "start with a stored catalogue of ten: at most"
    bars = (
        (f"{text} 0.4x the plain SDK server's", stored, seconds(NO_SERVER, 0), 0.4),
        (f"{text} 0.2x that of `fastmcp run`", stored, seconds(AS_RUN, 10), 0.2),
        (f"{text} 1.3x that without any server", stored, seconds(NONE_BEHIND, 0), 1.3),
        ("start without one: at most 1.1x the plain SDK relay's", seconds(OURS, 10), seconds(SDK, 10), 1.1),
    )
    for told, own, base, most in bars:
        yield _one(told, paired(own, base), most, "x")


def _memory(results: Results) -> Iterator[Verdict]:
    idle = results.median("sessions", OURS, LISTED, "kilobytes", 1_000)
    yield _one("an idle session: at most 40 KB", idle, 40, "KB")
    early, late = (results.median("memory", OURS, LISTED, "rss", at) for at in (10_000, 100_000))
    told = ((pair, results.median("streams", OURS, pair, "seconds", 1_000)) for pair in PAIRS)
    yield _all("1,000 streams hear of a change within 1 s, each once", _known(told), lambda x: x <= 1)
    grown = (late / early - 1) * 100 if early and late else None
    yield _one("100,000 calls leave memory within 3 % of that after 10,000", grown, 3, "%")


def _one(text: str, value: float | None, most: float, unit: str) -> Verdict:
    return Verdict(text, None) if value is None else Verdict(text, value <= most, f"{value:.2f} {unit}")


def _no_bar(text: str, found: Iterable[tuple[Pair, float]]) -> Verdict:
    """What is told beside the bars."""
    return replace(_all(f"(no bar) {text}", found, bool), is_met=None)


def _all(text: str, found: Iterable[tuple[Pair, float]], holds: Callable[[float], bool]) -> Verdict:
    """One bar on every pair that was measured."""
    values = list(found)
    if not values:
        return Verdict(text, None)
    return Verdict(
        text, all(holds(value) for _, value in values), "; ".join(f"{pair} {value:.3g}" for pair, value in values)
    )
