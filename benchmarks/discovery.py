"""How fast tools are found: `python -m benchmarks.discovery [DIR]`. One thread, no embeddings; limits at the end.

DIR has `queries.jsonl`, `tools.jsonl` and `noise_tools.jsonl` as for `benchmarks.train_discovery`. Larger catalogs are
made of the same tools, offered by more servers under other names. Without DIR tools and requests are made up.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from magictunnel.catalog.model import Entry, Kind
from magictunnel.discovery.evaluation import percentile
from magictunnel.discovery.index import Index
from magictunnel.discovery.search import search

SIZES = (500, 5_000, 50_000)
LIMITS = {500: 5.0, 5_000: 10.0, 50_000: 30.0}
"""Milliseconds that 95 % of requests may take."""
INDEX_LIMIT = 0.5
"""Seconds in which 5,000 tools are to be indexed."""
PER_SERVER = 25
"""Tools of one server."""
REQUESTS = 400
_VERBS = ("list", "get", "create", "delete", "update", "search", "send", "export")
_NOUNS = ("invoice", "ticket", "user", "report", "message", "file", "calendar event", "branch", "database", "metric")


def read(folder: Path | None) -> tuple[list[tuple[str, dict[str, Any]]], list[str]]:
    """Servers with tools of theirs, and requests."""
    if folder is None:
        print("no DIR is given: tools and requests are made up")
        pairs = [(f"{verb} {noun}", f"{verb.title()} a {noun}") for verb in _VERBS for noun in _NOUNS]
        made = [
            (f"server{at % 40}", {"name": name.replace(" ", "_"), "description": f"{text} of account {at}."})
            for at, (name, text) in enumerate(pairs * 7)
        ]
        return made, [f"please {text.lower()} for acme" for _, text in pairs]
    files = [folder / "tools.jsonl", folder / "noise_tools.jsonl"]
    lines = [json.loads(line) for file in files if file.exists() for line in file.read_text("utf-8").splitlines()]
    tools = [(tool["server"], {**tool, "inputSchema": tool["input_schema"]}) for tool in lines]
    asked = [json.loads(line)["query"] for line in (folder / "queries.jsonl").read_text("utf-8").splitlines()]
    return tools, asked


def catalog(tools: Sequence[tuple[str, dict[str, Any]]], size: int) -> dict[str, list[Entry]]:
    """`size` entries: the same tools again and again, each time by other servers and under other names."""
    found: dict[str, list[Entry]] = {}
    for at in range(size):
        tool = tools[at % len(tools)][1]
        server, turn = tools[at // PER_SERVER * PER_SERVER % len(tools)][0], at // len(tools)
        owner = f"{server}-{turn}" if turn else server
        name = f"{tool['name']}_v{turn}" if turn else tool["name"]
        entry = Entry(Kind.TOOL, f"{owner}__{name}", owner, name, {**tool, "name": name})
        found.setdefault(owner, []).append(entry)
    return found


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what came of it."""
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def measure(entries: dict[str, list[Entry]], requests: Sequence[str]) -> dict[str, float]:
    """Seconds to index, to replace one server, and for a request; megabytes of memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    gc.collect()
    index_time, index = timed(lambda: Index.of(entries))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    largest = max(entries, key=lambda name: len(entries[name]))
    changed = [replace(entry, name=entry.name + "x") for entry in entries[largest]]
    change_time, index = timed(lambda: index.replaced(largest, changed))
    first, _ = timed(lambda: search(index, requests[0]))
    cold = [timed(lambda request=request: search(index, request))[0] for request in requests]  # type: ignore[misc]
    warm = [timed(lambda request=request: search(index, request))[0] for request in requests]  # type: ignore[misc]
    return {
        "index": index_time,
        "replace": change_time,
        "first": first * 1e3,
        "cold p95": (percentile(cold, 0.95) or 0) * 1e3,
        "p50": (percentile(warm, 0.5) or 0) * 1e3,
        "p95": (percentile(warm, 0.95) or 0) * 1e3,
        "MB": memory / 1024,
    }


def main() -> None:
    """Print the table; exit 1 if a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, nargs="?")
    tools, asked = read(parser.parse_args().folder)
    tools.sort(key=lambda pair: pair[0])
    requests = random.Random(7).sample(asked, min(REQUESTS, len(asked)))
    failed = False
    columns = ("tools", "servers", "index s", "replace s", "first ms", "cold p95", "p50 ms", "p95 ms", "limit", "MB")
    print(" ".join(f"{column:>9}" for column in columns))
    for size in SIZES:
        entries = catalog(tools, size)
        row = measure(entries, requests)
        late = row["p95"] > LIMITS[size] or (size == 5_000 and row["index"] > INDEX_LIMIT)
        failed = failed or late
        values = (row["index"], row["replace"], row["first"], row["cold p95"], row["p50"], row["p95"])
        cells = (
            f"{size}",
            f"{len(entries)}",
            *(f"{value:.3f}" for value in values),
            f"{LIMITS[size]}",
            f"{row['MB']:.0f}",
        )
        print(" ".join(f"{cell:>9}" for cell in cells) + ("  too slow" if late else ""))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
