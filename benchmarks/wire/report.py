"""Results as docs/performance.md and .svg: `python -m benchmarks.wire.report RUN.json docs` writes both."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from benchmarks.wire.bars import verdicts
from benchmarks.wire.chart import chart
from benchmarks.wire.compared import added_beside, beside
from benchmarks.wire.messages import Era
from benchmarks.wire.place import HTTP, PAIRS, Pair
from benchmarks.wire.records import Record, Results, load
from benchmarks.wire.targets import FLOOR, LEANEST
from benchmarks.wire.words import BARS, GIVEN_UP, HELD, INTRO

Cell = Callable[[Record | None], str]


def write(results: Results, folder: Path) -> None:
    """Write both files."""
    (folder / "performance.svg").write_text(chart(results), encoding="utf-8")
    (folder / "performance.md").write_text(page(results), encoding="utf-8")


def page(results: Results) -> str:
    """The whole page; what was not measured has no section."""
    parts = [
        INTRO,
        _run(results),
        _machine(results),
        "![p50 and calls per second of every gateway](performance.svg)\n",
        _bars(results),
    ]
    sections = (_latency, _throughput, _lists, _starts, _memory, _payloads, _skips)
    parts += [text for section in sections if (text := section(results))]
    return "\n".join([*filter(None, parts), GIVEN_UP])


def _run(results: Results) -> str:
    about = results.run
    if not about:
        return ""
    when = f"{about['began']} to {about['ended']} UTC"
    return f"Run: commit {about['commit']}, {when}, {about['plan']}.\n"


def _machine(results: Results) -> str:
    about = results.machine
    words = f"{about['processor']}, {about['cores']} cores, {about['memory']}, {about['kernel']}, {about['python']}"
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    steadiness = f" Before the run, {told}." if (told := about.get("steadiness")) else ""
    return f"Machine: {words}.{steadiness}\n\nVersions: {versions}.\n"


def pair_name(pair: Pair) -> str:
    """As a person says it."""
    spelled = {HTTP: "HTTP"}
    return f"{spelled.get(pair.front, pair.front)}→{spelled.get(pair.back, pair.back)}"


def rows(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table; empty without lines."""
    body = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([f"| {' | '.join(head)} |", "|" + "---|" * len(head), *body, ""]) if body else ""


def number(value: float) -> str:
    """Three digits that count."""
    if value >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}" if value >= 0.1 else f"{value:.3f}"


def _bars(results: Results) -> str:
    lines = [(one.text, {True: "yes", False: "**no**", None: "-"}[one.is_met], one.told) for one in verdicts(results)]
    return "## What was set out to be reached\n\n" + rows(("bar", "met", "figures"), lines) + "\n" + BARS


def _targets(found: Iterable[Record]) -> list[str]:
    return list(dict.fromkeys(one.target for one in found))


def _with_ratio(results: Results, one: Record | None, figure: str) -> str:
    """A figure, and its ratio to the floor's."""
    if one is None or (value := one.median(figure)) is None:
        return "-"
    ratio = beside(results, one, FLOOR, figure) if one.target != FLOOR else None
    return number(value) + ("" if ratio is None else f" ({number(ratio)}x)")


def _times(ratio: float | None) -> str:
    return "-" if ratio is None else f"{number(ratio)}x"


def _by_pair(results: Results, measure: str, at: int, cell: Cell, era: Era) -> str:
    """Targets down, pairs of one era across; who has nothing to tell has no line."""
    pairs = [pair for pair in PAIRS if pair.era is era]
    found = [
        one for one in results.records if one.measure == measure and one.at == at and one.pair in pairs and one.figures
    ]
    pairs = [pair for pair in pairs if any(one.pair == pair for one in found)]
    lines = [[name, *(cell(results.find(measure, name, pair, at)) for pair in pairs)] for name in _targets(found)]
    return rows((f"{era} era", *map(pair_name, pairs)), [line for line in lines if set(line[1:]) != {"-"}])


def _both_eras(results: Results, measure: str, at: int, cell: str | Cell) -> str:
    """A table for each era; `cell` is a figure, told beside the floor's, or makes the text of one record."""
    of = partial(_with_ratio, results, figure=cell) if isinstance(cell, str) else cell
    return "\n".join(filter(None, (_by_pair(results, measure, at, of, era) for era in Era)))


def _section(title: str, parts: Iterable[tuple[str, str]]) -> str:
    kept = [f"{told}\n\n{table}" for told, table in parts if table]
    return f"## {title}\n\n" + "\n".join(kept) if kept else ""


def _added(results: Results, base: str) -> Cell:
    """What it adds to a direct call, as a multiple of what a relay adds."""
    return lambda one: _times(added_beside(results, one, base))


def _share(results: Results, figure: str) -> Cell:
    """A figure, as a multiple of the leanest relay's."""
    return lambda one: _times(beside(results, one, LEANEST, figure))


def _latency(results: Results) -> str:
    told = {
        "p50": "Milliseconds of a sequential `tools/call` on one core, p50:",
        "p95": "p95:",
        "cpu": "Processor time of a call in ms, of the gateway and all below it (servers over stdio included):",
    }
    parts = [(text, _both_eras(results, "latency", 1, name)) for name, text in told.items()]
    for base in (FLOOR, LEANEST):
        text = f"Added / {base}: the p50 that is added to a direct call, as a multiple of what the {base} adds:"
        parts.append((text, _both_eras(results, "latency", 1, _added(results, base))))
    parts.append((f"Processor time / {LEANEST}:", _both_eras(results, "latency", 1, _share(results, "cpu"))))
    parts.append(("p50 over all cores, in milliseconds:", _both_eras(results, "throughput", 1, "p50")))
    return _section("A call", parts)


