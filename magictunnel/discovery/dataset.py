"""A folder of labelled requests: `queries.jsonl`, and `tools.jsonl` if they are about tools of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from magictunnel.catalog.model import Json, Kind, Listing
from magictunnel.discovery.evaluation import Expected, Labelled
from magictunnel.errors import ConfigError

QUERIES = "queries.jsonl"
TOOLS = "tools.jsonl"
MAX_LINE = 8 * 1024 * 1024
"""Bytes of one line."""

Offered = Mapping[str, Listing]
"""Server -> what it offers."""
_Name = Annotated[str, StringConstraints(min_length=1, max_length=2_048)]
_Names = Annotated[list[_Name], Field(min_length=1)]
_KEY = {"input_schema": "inputSchema", "output_schema": "outputSchema"}


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class _Call(_Line):
    tool: _Name
    arguments: dict[str, Any]


class _Query(_Line):
    id: _Name
    query: Annotated[str, StringConstraints(max_length=100_000)]
    gold: _Names
    need: Annotated[list[_Names], Field(min_length=1)] | None = None
    suite: str = ""
    profile: str = ""
    args: list[_Call] | None = None


class _Tool(_Line):
    server: _Name
    name: _Name
    profile: str = ""


Line = TypeVar("Line", bound=_Line)


def read_queries(folder: Path) -> list[Labelled]:
    """The requests in `folder`, in their order. Without `need`, any of `gold` meets the one need.

    Raises:
        ConfigError: there are none, or one is not what it should be: file, line.
    """
    file = folder / QUERIES
    found: dict[str, Labelled] = {}
    for number, data in _lines(file):
        query = _checked(_Query, data, file, number)
        if query.id in found:
            raise ConfigError(f"there is a request {query.id!r} already", file=str(file), line=number)
        found[query.id] = _labelled(query)
    if not found:
        raise ConfigError("there is no request in it", file=str(file), hint="write one JSON object a line")
    return list(found.values())


def _labelled(query: _Query) -> Labelled:
    need = tuple(map(frozenset, query.need or [query.gold]))
    calls = tuple(Expected(call.tool, call.arguments) for call in query.args or ())
    return Labelled(query.id, query.query, frozenset(query.gold), need, query.suite, query.profile, calls)


def read_tools(folder: Path) -> dict[str, Offered] | None:
    """Profile -> the servers of it and what each offers; None: the folder has no tools.

    Raises:
        ConfigError: one is not what it should be: file, line.
    """
    file = folder / TOOLS
    if not file.exists():
        return None
    profiles: dict[str, dict[str, list[Json]]] = {}
    for number, data in _lines(file):
        tool = _checked(_Tool, data, file, number)
        profiles.setdefault(tool.profile, {}).setdefault(tool.server, []).append(_definition(data))
    return {
        profile: {server: Listing({Kind.TOOL: tuple(tools)}) for server, tools in servers.items()}
        for profile, servers in profiles.items()
    }


def _definition(data: Json) -> Json:
    """A tool as its server would list it."""
    return {_KEY.get(key, key): value for key, value in data.items() if key not in ("server", "profile")}


def _checked(model: type[Line], data: Json, file: Path, number: int) -> Line:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        key = ".".join(str(part)[:64] for part in fault["loc"])
        raise ConfigError(f"{key}: {fault['msg']}", file=str(file), line=number) from error


def _lines(file: Path) -> Iterator[tuple[int, Json]]:
    """The number of each line that is not empty, and the object on it."""
    try:
        with file.open("rb") as lines:
            yield from _objects(iter(lambda: lines.readline(MAX_LINE + 1), b""), file)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else None
        hint = f"name a folder that has {QUERIES}"
        raise ConfigError(f"it cannot be read: {why or error}", file=str(file), hint=hint) from error


def _objects(lines: Iterator[bytes], file: Path) -> Iterator[tuple[int, Json]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, _object(line, file, number)


def _object(line: bytes, file: Path, number: int) -> Json:
    try:
        data: Any = json.loads(line) if len(line) <= MAX_LINE else None
    except (ValueError, RecursionError) as error:
        raise ConfigError("this line is no JSON", file=str(file), line=number) from error
    if not isinstance(data, dict):
        why = f"this line should be a JSON object of {MAX_LINE >> 20} MiB at most"
        raise ConfigError(why, file=str(file), line=number)
    return data
