"""One server, or rules of visibility, changed in the text of a config file: nothing else in it changes, to the byte."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from magictunnel.catalog.model import Json
from magictunnel.config.explain import Place, did_you_mean
from magictunnel.config.load import is_of_host
from magictunnel.config.model import Settings
from magictunnel.config.sheet import sheet_of
from magictunnel.config.spell import yaml_lines
from magictunnel.config.splice import Splice, add, fill, replace, spliced, take
from magictunnel.config.text import Document, parse_text
from magictunnel.errors import ConfigError

_BOM = "\ufeff"
_SERVERS = ("mcpServers", "servers")
_VISIBILITY = "visibility"
_GONE = object()
"""Stands for the value of a key that is taken out."""

_Path = tuple[str, ...]


def with_server(text: str, file: str, name: str, entry: Json) -> str:
    """`text` with the server `name` behind the others, written as they are. By the suffix of `file` it may be JSON.

    Raises:
        ConfigError: there is one of that name, or this text cannot be edited safely.
    """
    document = parse_text(text, file)
    key, servers = _servers(document)
    if key is None and is_of_host(document):
        raise Place(document).error("has no `mcpServers`", hint="add `mcpServers: {}` by hand first")
    if name in servers:
        raise Place(document, (str(key), name)).error(f"there is a server {name!r} already", hint="choose another name")
    return _edited(text, document, (key, name), entry) if key else _edited(text, document, _SERVERS[:1], {name: entry})


def without_server(text: str, file: str, name: str) -> str:
    """`text` without the server `name`, and without the comment directly above it.

    Raises:
        ConfigError: there is none of that name, or this text cannot be edited safely.
    """
    document = parse_text(text, file)
    return _edited(text, document, _path_of(document, name), _GONE)


def with_enabled(text: str, file: str, name: str, enabled: bool) -> str:
    """`text` with the server `name` switched on or off: by `disabled` where its entry says that, else by `enabled`.

    Raises:
        ConfigError: there is none of that name, or this text cannot be edited safely.
    """
    document = parse_text(text, file)
    path = _path_of(document, name)
    entry = document.data[path[0]][name]
    if not isinstance(entry, dict):
        raise Place(document, path).error(f"server {name!r} should be a mapping with a `command` or a `url`")
    for key, value in _switches(entry, _default(document), enabled).items():
        text = _edited(text, parse_text(text, file), (*path, key), value)
    return text


def with_visibility(text: str, file: str, rules: Mapping[str, str]) -> str:
    """`text` with `rules` as all of its `visibility`, in this order. What is as it should be is not touched.

    Rules that come behind others than before are written anew at the end.

    Raises:
        ConfigError: this text cannot be edited safely.
    """
    there = _rules(parse_text(text, file))
    moved = _moved(there, rules)
    for key in [key for key in there if key in moved]:
        text = _edited(text, parse_text(text, file), (_VISIBILITY, key), _GONE)
    for key, value in rules.items():
        if key in moved or there.get(key) != value:
            text = _ruled(text, parse_text(text, file), key, value)
    for key in [key for key in there if key not in rules]:
        text = _edited(text, parse_text(text, file), (_VISIBILITY, key), _GONE)
    return text


# --- rules


def _rules(document: Document) -> Json:
    data = {} if document.data is None else document.data
    if not isinstance(data, dict):
        raise Place(document).error("should be a mapping", hint="expected `mcpServers`")
    rules = data.get(_VISIBILITY)
    if rules is not None and not isinstance(rules, dict):
        raise Place(document, (_VISIBILITY,)).error("visibility: should be a mapping of names to where they are seen")
    return rules or {}


def _ruled(text: str, document: Document, key: str, value: str) -> str:
    if document.data is None or _VISIBILITY not in document.data:
        return _edited(text, document, (_VISIBILITY,), {key: value})
    return _edited(text, document, (_VISIBILITY, key), value)


def _moved(there: Iterable[str], wanted: Iterable[str]) -> set[str]:
    """The keys of `wanted` that have to be written at the end, whether they are `there` or not, to be in this order."""
    left = list(wanted)
    for key in there:
        if left and key == left[0]:
            left.pop(0)
    return set(left)


# --- on and off


def _switches(entry: Json, default: bool, wanted: bool) -> dict[str, Any]:
    """The keys to change in `entry` so that it is as `wanted`; a host's `disabled` is kept where it is used."""
    disabled, enabled = _flag(entry.get("disabled")), _flag(entry.get("enabled"))
    otherwise = default if disabled is None else True
    if wanted is (not disabled and (otherwise if enabled is None else enabled)):
        return {}
    if not wanted:
        return {"disabled": True} if "disabled" in entry else {"enabled": False}
    changed: dict[str, Any] = {"disabled": False} if disabled else {}
    if enabled is False or (enabled is None and not otherwise):
        changed["enabled"] = _GONE if otherwise else True
    return changed


