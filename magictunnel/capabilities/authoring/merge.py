"""Several capability files -> one, in which everything runs as it did. Pure."""

from __future__ import annotations

import os.path
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from magictunnel.capabilities.content.files import path_fault
from magictunnel.catalog.model import Json, identical
from magictunnel.catalog.names import NameRules, public_name
from magictunnel.errors import ConfigError

_KEYS = {"tools": "name", "prompts": "name", "resources": "uri", "resourceTemplates": "uriTemplate"}
_RENAMED = frozenset({"tools", "prompts"})
"""What is addressed by a name that may as well be another one."""
_MAX_NAME = 128


class Strategy(StrEnum):
    """What becomes of two things of one name."""

    KEEP_FIRST = "keep-first"
    KEEP_LAST = "keep-last"
    RENAME = "rename"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Part:
    """One of the files."""

    file: str
    """As it is told to a person."""
    content: Json
    folder: str = "."
    """Where it is, as seen from the folder of the new file."""

    @property
    def backend(self) -> str:
        """What it is called as a server."""
        return str(self.content.get("name") or Path(self.file).stem)


@dataclass(slots=True)
class Merged:
    """What comes of them."""

    content: Json = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """What a person should know: what was renamed, and what dropped."""
    renamed: dict[tuple[str, str], str] = field(default_factory=dict)
    """(file, name of a tool there) -> the name that it has now, where that is another one."""


def merged(parts: Sequence[Part], strategy: Strategy = Strategy.ERROR, name: str = "") -> Merged:
    """All of `parts` in one. What is the same in several is there once.

    `name`: what the new file is called as a server, by which its tools call each other; empty: not known.

    Raises:
        ConfigError: two things have one name, and `strategy` has no remedy for them; or a path cannot be carried.
    """
    result = Merged()
    _check_private(parts)
    parts = [Part(part.file, _rebased(part), part.folder) for part in parts]
    parts = _with_defaults(parts)
    auth = _with_auth(parts, strategy, result)
    for key in ("description", "instructions"):
        texts = dict.fromkeys(str(part.content[key]) for part in parts if part.content.get(key))
        result.content |= {key: "\n\n".join(texts)} if texts else {}
    result.content |= {"auth": auth} if auth else {}
    result.content |= {"http": defaults} if (defaults := parts[0].content.get("http")) else {}
    result.content |= _limit(parts, result)
    for kind in _KEYS:
        if entries := _entries(kind, parts, strategy, result):
            result.content[kind] = entries
    _redirect(result, parts, name)
    return result


def _limit(parts: Sequence[Part], result: Merged) -> Json:
    """How much runs at once: as much as in the file that wants it least."""
    limits = [part.content["concurrency"] for part in parts if part.content.get("concurrency")]
    if not limits:
        return {}
    if len(limits) < len(parts) or len(set(limits)) > 1:
        result.notes.append(f"concurrency is {min(limits)} for all now, the least of what the files say")
    return {"concurrency": min(limits)}


# --- names


def _entries(kind: str, parts: Sequence[Part], strategy: Strategy, result: Merged) -> list[Json]:
    found: dict[str, tuple[Json, str]] = {}
    clashes: list[str] = []
    for part in parts:
        for entry in part.content.get(kind) or ():
            name = str(entry[_KEYS[kind]])
            if name not in found:
                found[name] = (entry, part.file)
            elif not identical(found[name][0], entry):
                clashes += _clash(kind, name, entry, part.file, found, strategy, result)
    if clashes:
        hint = "--strategy keep-first or keep-last takes one of them" + ("; rename, both" if kind in _RENAMED else "")
        raise ConfigError("; ".join(clashes), hint=hint)
    return [entry for entry, _ in found.values()]


def _clash(
    kind: str,
    name: str,
    entry: Json,
    file: str,
    found: dict[str, tuple[Json, str]],
    strategy: Strategy,
    result: Merged,
) -> list[str]:
    """Make room for `entry`, or say why there is none."""
    first = found[name][1]
    what = f"{kind.rstrip('s')} {name!r}"
    if strategy is Strategy.KEEP_FIRST:
        result.notes.append(f"{what}: kept is that of {first}, dropped that of {file}")
    elif strategy is Strategy.KEEP_LAST:
        found[name] = (entry, file)
        result.notes.append(f"{what}: kept is that of {file}, dropped that of {first}")
    elif strategy is Strategy.RENAME and kind in _RENAMED:
        new = _free(name, found)
        found[new] = (entry | {_KEYS[kind]: new}, file)
        result.renamed |= {(file, name): new} if kind == "tools" else {}
        result.notes.append(f"{what} of {file} is {new!r} now")
    else:
        return [f"{what} stands in {first} and, otherwise, in {file}"]
    return []


