"""A config file -> Config: which of its keys, and which of its servers can be used."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

from pydantic import ValidationError

from magictunnel.config.declared import capability_files, unmatched
from magictunnel.config.entries import Entries, problem
from magictunnel.config.explain import Place, did_you_mean, nearest
from magictunnel.config.model import Config, Included
from magictunnel.config.text import MAX_MADE, Document, parse_text, read_text
from magictunnel.errors import ConfigError

_SERVERS = ("mcpServers", "servers")
_SETTINGS = (
    "defaults", "naming", "discovery", "visibility", "start_wait", "session_idle_timeout", "store", "capabilities",
)  # fmt: skip
_OUR_KEYS = ("mcpServers", *_SETTINGS, "include")
_EXPECTED = "expected `mcpServers`, or `servers` as in VS Code: a mapping of names to servers"

MAX_INCLUDES = 32


def load(path: Path) -> Config:
    """Read the config file at `path`. ConfigError if the file as a whole cannot be used; see `parse`."""
    return parse(read_text(path), str(path))


def parse(text: str, file: str, read: Callable[[Path], str] = read_text) -> Config:
    """Read the `text` of the config file called `file`, ours or a host's, and with `read` the files that it includes.

    A server's entry that cannot be used becomes one of the Config's problems, and so does a file that is included and
    cannot be used. Raises ConfigError for what concerns the whole file: syntax, no servers, a wrong `defaults`,
    `naming`, `start_wait` or `include`, an unknown key in a file of ours.
    """
    digests: dict[str, str | None] = {file: _digest(text)}

    def noted(path: Path) -> str:
        digests[str(path)] = None
        content = read(path)
        digests[str(path)] = _digest(content)
        return content

    document = parse_text(text, file)
    of_host = is_of_host(document)
    top = _top(document, of_host=of_host)
    included = None if of_host else top.get("include")
    is_without = "mcpServers" not in top and not of_host and (included or top.get("capabilities"))
    key = "mcpServers" if is_without else _servers_key(Place(document), top)
    settings = _settings(Place(document), top)
    entries = Entries(notes=[*_second_key(top, key), *(_no_effect(top) if of_host else ())])
    entries.read(Place(document, (key,)), top.get(key), of_host=of_host)
    include = _read_included(Place(document), included, noted, entries)
    declared = capability_files(settings.capabilities, Path(file).parent)
    missed = unmatched(settings.capabilities, Path(file).parent)
    entries.notes += [f"capabilities: no file matches {pattern}" for pattern in missed]
    digests |= {path: digest_of(Path(path)) for path in declared}
    return settings.model_copy(
        update={
            "include": include,
            "servers": entries.servers,
            "problems": tuple(entries.problems),
            "notes": tuple(entries.notes),
            "file": file,
            "digests": tuple(digests.items()),
            "declared": declared,
        }
    )


def digest_of(path: Path) -> str | None:
    """The sha256 (hex) of a capability file; None: it cannot be read, or is too large to be one."""
    try:
        return _digest(read_text(path, MAX_MADE, is_watched=True))
    except ConfigError:
        return None


def _digest(text: str) -> str:
    """Of the bytes that `text` was in its file."""
    return hashlib.sha256(text.encode()).hexdigest()


def is_of_host(document: Document) -> bool:
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


def _servers_key(place: Place, top: dict[str, Any]) -> str:
    """The key that holds the servers."""
    found = [key for key in _SERVERS if key in top]
    if not found:
        raise place.error("has no `mcpServers`", hint=_EXPECTED)
    return found[0]


def _second_key(top: dict[str, Any], key: str) -> list[str]:
    return [f"ignored: {other}, because the file has {key} too" for other in _SERVERS if other in top and other != key]


def _no_effect(top: dict[str, Any]) -> list[str]:
    """Notes on keys of a host's file that may have been meant for us."""
    notes = ["ignored: include (only a YAML file of ours can include others)"] if "include" in top else []
    slips = ((key, nearest(key, _SETTINGS)) for key in top if key not in _OUR_KEYS)
    return notes + [f"ignored: {key!a} (did you mean {near!r}?)" for key, near in slips if near]


def _settings(place: Place, top: dict[str, Any]) -> Config:
    given = {key: top[key] for key in _SETTINGS if top.get(key) is not None}
    try:
        return Config.model_validate(given)
    except ValidationError as error:
        raise place.explain(error) from error


# --- other files


def _read_included(place: Place, paths: Any, read: Callable[[Path], str], entries: Entries) -> tuple[Included, ...]:
    """Take the servers of the files at `paths`, which stand under `include`, in behind those there are."""
    if paths is not None and not isinstance(paths, list):
        raise place.error("should be a list", "include", hint="write one path for each file")
    if len(paths or ()) > MAX_INCLUDES:
        raise place.error(f"should be at most {MAX_INCLUDES} files", "include")
    seen = {os.path.abspath(place.document.file)}
    included: list[Included] = []
    for index, path in enumerate(paths or ()):
        file = _beside(place, path, index)
        if (same := os.path.abspath(file)) in seen:
            entries.notes.append(f"ignored: include {path!a}, which is there already")
            continue
        seen.add(same)
        is_read = _read_one_more(place, index, file, read, entries)
        names = [name for name, owner in entries.owners.items() if owner == file]
        included.append(Included(file=file, servers=tuple(names), is_read=is_read))
    return tuple(included)


def _beside(place: Place, path: Any, index: int) -> str:
    """The file that `path` means, seen from the folder of the file it stands in."""
    if not isinstance(path, str) or not path.strip():
        raise place.error("should be the path of a file", "include", index)
    try:
        expanded = Path(path).expanduser() if Path(path).parts[:1] == ("~",) else Path(path)
    except RuntimeError as error:
        raise place.error("`~` stands for a home directory, and there is none", "include", index) from error
    return str(Path(place.document.file).parent / expanded)


def _read_one_more(place: Place, index: int, file: str, read: Callable[[Path], str], entries: Entries) -> bool:
    """Take in the servers of an included file. One that cannot be used is a problem, and costs only its own servers."""
    try:
        document = parse_text(read(Path(file)), file)
        of_host = is_of_host(document)
        top = _top(document, of_host=of_host)
        key = _servers_key(Place(document), top)
        entries.read(Place(document, (key,)), top[key], of_host=of_host, noted=f"{file}: ")
    except ConfigError as error:
        here = error if error.line else place.error(f"{file}: {error.message}", "include", index, hint=error.hint)
        entries.problems.append(problem("", here))
        return False
    unused = [name for name in top if name in (*_SETTINGS, "include")]
    notes = [*_second_key(top, key), *([f"ignored: {', '.join(unused)} (only its servers count)"] if unused else [])]
    entries.notes += [f"{file}: {note}" for note in notes]
    return True
