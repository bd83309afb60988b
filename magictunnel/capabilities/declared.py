"""The capability files that a config names, each read and named; one that cannot be used costs nobody else anything."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from magictunnel.catalog.model import EMPTY, Visibility
from magictunnel.catalog.names import NameRules, public_name
from magictunnel.config.declared import MAX_FILES
from magictunnel.config.discovery import DISCOVERY
from magictunnel.config.entries import problem
from magictunnel.config.model import Config, Problem
from magictunnel.config.text import MAX_MADE, read_text
from magictunnel.errors import ConfigError

if TYPE_CHECKING:
    from magictunnel.capabilities.language.model import CapabilityFile

_latest: dict[str, tuple[str, CapabilityFile]] = {}
"""Path -> what it declared when it was read last, and of which text: files are looked at again and again."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """One capability file."""

    path: str
    file: CapabilityFile


@dataclass(frozen=True, slots=True)
class Declared:
    """All that can be used, by the name of the backend that each is, and a problem for each that cannot."""

    files: Mapping[str, Declaration] = field(default_factory=lambda: EMPTY)
    problems: tuple[Problem, ...] = ()

    def timeout_of(self, backend: str, tool: str) -> float | None:
        """Seconds that a tool says a call of it may take."""
        found = self.files.get(backend)
        tools = found.file.tools if found else ()
        return next((one.timeout for one in tools if one.name == tool), None)

    def visibility(self, rules: NameRules) -> dict[str, Visibility]:
        """Where tools say that they are to be seen."""
        return {
            public_name(backend, tool.name, rules): tool.visibility
            for backend, found in self.files.items()
            for tool in found.file.tools
            if tool.visibility is not None
        }


NOTHING = Declared()


def declared(config: Config, before: Declared = NOTHING) -> Declared:
    """What the capability files of `config` declare now. One that has become unusable is as it was `before`."""
    files: dict[str, Declaration] = {}
    problems: list[Problem] = []
    earlier = {found.path: (name, found) for name, found in before.files.items()}
    for path in config.declared:
        name, found = earlier.get(path, (Path(path).stem, None))
        try:
            read = Declaration(path, _read(path))
            wanted = read.file.name or Path(path).stem
            _check_name(wanted, path, files, config)
            name, found = wanted, read
        except ConfigError as error:
            problems.append(problem(name, error))
            if name in files or name in config.servers:
                continue
        if found is not None:
            files[name] = found
    return Declared(files, tuple(problems))


def _read(path: str) -> CapabilityFile:
    """What the file at `path` declares. Raises ConfigError."""
    from magictunnel.capabilities.parse import parse  # most configs name no capability files

    text = read_text(Path(path), MAX_MADE, is_watched=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    known = _latest.pop(path, None)
    file = known[1] if known and known[0] == digest else parse(text, path)
    _latest[path] = (digest, file)
    while len(_latest) > MAX_FILES:
        del _latest[next(iter(_latest))]
    return file


def _check_name(name: str, path: str, files: Mapping[str, Declaration], config: Config) -> None:
    """Raise ConfigError for a name that is taken."""
    hint = "write another one as its `name`"
    aliases = {server.alias for server in config.servers.values()}
    if name in config.servers or name in aliases or name == DISCOVERY:
        raise ConfigError(f"{name!r} is the name of a server already", file=path, line=1, hint=hint)
    if name in files:
        raise ConfigError(f"{name!r} is the name of {files[name].path} already", file=path, line=1, hint=hint)


def with_problems(config: Config) -> Config:
    """`config`, with those of its capability files among its problems."""
    new = [one for one in declared(config).problems if one not in config.problems]
    return config.model_copy(update={"problems": (*config.problems, *new)}) if new else config
