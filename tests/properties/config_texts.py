"""Strategies: config files as people write them, in YAML and in JSON with comments, and what belongs to which server.

Every comment is a different one, so that a test can tell which of them are still there.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from magictunnel.config.spell import yaml_flow

COMMENT = re.compile(r"~\d+~")

NAMES = (
    "git",
    "b",
    "my server",
    "größe",
    "a.b",
    "x:y",
    "true",
    "8080",
    "日本",
    "\U0001f600",
    "a#b",
    "[x]",
    "it's",
    "<<",
)
TEXTS = (
    "uvx",
    "x y",
    "${TOKEN}",
    "http://h:1/mcp?a=b#c",
    "ä \U0001f600",
    "",
    "- a",
    "yes",
    "12",
    "a: b",
    "// no",
    'q"q',
)

names = st.sampled_from(NAMES) | st.text("abcxyz", min_size=1, max_size=6)
texts = st.sampled_from(TEXTS) | st.text(max_size=6)
scalars = texts | st.integers(-5, 5) | st.booleans() | st.sampled_from([1.5, None])
entries = st.fixed_dictionaries(
    {"command": texts},
    optional={
        "args": st.lists(texts, max_size=3),
        "env": st.dictionaries(st.sampled_from(["A", "B_C", "odd key"]), texts, min_size=1, max_size=2),
        "timeout": scalars,
        "enabled": st.booleans(),
        "disabled": st.booleans(),
    },
)


@dataclass
class Written:
    """A config's text, what it says, and for each server the comments that are about it."""

    text: str
    file: str
    data: dict[str, Any]
    about: dict[str, set[str]]

    @property
    def servers(self) -> dict[str, Any]:
        return self.data[self.key] or {}

    @property
    def key(self) -> str:
        return "mcpServers" if "mcpServers" in self.data else "servers"

    def with_servers(self, servers: dict[str, Any]) -> dict[str, Any]:
        """What this would say with other servers."""
        return self.data | {self.key: servers}


@dataclass
class _Pen:
    """Draws what may stand anywhere in a file, and numbers the comments."""

    draw: st.DrawFn
    signs: tuple[str, ...]
    lines: list[str] = field(default_factory=list)
    count: int = 0

    def maybe(self) -> bool:
        return self.draw(st.booleans())

    def comment(self, about: set[str] | None = None, signs: tuple[str, ...] = ()) -> str:
        self.count += 1
        name = f"~{self.count}~"
        if about is not None:
            about.add(name)
        sign = self.draw(st.sampled_from(signs or self.signs))
        said = name + self.draw(st.sampled_from(["", " {", " 'it", ', "x": {},', " - a: b"]))
        return f"/* {said} */" if sign == "/*" else f"/* {said}\n  * more\n  */" if sign == "/**" else f"{sign} {said}"

    def behind(self, about: set[str] | None = None) -> str:
        """A comment behind something in its line, or nothing."""
        return f"  {self.comment(about)}" if self.maybe() else ""

    def aside(self, indent: str) -> None:
        """Lines that are about nothing in particular: there is an empty line below them."""
        if self.maybe():
            self.lines += [indent + self.comment(), ""]

    def above(self, indent: str, about: set[str]) -> None:
        """Comments directly above something."""
        self.lines += [indent + self.comment(about) for _ in range(self.draw(st.integers(0, 2)))]

    def text(self) -> str:
        newline = self.draw(st.sampled_from(["\n", "\n", "\r\n"]))
        final = self.draw(st.sampled_from(["\n", "\n", "", "\n\n"]))
        bom = self.draw(st.sampled_from(["", "", "\ufeff"]))
        return bom + ("\n".join(self.lines) + final).replace("\n", newline)


@st.composite
def yaml_files(draw: st.DrawFn, least: int = 1) -> Written:
    """A YAML file of ours with `least` servers or more: by indentation, single entries in braces."""
    pen = _Pen(draw, ("#",))
    unit = draw(st.sampled_from(["  ", "    "]))
    servers = draw(st.dictionaries(names, entries, min_size=least, max_size=4))
    before, after = draw(_before), draw(_after)
    about: dict[str, set[str]] = {name: set() for name in servers}
    pen.aside("")
    pen.lines += [f"{key}: {yaml_flow(value)}{pen.behind()}" for key, value in before.items()]
    pen.lines.append(f"mcpServers:{pen.behind()}")
    apart = pen.maybe()
    for index, (name, entry) in enumerate(servers.items()):
        if apart and (index or pen.maybe()):
            pen.lines.append("")
        if index == 0 or apart:
            pen.aside(unit)
        _yaml_entry(pen, unit, name, entry, about[name])
    if after or pen.maybe():
        if pen.maybe():
            pen.lines.append("")
        pen.lines += [draw(st.sampled_from(["", unit])) + pen.comment() for _ in range(draw(st.integers(0, 2)))]
    pen.lines += [f"{key}: {yaml_flow(value)}{pen.behind()}" for key, value in after.items()]
    return Written(pen.text(), "config.yaml", before | {"mcpServers": servers or None} | after, about)