def _default(document: Document) -> bool:
    defaults = document.data.get("defaults")
    return _flag(defaults.get("enabled") if isinstance(defaults, dict) else None) is not False


def _flag(value: Any) -> bool | None:
    try:
        return Settings(enabled=value).enabled
    except ValidationError:
        return None


# --- where


def _servers(document: Document) -> tuple[str | None, Json]:
    """The key that holds the servers (None: there is none yet), and the servers."""
    data = {} if document.data is None else document.data
    if not isinstance(data, dict):
        raise Place(document).error("should be a mapping", hint="expected `mcpServers`")
    key = next((key for key in _SERVERS if key in data), None)
    servers = data[key] if key else None
    if servers is not None and not isinstance(servers, dict):
        raise Place(document, (str(key),)).error(f"{key}: should be a mapping of names to servers")
    return key, servers or {}


def _path_of(document: Document, name: str) -> _Path:
    key, servers = _servers(document)
    if key is not None and name in servers:
        return key, name
    hint = did_you_mean(name, servers) if servers else "it has no servers"
    if "include" in (document.data or {}):
        hint += "; one of an included file is changed there"
    raise Place(document).error(f"there is no server {name!r}", hint=hint)


# --- the edit itself


def _edited(text: str, document: Document, path: _Path, value: Any) -> str:
    """`text`, which is `document`, with `value` at `path`. ConfigError if that changed the meaning of anything else."""
    body = text.removeprefix(_BOM)
    edited = text[: len(text) - len(body)] + spliced(body, _splices(body, document, path, value))
    try:
        found = parse_text(edited, document.file).data
    except ConfigError as error:
        raise _by_hand(document, path) from error
    if json.dumps(found) != json.dumps(_changed(document.data, path, value)):
        raise _by_hand(document, path)
    return edited


def _by_hand(document: Document, path: _Path) -> ConfigError:
    what = "an alias, an anchor or a `<<` ties it to something else, or it is written in an unusual way"
    return Place(document, path).error(f"this cannot be changed safely: {what}", hint="edit the file by hand")


def _splices(body: str, document: Document, path: _Path, value: Any) -> list[Splice]:
    """The change in `body`; none if there is no place for it, since what is to change comes from elsewhere."""
    sheet = sheet_of(body, document)
    if sheet is None or document.data is None:
        return [(len(body), len(body), _begun(body, path, value))]
    span, parent = sheet.root, None
    for key in path[:-1]:
        index = span.find(key)
        if index is None:
            return []
        parent, span = span.members[index], span.members[index].value
    key, index = path[-1], span.find(path[-1])
    if value is _GONE:
        return [] if index is None else take(sheet, span, index)
    if index is not None:
        return replace(sheet, span.members[index], value)
    return fill(sheet, parent, key, value) if parent and not span.members else add(sheet, span, key, value)


def _begun(body: str, path: _Path, value: Any) -> str:
    """What to write behind `body`, in which nothing but comments stands."""
    newline = "\r\n" if "\r\n" in body else "\n"
    lines = yaml_lines(path[0], value, "  ")
    return newline * bool(body and not body.endswith("\n")) + newline.join([*lines, ""])


def _changed(given: Any, path: _Path, value: Any) -> Json:
    """`given` as it should be, with `value` at `path`."""
    key, *below = path
    data: Json = {} if given is None else given
    if below:
        return data | {key: _changed(data[key], tuple(below), value)}
    return {name: child for name, child in data.items() if name != key} if value is _GONE else data | {key: value}
