"""Results as plain text for a terminal. Pure."""

from __future__ import annotations

from benchmarks.wire.bars import verdicts
from benchmarks.wire.compared import added_beside, beside
from benchmarks.wire.records import Record, Results
from benchmarks.wire.targets import FLOOR, LEANEST

COLUMNS = {
    "latency": ("p50", "p95", "cpu", "rate"),
    "throughput": ("p50", "p95", "cpu", "rate"),
    "payload": ("p50", "peak", "kept"),
    "list": ("p50", "p95", "cpu"),
    "start": ("seconds",),
    "memory": ("rss",),
    "sessions": ("kilobytes",),
    "streams": ("seconds",),
}
BASES = {"raw": FLOOR, "leanest": LEANEST}
"""The relays that everything is told next to."""
WIDTH = 14
RATIOS = "".join(f"{f'{figure}/{name}':>{WIDTH}}" for figure in ("added", "cpu") for name in BASES)


def table(results: Results) -> str:
    """Every record as a line, what was left out, and the bars."""
    lines, title = [], ""
    for one in results.records:
        heading = f"{one.measure} {one.pair}, {one.at}" if one.measure != "start" else f"start, {one.at} servers"
        if heading != title and one.figures:
            title = heading
            names = "".join(f"{name:>11}" for name in COLUMNS[one.measure])
            lines.append(f"{heading:40}{names}{RATIOS}")
        if one.figures:
            lines.append(_line(results, one))
    lines += [f"without {skip.target}: {skip.measure} {skip.pair}: {skip.why}" for skip in results.skips if skip.why]
    return "\n".join([*lines, *(f"{bar.mark:7} {bar.text}: {bar.told}" for bar in verdicts(results))])


def _line(results: Results, one: Record) -> str:
    cells = "".join(f"{one.median(name) or 0.0:11.3f}" for name in COLUMNS[one.measure])
    added = [added_beside(results, one, base) for base in BASES.values()]
    ratios = [*added, *(beside(results, one, base, "cpu") for base in BASES.values())]
    told = "".join(f"{ratio:{WIDTH}.2f}" if ratio is not None else " " * WIDTH for ratio in ratios)
    return f"  {one.target:38}{cells}{told}"
