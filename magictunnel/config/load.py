"""A config file -> Config: which file, which of its keys, and which of its servers can be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from pydantic import ValidationError

from magictunnel.config.explain import Place, did_you_mean, dotted, nearest
from magictunnel.config.model import Config, Problem, ServerConfig
from magictunnel.config.servers import read_server
from magictunnel.config.text import Document, parse_text, read_text
from magictunnel.errors import ConfigError

OUR_NAME = "magictunnel-config.yaml"

_SETTINGS = ("defaults", "naming", "start_wait", "session_idle_timeout", "store")
_OUR_KEYS = ("mcpServers", *_SETTINGS)
_EXPECTED = "expected `mcpServers`, or `servers` as in VS Code: a mapping of names to servers"


def find_config(explicit: Path | None, environ: Mapping[str, str], cwd: Path) -> Path:
    """The config file to use. One that was named is taken as named, whether it exists or not.

    In order: `explicit`, $MAGICTUNNEL_CONFIG, magictunnel-config.yaml in `cwd`, magictunnel/config.yaml in the user's
    config directory. Raises ConfigError when nothing is named and nothing is found.
    """
    if explicit is not None:
        return explicit
    if named := environ.get("MAGICTUNNEL_CONFIG"):
        return cwd / _expanded(named, environ)
    places = [cwd / OUR_NAME, *_of_user(environ)]
    for path in places:
        if _is_file(path):
            return path
    looked = ", ".join(str(path) for path in places)
    hint = f"pass -c FILE, set MAGICTUNNEL_CONFIG, or write ./{OUR_NAME}; looked at {looked}"
    raise ConfigError("no config file found", hint=hint)


def _expanded(path: str, environ: Mapping[str, str]) -> Path:
    home = environ.get("HOME")
    return Path(home, path[2:]) if home and path.startswith("~/") else Path(path)


def _of_user(environ: Mapping[str, str]) -> list[Path]:
    base, home = environ.get("XDG_CONFIG_HOME", ""), environ.get("HOME") or environ.get("USERPROFILE")
    if not PurePath(base).is_absolute():  # a relative one is to be ignored, says the XDG specification
        base = str(Path(home, ".config")) if home else ""
    return [Path(base, "magictunnel", "config.yaml")] if base else []


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def load(path: Path) -> Config:
    """Read the config file at `path`. ConfigError if the file as a whole cannot be used; see `parse`."""
    return parse(read_text(path), str(path))


def parse(text: str, file: str) -> Config:
    """Read the `text` of the config file called `file`, ours or a host's.

    A server's entry that cannot be used becomes one of the Config's problems. Raises ConfigError for what concerns
    the whole file: syntax, no servers, a wrong `defaults`, `naming` or `start_wait`, an unknown key in a file of ours.
    """
    document = parse_text(text, file)
    of_host = _is_of_host(document)
    top = _top(document, of_host=of_host)
    key, notes = _servers_key(Place(document), top, of_host=of_host)
    settings = _settings(Place(document), top)
    read = _read_servers(Place(document, (key,)), top[key], of_host=of_host)
    return settings.model_copy(
        update={
            "servers": read.servers,
            "problems": tuple(read.problems),
            "notes": (*notes, *read.notes),
            "file": file,
        }
    )


def _is_of_host(document: Document) -> bool:
    """Hosts write JSON and call it so. A YAML file is ours even when it starts with a brace."""
    return document.is_json and PurePath(document.file).suffix.lower() not in (".yaml", ".yml")


def _top(document: Document, *, of_host: bool) -> dict[str, Any]:
    if document.data is None:
        raise ConfigError("is empty", file=document.file, hint=_EXPECTED)
    if not isinstance(document.data, dict):
        raise Place(document).error("should be a mapping", hint=_EXPECTED)
    for key in [] if of_host else document.data:
        if key not in _OUR_KEYS:
            raise Place(document).error("unknown key", key, hint=did_you_mean(key, _OUR_KEYS))
    return document.data


def _servers_key(place: Place, top: dict[str, Any], *, of_host: bool) -> tuple[str, list[str]]:
    """The key that holds the servers, and notes on keys of a host's file that may have been meant for us."""
    found = [key for key in ("mcpServers", "servers") if key in top]
    if not found:
        raise place.error("has no `mcpServers`", hint=_EXPECTED)
    notes = [f"ignored: {found[1]}, because the file has mcpServers too"] if len(found) > 1 else []
    for key in top if of_host else ():
        near = nearest(key, _SETTINGS)
        if near and key not in _OUR_KEYS:
            notes.append(f"ignored: {key!a} (did you mean {near!r}?)")
    return found[0], notes


def _settings(place: Place, top: dict[str, Any]) -> Config:
    given = {key: top[key] for key in _SETTINGS if top.get(key) is not None}
    try:
        return Config.model_validate(given)
    except ValidationError as error:
        raise place.explain(error) from error


@dataclass(slots=True)
class _Read:
    """What the entries read so far came to, and the public names they have taken."""

    servers: dict[str, ServerConfig] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    renames: dict[str, str] = field(default_factory=dict)


def _read_servers(place: Place, entries: Any, *, of_host: bool) -> _Read:
    read = _Read()
    if entries is not None and not isinstance(entries, dict):
        raise place.error(f"{dotted(place.path)}should be a mapping of names to servers")
    for name, entry in (entries or {}).items():
        here = Place(place.document, (*place.path, name))
        try:
            server = read_server(here, name, entry, of_host=of_host)
            if server.config:
                _take_names(here, name, server.config, read)
                read.servers[name] = server.config
            read.notes.extend(f"server {name!r}: {note}" for note in server.notes)
        except ConfigError as error:
            read.problems.append(_problem(name, error))
    return read


def _take_names(place: Place, name: str, server: ServerConfig, read: _Read) -> None:
    """Claim the public names that `server` asks for; ConfigError if an earlier server has one of them.

    A server that is switched off asks for none: people keep a second variant of an entry beside the first.
    """
    if server.enabled is False and not any(tool.enabled for tool in server.tools.values()):
        return
    alias = server.alias or name
    if alias in read.aliases:
        owner = read.aliases[alias]
        raise place.error(f"is called {alias!r} like server {owner!r}", "alias", hint="give it another `alias`")
    renames = {tool.name: key for key, tool in server.tools.items() if tool.name}
    for public, key in renames.items():
        if public in read.renames:
            owner = read.renames[public]
            message = f"{public!r} is already the name of a tool of server {owner!r}"
            raise place.error(message, "tools", key, "name", hint="choose another")
    read.aliases[alias] = name
    read.renames.update(dict.fromkeys(renames, name))


def _problem(name: str, error: ConfigError) -> Problem:
    return Problem(server=name, message=error.message, file=error.file, line=error.line, hint=error.hint)