def _yaml_entry(pen: _Pen, unit: str, name: str, entry: dict[str, Any], about: set[str]) -> None:
    pen.above(unit, about)
    key = unit + yaml_flow(name)
    if pen.draw(st.integers(0, 3)) == 0:
        pen.lines.append(f"{key}: {yaml_flow(entry)}{pen.behind(about)}")
        return
    pen.lines.append(f"{key}:{pen.behind(about)}")
    for field_name, value in entry.items():
        if pen.draw(st.integers(0, 3)) == 0:
            pen.lines.append(unit * 2 + pen.comment(about))
        pen.lines += _yaml_field(pen, unit, field_name, value, about)
    if pen.maybe():
        pen.lines += ([""] if pen.maybe() else []) + [unit * 2 + pen.comment(about)]


def _yaml_field(pen: _Pen, unit: str, name: str, value: Any, about: set[str]) -> list[str]:
    key = f"{unit * 2}{name}:"
    if isinstance(value, list) and value and pen.maybe():
        return [key + pen.behind(about), *(f"{unit * 2}- {yaml_flow(item)}{pen.behind(about)}" for item in value)]
    if isinstance(value, dict):
        inner = [f"{unit * 3}{yaml_flow(k)}: {yaml_flow(v)}{pen.behind(about)}" for k, v in value.items()]
        return [key + pen.behind(about), *inner]
    if isinstance(value, str) and re.fullmatch(r"[a-z][a-z ]*", value.strip() or "-") and value == value.strip():
        return [f"{key} |-", f"{unit * 3}{value}"] if pen.maybe() else [f"{key} '{value}'{pen.behind(about)}"]
    return [f"{key}{'' if value is None and pen.maybe() else ' ' + yaml_flow(value)}{pen.behind(about)}"]


_values = st.sampled_from([3, {"timeout": "5s"}, {"enabled": False}, {}, [], None, "x"])
_before = st.dictionaries(st.sampled_from(["start_wait", "inputs"]), _values)
_after = st.dictionaries(st.sampled_from(["defaults", "naming"]), _values)


@st.composite
def json_files(draw: st.DrawFn, least: int = 1) -> Written:
    """A host's file with `least` servers or more: each key on a line, or all on one; comments and trailing commas."""
    pen = _Pen(draw, draw(st.sampled_from([("//",), ("//", "/*", "/**", "#")])))
    servers = draw(st.dictionaries(names, entries, min_size=least, max_size=4))
    before, after = draw(_before), draw(_after)
    data = before | {draw(st.sampled_from(["mcpServers", "servers"])): servers} | after
    about: dict[str, set[str]] = {name: set() for name in servers}
    if draw(st.integers(0, 4)) == 0:
        spaces = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
        pen.lines.append(json.dumps(data, ensure_ascii=pen.maybe(), separators=spaces))
    else:
        pen.aside("")
        _json_file(pen, draw(st.sampled_from(["  ", "    ", "\t"])), data, about)
    return Written(pen.text(), "mcp.json", data, about)


def _json_file(pen: _Pen, unit: str, data: dict[str, Any], about: dict[str, set[str]]) -> None:
    pen.lines.append("{" + pen.behind())
    for key, value in data.items():
        comma = "," if key != [*data][-1] or pen.maybe() else ""
        if key in ("mcpServers", "servers"):
            pen.lines.append(f"{unit}{json.dumps(key)}: {{{pen.behind()}")
            _json_entries(pen, unit, value, about)
            pen.lines.append(f"{unit}}}{comma}{pen.behind()}")
        else:
            pen.lines.append(f"{unit}{json.dumps(key)}: {json.dumps(value)}{comma}{pen.behind()}")
    pen.lines.append("}")


def _json_entries(pen: _Pen, unit: str, servers: dict[str, Any], about: dict[str, set[str]]) -> None:
    apart, is_ascii = pen.maybe(), pen.maybe()
    for index, (name, entry) in enumerate(servers.items()):
        if apart and index:
            pen.lines.append("")
        if index == 0 or apart:
            pen.aside(unit * 2)
        pen.above(unit * 2, about[name])
        indent = unit if pen.draw(st.integers(0, 3)) else None
        written = json.dumps(entry, ensure_ascii=is_ascii, indent=indent).replace("\n", "\n" + unit * 2)
        if "\n" in written:
            written = written.replace("{", "{" + pen.behind(about[name]), 1)
        comma = "," if name != [*servers][-1] or pen.maybe() else ""
        key = json.dumps(name, ensure_ascii=is_ascii)
        pen.lines.append(f"{unit * 2}{key}: {written}{comma}{pen.behind(about[name])}")
    if pen.maybe():
        pen.lines += ([""] if pen.maybe() else []) + [unit * 2 + pen.comment()]


files = yaml_files() | json_files()
