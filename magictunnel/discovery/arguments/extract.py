"""The arguments of a tool in the words of a request: found, never invented, each with the span it came from. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from magictunnel.catalog.model import Json
from magictunnel.catalog.refs import Root, TooMuch
from magictunnel.discovery.arguments.checks import why_not
from magictunnel.discovery.arguments.finding import found_in


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value comes from: a text and its span in the request (0, 0: from elsewhere); how it was found."""

    text: str
    start: int
    end: int
    how: str


@dataclass(frozen=True, slots=True)
class Filled:
    """Arguments of one call; the sources are by the path of the property (`filter.name`)."""

    arguments: Json
    sources: Mapping[str, Source] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    """Required properties of which nothing is known."""
    problems: tuple[str, ...] = ()
    """Values that the schema refuses, and why; they are no arguments."""


def extract(request: str, tool: Json, *, now: datetime, given: Json | None = None) -> Filled:
    """The arguments that `request` names for `tool` (a raw definition), and those `given`, which win.

    `now` is what relative dates start from; its zone is theirs. What the schema refuses is named, and left out.
    """
    given = given or {}
    values: Json = {}
    sources: dict[str, Source] = {}
    for path, found in found_in(request, tool, now, given).items():
        _put(values, path, found.value)
        sources[".".join(path)] = Source(request[found.start : found.end], found.start, found.end, found.how)
    sources |= {name: Source("", 0, 0, "given") for name in given}
    return check(tool, Filled(values | given, sources))


def _put(values: Json, path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        values = values.setdefault(name, {})
    values[path[-1]] = value


def check(tool: Json, filled: Filled) -> Filled:
    """What is left of arguments by the tool's schema: what it refuses is a problem, what it requires may be missing."""
    schema = tool.get("inputSchema")
    try:
        root = Root(schema)
        return _checked(filled, root.expanded(schema) if isinstance(schema, dict) else {}, root)
    except (TooMuch, RecursionError, TypeError, ValueError):
        return replace(filled, problems=(*filled.problems, "the tool's schema cannot be looked into"))


def _checked(filled: Filled, schema: Json, root: Root) -> Filled:
    properties, required = schema.get("properties"), schema.get("required")
    properties = properties if isinstance(properties, dict) else {}
    needed = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
    arguments: Json = {}
    problems: list[str] = []
    for name, value in filled.arguments.items():
        known = name in properties or schema.get("additionalProperties") is not False or "patternProperties" in schema
        reason = why_not(value, properties.get(name, True), root) if known else "is unknown to the tool"
        if reason:
            problems.append(f"{name[:60]!r} {reason}")
        else:
            arguments[name] = value
    sources = {
        path: one for path, one in filled.sources.items() if path in arguments or path.split(".")[0] in arguments
    }
    for name in needed:
        only = properties.get(name)
        if name not in filled.arguments and isinstance(only, dict) and "const" in only:
            arguments[name], sources[name] = only["const"], Source("", 0, 0, "the only value")
    return Filled(
        arguments,
        sources,
        tuple(name for name in dict.fromkeys(needed) if name not in arguments),
        (*filled.problems, *problems),
    )