def _throughput(results: Results) -> str:
    counts = sorted({one.at for one in results.records if one.measure == "throughput"})
    parts = [(f"Calls per second with {at} under way:", _both_eras(results, "throughput", at, "rate")) for at in counts]
    if 64 in counts:
        rate = _share(results, "rate")
        parts.append((f"Calls per second with 64 under way / {LEANEST}:", _both_eras(results, "throughput", 64, rate)))
        parts.append(("p95 in ms with 64 under way:", _both_eras(results, "throughput", 64, "p95")))
    return _section("Many at once", parts)


def _across(
    results: Results, measure: str, figure: str, head: Callable[[Pair, int], str], first: str, digits: bool = False
) -> str:
    """Targets down, whatever the measure varies across."""
    found = [one for one in results.records if one.measure == measure and one.figures]
    columns = sorted({(one.at, head(one.pair, one.at)) for one in found})
    lines = []
    for name in _targets(found):
        own = {(one.at, head(one.pair, one.at)): one for one in found if one.target == name}
        lines.append([name, *(_cell(results, own.get(column), figure, digits) for column in columns)])
    return rows((first, *(title for _, title in columns)), lines)


def _cell(results: Results, one: Record | None, figure: str, is_plain: bool) -> str:
    if is_plain:
        return "-" if one is None else number(one.median(figure) or 0.0)
    return _with_ratio(results, one, figure)


def _lists(results: Results) -> str:
    def head(pair: Pair, count: int) -> str:
        return f"{count * 20:,} tools, {pair_name(pair)}, {pair.era}"

    parts = (("p50 in ms:", "p50"), ("Processor time at the gateway alone, in ms:", "cpu"))
    tables = ((text, _across(results, "list", name, head, "gateway")) for text, name in parts)
    return _section("`tools/list` of many servers with 20 tools each", tables)


def _starts(results: Results) -> str:
    def head(_: Pair, count: int) -> str:
        return f"{count} servers"

    text = (
        "Seconds from the start of the process to a complete first list; instant servers over stdio. "
        "What has no stdio in front is started over HTTP, and with servers over HTTP what has no stdio at all. "
        "What takes long has fewer rounds, but one."
    )
    return _section("Cold start", [(text, _across(results, "start", "seconds", head, "gateway", digits=True))])


def _memory(results: Results) -> str:
    def head(_: Pair, calls: int) -> str:
        return f"after {calls:,} calls" if calls else "idle, ten servers"

    def sessions(pair: Pair, count: int) -> str:
        return f"of {count:,}, {pair.era}"

    parts = [
        ("Megabytes in memory (RSS), without the servers:", _across(results, "memory", "rss", head, "gateway", True)),
        (
            "Seconds from a change of a list until the last of so many streams of ours heard of it, each once:",
            _across(results, "streams", "seconds", sessions, "gateway", True),
        ),
        ("KB that an idle HTTP session takes:", _across(results, "sessions", "kilobytes", sessions, "gateway", True)),
    ]
    return _section("Memory", parts)


def _payloads(results: Results) -> str:
    sizes = sorted({one.at for one in results.records if one.measure == "payload"})
    parts = [(f"{size:,} bytes, p50 in ms:", _both_eras(results, "payload", size, "p50")) for size in sizes]
    for figure, told in (("peak", "at the peak above what it had before"), ("kept", "that stayed")):
        parts += [(f"{size:,} bytes, MB {told}. {HELD}", _plain_pairs(results, size, figure)) for size in sizes[-1:]]
    return _section("Large results", parts)


def _plain_pairs(results: Results, size: int, figure: str) -> str:
    def head(pair: Pair, _: int) -> str:
        return f"{pair_name(pair)}, {pair.era}"

    chosen = Results(records=[one for one in results.records if one.measure == "payload" and one.at == size])
    return _across(chosen, "payload", figure, head, "gateway", digits=True)


def reason(why: str) -> str:
    """Why something was left out, without what a program said of the machine."""
    return why.partition(" | ")[0].removeprefix("NotRunning: ")[:160]


def _skips(results: Results) -> str:
    failed = [f"- {one.target}: {one.measure}, {one.pair}: {reason(one.why)}" for one in results.skips if one.why]
    text = "\n".join(dict.fromkeys([*failed, *_not_applying(results)]))
    return f"## Left out\n\n{text}\n" if text else ""


def _not_applying(results: Results) -> Iterable[str]:
    """A line for each target that does not do everything."""
    found: dict[str, dict[str, list[str]]] = {}
    for one in dict.fromkeys(one for one in results.skips if not one.why):
        found.setdefault(one.target, {}).setdefault(one.measure, []).append(one.pair)
    for target, measures in found.items():
        told = "; ".join(f"{measure} ({', '.join(where)})" for measure, where in measures.items())
        yield f"- {target}: does not apply to {told}"


if __name__ == "__main__":
    write(load(Path(sys.argv[1])), Path(sys.argv[2]))