def _free(name: str, taken: Mapping[str, Any]) -> str:
    number = 2
    while (new := f"{name[: _MAX_NAME - 6]}_{number}") in taken:
        number += 1
    return new


# --- tools of the files that call each other


def _redirect(result: Merged, parts: Sequence[Part], name: str) -> None:
    """Have tools of `parts` that are called as those of other servers be called by the names that they have now."""
    now = _public_names(parts, result, name)
    for tool in result.content.get("tools") or ():
        for way in (tool, *(tool.get("steps") or ())):
            if (called := (way.get("mcp") or {}).get("tool")) is None:
                continue
            if (new := now.get(called, called)) != called:
                way["mcp"] = {**way["mcp"], "tool": new}
                result.notes.append(f"tool {tool['name']!r} calls {called!r} by its new name, {new!r}")
            elif called not in now and (meant := _meant(called, parts, result)):
                result.notes.append(f"tool {tool['name']!r} calls {called!r}; if that is {meant}, write its new name")


def _public_names(parts: Sequence[Part], result: Merged, name: str) -> dict[str, str]:
    """What the tools of `parts` were called by others -> what they are called now, in a config that names as usual."""
    now: dict[str, str] = {}
    for part in parts if name else ():
        for tool in part.content.get("tools") or ():
            old = str(tool["name"])
            new = result.renamed.get((part.file, old), old)
            now.setdefault(public_name(part.backend, old, NameRules()), public_name(name, new, NameRules()))
    return now


def _meant(called: str, parts: Sequence[Part], result: Merged) -> str:
    """Which tool may be called so where names are made in another way; empty: none."""
    for part in parts:
        for tool in part.content.get("tools") or ():
            old = str(tool["name"])
            is_alone = called == old and (part.file, old) in result.renamed
            if is_alone or (called.startswith(part.backend) and called != old and called.endswith(old)):
                return f"{old!r} of {part.file}"
    return ""


# --- credentials: a request must never carry those that another file meant


def _with_auth(parts: Sequence[Part], strategy: Strategy, result: Merged) -> Json:
    """The credentials of all, in whose requests they have the names that they have now."""
    found: dict[str, tuple[Json, str]] = {}
    for part in parts:
        renamed: dict[str, str] = {}
        for name, credential in (part.content.get("auth") or {}).items():
            if name not in found:
                found[name] = (credential, part.file)
            elif not identical(found[name][0], credential):
                if strategy is Strategy.ERROR:
                    message = f"auth {name!r} stands in {found[name][1]} and, otherwise, in {part.file}"
                    raise ConfigError(message, hint="--strategy rename takes both")
                renamed[name] = new = _free(name, {**found, **part.content["auth"]})
                found[new] = (credential, part.file)
                result.notes.append(f"auth {name!r} of {part.file} is {new!r} now")
        if renamed:
            _rename_auth(part.content, renamed)
    return {name: credential for name, (credential, _) in found.items()}


def _rename_auth(content: Json, renamed: Mapping[str, str]) -> None:
    for request in _requests(content):
        if (names := request.get("auth")) is not None:
            request["auth"] = [renamed.get(name, name) for name in _names(names)]
    if names := (content.get("http") or {}).get("auth"):
        content["http"]["auth"] = [renamed.get(name, name) for name in _names(names)]


def _names(auth: Any) -> list[str]:
    return [auth] if isinstance(auth, str) else list(auth)


def _requests(content: Json) -> Iterator[Json]:
    """Whatever in a file makes requests, and may say with which credentials."""
    for way in _ways(content):
        for key in ("http", "graphql"):
            if isinstance(way.get(key), dict):
                yield way[key]
    yield from (one for one in content.get("resources") or () if one.get("url"))
    yield from (one["http"] for one in content.get("resourceTemplates") or () if one.get("http"))


