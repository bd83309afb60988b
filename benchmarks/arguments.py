"""How many arguments are found in the words of a request: by halves of the tools, and what is not right; see --help.

Without a folder, the requests of `data/arguments.jsonl`: tools in the style of real ones, and what people would type.
A folder is one as `magictunnel eval` takes it; there, each request is given the first tool that it expects.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))

from magictunnel.catalog.model import Json
from magictunnel.discovery.arguments.extract import extract
from magictunnel.discovery.arguments.score import Score, score, total

DATA = Path(__file__).parent / "data" / "arguments.jsonl"
NOW = datetime(2025, 4, 25, 10, 0, tzinfo=UTC)
"""When the labels were made: `tomorrow` is counted from here."""


class Case(NamedTuple):
    """A request, its tool, the arguments that are right (any of them), and the half that the tool is in."""

    request: str
    tool: Json
    expected: list[Json]
    half: int


def own_cases() -> Iterator[Case]:
    """Those of this folder; every other tool is in the other half."""
    for number, line in enumerate(DATA.read_text("utf-8").splitlines()):
        one = json.loads(line)
        for asked in one["requests"]:
            yield Case(asked["query"], one["tool"], [asked["arguments"]], number % 2)


def cases_of(folder: Path) -> Iterator[Case]:
    """The labelled requests of a folder that expect arguments."""
    tools: dict[tuple[str, str], tuple[int, Json]] = {}
    for number, line in enumerate((folder / "tools.jsonl").read_text("utf-8").splitlines()):
        one = json.loads(line)
        tools[one["profile"], f"{one['server']}/{one['name']}"] = (number, one)
    for line in (folder / "queries.jsonl").read_text("utf-8").splitlines():
        asked = json.loads(line)
        name = asked["args"][0]["tool"] if asked.get("args") else ""
        if name:
            number, one = tools[asked["profile"], name]
            tool = {"name": one["name"], "description": one["description"], "inputSchema": one["input_schema"]}
            expected = [call["arguments"] for call in asked["args"] if call["tool"] == name]
            yield Case(asked["query"], tool, expected, number % 2)


def measure(case: Case, show: bool) -> Score:
    """The score of one case; `show`: print it, unless it is right as a whole."""
    found = extract(case.request, case.tool, now=NOW)
    one = score(found.arguments, case.expected)
    if show and not one.whole:
        print(f"{case.request[:300]}\n    {case.tool['name']}\n    found    ", end="")
        print({name: (value, found.sources[name].how) for name, value in found.arguments.items()})
        print(f"    expected {case.expected[0]}")
    return one


def main() -> int:
    """Print the figures; 2 if the data are not there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--half", type=int, choices=(0, 1), help="only the tools of this half")
    parser.add_argument("--show", action="store_true", help="calls that are not right as a whole")
    options = parser.parse_args()
    if options.folder and not (options.folder / "queries.jsonl").is_file():
        print(f"{options.folder} has no queries.jsonl: nothing to measure", file=sys.stderr)
        return 2
    cases = cases_of(options.folder) if options.folder else own_cases()
    found = total(measure(one, options.show) for one in cases if options.half in (None, one.half))
    print(f"calls {found.calls}, values expected {found.expected}, found {found.found}, right {found.right}")
    for name in ("precision", "recall", "exact"):
        print(f"{name:10} {getattr(found, name) or 0:.3f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
