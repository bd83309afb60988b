"""p50 and calls per second as an SVG: a panel for each pair, a bar for each target, on a log scale. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

from benchmarks.wire.messages import Era
from benchmarks.wire.place import HTTP, PAIRS, Pair
from benchmarks.wire.records import Results
from benchmarks.wire.targets import DIRECT, FLOOR, FLOOR_UVLOOP, LEANEST, LEANEST_UVLOOP, OURS

LABELS, PANEL, GAP, BAR, TOP = 190, 215, 22, 17, 44
RELAYS = dict.fromkeys((FLOOR, FLOOR_UVLOOP), "#868e96") | dict.fromkeys((LEANEST, LEANEST_UVLOOP), "#adb5bd")
COLORS = {OURS: "#d9480f", DIRECT: "#ced4da"} | RELAYS
OTHERS = "#4c6ef5"
ROWS = (
    ("latency", 1, "p50", "p50 of a call, ms (shorter is better)"),
    ("throughput", 64, "rate", "calls per second, 64 under way (longer is better)"),
)
STYLE = "font-family='system-ui,sans-serif' font-size='11' fill='#212529'"


def chart(results: Results) -> str:
    """The picture."""
    parts, at = [], 0
    for measure, count, figure, title in ROWS:
        for era in Era:
            drawn, height = _row(results, (measure, count, figure), era, f"{title}: {era} era", at)
            parts += drawn
            at += height
    width, height = LABELS + 4 * (PANEL + GAP), max(at, TOP)
    head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' height='{height}'>"
    return "\n".join(
        [head, f"<rect width='{width}' height='{height}' fill='#fff'/>", f"<g {STYLE}>", *parts, "</g></svg>", ""]
    )


def _row(results: Results, figure: tuple[str, int, str], era: Era, title: str, top: int) -> tuple[list[str], int]:
    """Four panels, and how high they are."""
    measure, count, name = figure
    pairs = [pair for pair in PAIRS if pair.era is era]
    found = {
        (one.target, one.pair): value
        for one in results.records
        if one.measure == measure and one.at == count and one.pair in pairs and (value := one.median(name))
    }
    targets = list(dict.fromkeys(target for target, _ in found))
    if not targets:
        return [], 0
    parts = [f"<text x='8' y='{top + 18}' font-weight='600' font-size='13'>{escape(title)}</text>"]
    for line, target in enumerate(targets):
        weight = " font-weight='600'" if target == OURS else ""
        y = top + TOP + line * BAR + 11
        parts.append(f"<text x='{LABELS - 8}' y='{y}' text-anchor='end'{weight}>{escape(target)}</text>")
    low, high = min(found.values()) / 1.5, max(found.values())
    for column, pair in enumerate(pairs):
        values = [found.get((target, pair)) for target in targets]
        parts += _panel(
            LABELS + column * (PANEL + GAP), top, pair, list(zip(targets, values, strict=True)), (low, high)
        )
    return parts, TOP + len(targets) * BAR + 16


def _panel(
    left: int, top: int, pair: Pair, values: Sequence[tuple[str, float | None]], bounds: tuple[float, float]
) -> list[str]:
    names = [HTTP.upper() if side == HTTP else side for side in (pair.front, pair.back)]
    parts = [f"<text x='{left}' y='{top + TOP - 8}' fill='#495057'>{'→'.join(names)}</text>"]
    for line, (target, value) in enumerate(values):
        if value is None:
            continue
        width = max(2.0, share(value, *bounds) * (PANEL - 48))
        y = top + TOP + line * BAR
        color = COLORS.get(target, OTHERS)
        parts.append(f"<rect x='{left}' y='{y}' width='{width:.1f}' height='{BAR - 4}' fill='{color}' rx='2'/>")
        parts.append(f"<text x='{left + width + 4:.1f}' y='{y + 11}'>{told(value)}</text>")
    return parts


def share(value: float, low: float, high: float) -> float:
    """Where a value stands between two others, by its logarithm."""
    return math.log(value / low) / math.log(high / low) if high > low else 1.0


def told(value: float) -> str:
    """Short."""
    if value >= 10_000:
        return f"{value / 1000:.0f}k"
    if value >= 1_000:
        return f"{value / 1000:.1f}k"
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"