def _ways(content: Json) -> Iterator[Json]:
    for tool in content.get("tools") or ():
        yield tool
        yield from tool.get("steps") or ()


# --- what all requests of a file have in common


def _check_private(parts: Sequence[Part]) -> None:
    asking = [part.file for part in parts if (part.content.get("http") or {}).get("allow_private")]
    others = [part.file for part in parts if part.file not in asking and any(_requests(part.content))]
    if asking and others:
        raise ConfigError(
            f"{asking[0]} may reach private addresses (http.allow_private), and {others[0]} may not",
            hint="leave them two files, or say the same in both",
        )


def _with_defaults(parts: Sequence[Part]) -> list[Part]:
    """`parts` with one `http` for all: theirs, if that is the same, else each request says it for itself."""
    defaults = [part.content.get("http") or {} for part in parts]
    plain = all(identical(one, defaults[0]) for one in defaults)
    same_auth = all(identical(part.content.get("auth") or {}, parts[0].content.get("auth") or {}) for part in parts)
    if plain and (same_auth or not defaults[0].get("auth")):
        return list(parts)
    is_private = any(one.get("allow_private") for one in defaults)
    for part, own in zip(parts, defaults, strict=True):
        for request in _requests(part.content):
            _say_itself(request, own)
        part.content.pop("http", None)
        if is_private:
            part.content["http"] = {"allow_private": True}
    return list(parts)


def _say_itself(request: Json, defaults: Json) -> None:
    if request.get("auth") is None and defaults.get("auth"):
        request["auth"] = _names(defaults["auth"])
    url, base = str(request.get("url", "")), str(defaults.get("base_url") or "")
    if base and "://" not in url:
        request["url"] = base.rstrip("/") + ("" if url[:1] in ("", "/", "?") else "/") + url
    if common := defaults.get("headers"):
        if "uri" in request:
            message = f"resource {request['uri']!r} is fetched with http.headers, which the other files do not have"
            raise ConfigError(message, hint="leave them two files")
        own = request.get("headers") or {}
        given = {name.lower() for name in own}
        request["headers"] = {name: text for name, text in common.items() if name.lower() not in given} | own


# --- where files are


class _Rebase(Protocol):
    def __call__(self, holder: Json, key: str, *, always: bool = False) -> None: ...


def _rebased(part: Part) -> Json:
    """Its content with its paths as they are seen from the folder in which it will be.

    Raises:
        ConfigError: it has a file of its folder, which would lie out of that of the new file.
    """
    content = deepcopy(part.content)
    if os.path.normpath(part.folder) == ".":
        return content

    def rebase(holder: Json, key: str, *, always: bool = False) -> None:
        path = holder.get(key)
        if path is None and not always:
            return
        if path is None or not os.path.isabs(os.path.expanduser(str(path))):
            holder[key] = os.path.normpath(os.path.join(part.folder, str(path or ".")))

    for way in _ways(content):
        _rebase_way(way, rebase)
    for holder, key in _files(content):
        written = holder.get(key)
        rebase(holder, key)
        if holder.get(key) != written and path_fault(str(holder[key])):
            raise ConfigError(
                f"{key} {written!a} would lie out of the folder of the new file, in which files have to be",
                file=part.file,
                hint=f"write the new file beside {part.file}, or into a folder above both",
            )
    return content


def _files(content: Json) -> Iterator[tuple[Json, str]]:
    """Where files are named that are read themselves."""
    messages = (one for prompt in content.get("prompts") or () for one in prompt.get("messages") or ())
    yield from ((message, key) for message in messages for key in ("image", "audio"))
    sources = (*(content.get("resources") or ()), *(content.get("resourceTemplates") or ()))
    yield from ((source, key) for source in sources for key in ("file", "directory"))


def _rebase_way(way: Json, rebase: _Rebase) -> None:
    """A process starts in its file's folder if nothing else is said."""
    if isinstance(way.get("command"), list):
        way["command"] = {"argv": way["command"]}
    if isinstance(way.get("python"), str):
        way["python"] = {"function": way["python"]}
    if isinstance(way.get("command"), dict):
        rebase(way["command"], "cwd", always=True)
    if isinstance(way.get("python"), dict):
        rebase(way["python"], "path", always=True)
