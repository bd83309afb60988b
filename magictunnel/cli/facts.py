"""What gateways tell of their servers, as lines for a person or as cells for a pipe. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from magictunnel.catalog.model import Json, Kind
from magictunnel.cli.show import counted
from magictunnel.cli.times import ago, quick, span, stamp
from magictunnel.telemetry import printable

COLUMNS = ("server", "state", "for", "protocol", "calls", "now", "p50", "p95", "restarts")
_NUMBERS = frozenset(COLUMNS[4:])
_STYLES = {
    "ready": "green",
    "idle": "blue",
    "starting": "cyan",
    "degraded": "yellow",
    "backing off": "red",
    "crash-looping": "red",
    "stopped": "red",
    "wrong": "red",
}


def lines(servers: Sequence[Json], at: float) -> Iterator[RenderableType]:
    """A table of servers as they are at a moment (seconds of the epoch); below each, its offers and last error."""
    rows = [_cells(facts, at) for facts in servers]
    widths = [max(cell_len(row[column]) for row in (COLUMNS, *rows)) for column in range(len(COLUMNS))]
    yield Text(_aligned(COLUMNS, widths), style="bold")
    for facts, row in zip(servers, rows, strict=True):
        line = Text(_aligned(row, widths))
        start = widths[0] + 2
        line.stylize(_STYLES.get(facts["state"], ""), start, start + len(facts["state"]))
        yield line
        if below := _below(facts, at):
            yield _indented(below, "dim")
        if error := facts.get("last_error"):
            yield _indented(f"last error: {_error(error)}", "red" if facts["is_down"] else "dim")


def row(pid: int, facts: Json) -> tuple[str, ...]:
    """The same for a pipe: times as ISO 8601, durations in milliseconds."""
    counts = facts.get("counts", {})
    error = facts.get("last_error")
    return (
        str(pid),
        facts["server"],
        facts["state"],
        stamp(facts.get("since")),
        facts.get("protocol", ""),
        *(str(counts.get(kind.value, 0)) for kind in Kind),
        stamp(facts.get("listed_at")),
        str(facts.get("calls", 0)),
        str(facts.get("in_flight", 0)),
        _millis(facts.get("p50")),
        _millis(facts.get("p95")),
        str(facts.get("restarts", 0)),
        _error(error) if error else "",
    )


def _indented(text: str, style: str) -> RenderableType:
    return Padding(Text(text, style), (0, 0, 0, 2))


def _cells(facts: Json, at: float) -> tuple[str, ...]:
    since = facts.get("since")
    return (
        printable(facts["server"], keep=""),
        facts["state"],
        span(at - since) if since else "-",
        facts.get("protocol") or "-",
        f"{facts.get('calls', 0):,}",
        str(facts.get("in_flight", 0)),
        quick(facts.get("p50")),
        quick(facts.get("p95")),
        str(facts.get("restarts", 0)),
    )


def _below(facts: Json, at: float) -> str:
    counts = facts.get("counts", {})
    offers = counted({kind: counts.get(kind.value, 0) for kind in Kind})
    listed = ago(facts.get("listed_at"), at)
    return ", ".join(part for part in (offers, f"listed {listed}" if listed else "") if part)


def _error(error: Json) -> str:
    hint = f" ({error['hint']})" if error.get("hint") else ""
    return printable(f"{error['phase']}: {error['cause']}{hint}", keep="")


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = []
    for column, cell, width in zip(COLUMNS, cells, widths, strict=True):
        room = " " * (width - cell_len(cell))
        padded.append(room + cell if column in _NUMBERS else cell + room)
    return "  ".join(padded).rstrip()


def _millis(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1_000:.1f}"


def found_by(discovery: Json) -> str:
    """What clients of a gateway are shown of its tools, and how they find others."""
    shown = "clients are shown the way to search" if discovery["shown"] == "search" else "everything is listed"
    size = f"{discovery['tools']:,} tools, about {discovery['tokens']:,} tokens"
    vectors = discovery.get("embeddings")
    made = f"; embeddings: {_embeddings(vectors)}" if vectors else ""
    return f"discovery {discovery['mode']}: {shown} ({size}){made}"


def _embeddings(vectors: Json) -> str:
    if vectors["failed"]:
        return f"not used: {vectors['failed']}"
    return "ready" if vectors["is_ready"] else f"{vectors['done']} of {vectors['wanted']} made"
