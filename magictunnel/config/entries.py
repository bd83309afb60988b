"""All entries of a config, file by file: the servers they come to, or a problem for each that is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from magictunnel.config.discovery import DISCOVERY
from magictunnel.config.explain import Place, dotted
from magictunnel.config.model import Problem, ServerConfig
from magictunnel.config.servers import read_server
from magictunnel.errors import ConfigError


@dataclass(slots=True)
class Entries:
    """What the entries read so far came to, and the names they have taken."""

    servers: dict[str, ServerConfig] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    owners: dict[str, str] = field(default_factory=dict)
    """Name of a server -> the file that was first to have it, whether it can be used or not."""
    _aliases: dict[str, str] = field(default_factory=dict)
    _renames: dict[str, str] = field(default_factory=dict)

    def read(self, place: Place, entries: Any, *, of_host: bool, noted: str = "") -> None:
        """Read the servers that stand at `place`; `noted` goes before each note about them.

        Raises ConfigError, having read nothing, if they are no mapping.
        """
        if entries is not None and not isinstance(entries, dict):
            raise place.error(f"{dotted(place.path)}should be a mapping of names to servers")
        for name, entry in (entries or {}).items():
            self.notes += [f"{noted}{note}" for note in self._read_one(place, name, entry, of_host=of_host)]

    def _read_one(self, place: Place, name: str, entry: Any, *, of_host: bool) -> list[str]:
        """Take in one entry, and return what to note about it."""
        if name in self.owners:
            return [f"server {name!r} is left out, because {self.owners[name]} has one of that name"]
        here = Place(place.document, (*place.path, name))
        try:
            server = read_server(here, name, entry, of_host=of_host)
            if server.config:
                self._take_names(here, name, server.config)
                self.servers[name] = server.config
                self.owners[name] = place.document.file
        except ConfigError as error:
            self.problems.append(problem(name, error))
            self.owners[name] = place.document.file
            return []
        return [f"server {name!r}: {note}" for note in server.notes]

    def _take_names(self, place: Place, name: str, server: ServerConfig) -> None:
        """Claim the public names that `server` asks for; ConfigError if an earlier server has one of them.

        A server that is switched off asks for none: people keep a second variant of an entry beside the first.
        """
        if server.enabled is False and not any(tool.enabled for tool in server.tools.values()):
            return
        if name == DISCOVERY:
            raise place.error(f"{name!r} is the name of MagicTunnel's own tools", hint="choose another")
        alias = server.alias or name
        if alias in self._aliases:
            owner = self._aliases[alias]
            raise place.error(f"is called {alias!r} like server {owner!r}", "alias", hint="give it another `alias`")
        renames = {tool.name: key for key, tool in server.tools.items() if tool.name}
        for public, key in renames.items():
            if public in self._renames:
                owner = self._renames[public]
                message = f"{public!r} is already the name of a tool of server {owner!r}"
                raise place.error(message, "tools", key, "name", hint="choose another")
        self._aliases[alias] = name
        self._renames.update(dict.fromkeys(renames, name))


def problem(server: str, error: ConfigError) -> Problem:
    """Why a server's entry, or with `server` empty a whole file, is left out."""
    return Problem(server=server, message=error.message, file=error.file, line=error.line, hint=error.hint)
