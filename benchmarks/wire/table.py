"""Results as plain text for a terminal. Pure."""

from __future__ import annotations

from benchmarks.wire.bars import added, verdicts
from benchmarks.wire.records import Record, Results
from benchmarks.wire.targets import FLOOR

COLUMNS = {
    "latency": ("p50", "p95", "cpu", "rate"),
    "throughput": ("p50", "p95", "cpu", "rate"),
    "payload": ("p50", "peak", "kept"),
    "list": ("p50", "p95", "cpu"),
    "start": ("seconds",),
    "memory": ("rss",),
    "sessions": ("kilobytes",),
}


def table(results: Results) -> str:
    """Every record as a line, what was left out, and the bars."""
    lines, title = [], ""
    for one in results.records:
        heading = f"{one.measure} {one.pair}, {one.at}" if one.measure != "start" else f"start, {one.at} servers"
        if heading != title and one.figures:
            title = heading
            names = "".join(f"{name:>11}" for name in COLUMNS[one.measure])
            lines.append(f"{heading:40}{names}{'added/floor':>13}{'cpu/floor':>11}")
        if one.figures:
            lines.append(_line(results, one))
    lines += [f"without {skip.target}: {skip.measure} {skip.pair}: {skip.why}" for skip in results.skips]
    return "\n".join([*lines, *(f"{bar.mark:7} {bar.text}: {bar.told}" for bar in verdicts(results))])


def _line(results: Results, one: Record) -> str:
    cells = "".join(f"{one.median(name) or 0.0:11.3f}" for name in COLUMNS[one.measure])
    ratios = (_ratio(added(results, one), added(results, _floor(results, one))), _cpu(results, one))
    told = "".join(
        f"{ratio:{width}.2f}" if ratio else " " * width for ratio, width in zip(ratios, (13, 11), strict=True)
    )
    return f"  {one.target:38}{cells}{told}"


def _floor(results: Results, one: Record) -> Record | None:
    return results.find(one.measure, FLOOR, one.pair, one.at)


def _cpu(results: Results, one: Record) -> float | None:
    floor = _floor(results, one)
    return _ratio(one.median("cpu"), floor.median("cpu") if floor else None)


def _ratio(value: float | None, base: float | None) -> float | None:
    return value / base if value is not None and base is not None and base > 0 else None
