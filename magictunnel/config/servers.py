"""One entry under `mcpServers` -> a ServerConfig, or a ConfigError about this entry alone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from magictunnel.config.explain import Place, did_you_mean, dotted, nearest
from magictunnel.config.hosts import HOST_ONLY, SPELLINGS, Raw, ignored, refuse_inputs, timeout_in_seconds, translate
from magictunnel.config.model import ServerConfig, Transport
from magictunnel.config.ourselves import starts_magictunnel

KEYS = frozenset(ServerConfig.model_fields) | SPELLINGS
_TO_REACH = ("command", "url")

_ALIAS = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MAX_NAME = 64
_NOT_IN_NAMES = frozenset({"Cc", "Cs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class Server:
    """What an entry came to: its config (None if it is left out on purpose), and what to tell about it."""

    config: ServerConfig | None
    notes: tuple[str, ...] = ()


def read_server(place: Place, name: str, entry: Any, *, of_host: bool) -> Server:
    """Read the `entry` called `name`, which stands at `place`; a host's own keys are no errors if it is `of_host`.

    Raises ConfigError with the place and a remedy when the server cannot be used as written.
    """
    _check_name(place, name)
    if not isinstance(entry, dict):
        raise place.error("should be a mapping with a `command` or a `url`")
    given = {key: value for key, value in entry.items() if value is not None}
    given = _with_one_command(place, _with_texts(place, given))
    if starts_magictunnel(given.get("command"), given.get("args")):
        return Server(None, ("is MagicTunnel itself; left out so that it does not call itself",))
    unknown = [key for key in given if key not in KEYS]
    _refuse_unknown(place, [] if of_host else unknown)
    raw = translate(place, {key: value for key, value in given.items() if key in KEYS})
    refuse_inputs(place, raw)
    raw, timing = timeout_in_seconds(raw) if of_host else (raw, [])
    raw["type"] = _transport(place, raw, unknown)
    raw, pruned = _without_unknown(raw) if of_host else (raw, [])
    config = _validated(place, _with_folder(place, raw, of_host=of_host))
    return Server(config, (*ignored(unknown, KEYS), *pruned, *timing))


def _check_name(place: Place, name: str) -> None:
    if not name.strip() or len(name) > _MAX_NAME or any(unicodedata.category(c) in _NOT_IN_NAMES for c in name):
        raise place.error(f"a server's name has 1 to {_MAX_NAME} characters and no control characters")


def _with_one_command(place: Place, entry: Raw) -> Raw:
    """`entry` with a `command` that is written as a list split into command and `args`; empty ones left out."""
    entry = {key: value for key, value in entry.items() if value != "" or key not in _TO_REACH}
    if not isinstance(command := entry.get("command"), list):
        return entry
    if not command:
        raise place.error("should name a program", "command")
    program, *args = (_text(place, word, "command", index) for index, word in enumerate(command))
    return entry | {"command": program, "args": [*args, *entry.get("args", [])]}


def _refuse_unknown(place: Place, unknown: list[str]) -> None:
    wrong = [key for key in unknown if key not in HOST_ONLY]
    if wrong:
        others = f" (and {', '.join(map(ascii, wrong[1:]))})" if wrong[1:] else ""
        hint = did_you_mean(wrong[0], ServerConfig.model_fields, synonyms=SPELLINGS)
        raise place.error(f"unknown key{others}", wrong[0], hint=hint)


def _transport(place: Place, raw: Raw, unknown: list[str]) -> Transport:
    """How the server is reached, from what is said and from `command` and `url`, which must be enough for it."""
    said, command, url = raw.get("type"), "command" in raw, "url" in raw
    if not command and not url:
        slip = next((key for key in unknown if nearest(key, _TO_REACH)), None)
        hint = f"did you mean {nearest(slip, _TO_REACH)!r} where it says {slip!r}?" if slip else "add one of them"
        raise place.error("has neither a `command` nor a `url`", hint=hint)
    if said is None and command and url:
        raise place.error(
            "has both a `command` and a `url`",
            hint="keep one, or add `type: http` to launch the command and reach it at the url",
        )
    transport = Transport(said or (Transport.STDIO if command else Transport.HTTP))
    if transport is Transport.STDIO and (url or not command):
        raise place.error("a stdio server has a `command` and no `url`", hint="say `type: http` to reach it at a url")
    if transport is not Transport.STDIO and not url:
        raise place.error(f"an {transport} server needs a `url`", hint="add `url`, or say `type: stdio`")
    return transport


def _with_texts(place: Place, raw: Raw) -> Raw:
    """`raw` with the numbers and booleans in `args`, `env` and `headers` as text."""
    texts: Raw = {}
    if "args" in raw:
        if not isinstance(raw["args"], list):
            raise place.error("should be a list", "args", hint="write one item for each argument")
        texts["args"] = [_text(place, value, "args", index) for index, value in enumerate(raw["args"])]
    for key in ("env", "headers"):
        if key in raw:
            if not isinstance(raw[key], dict):
                raise place.error("should be a mapping of names to values", key)
            texts[key] = {name: _text(place, value, key, name) for name, value in raw[key].items()}
    return raw | texts


def _text(place: Place, value: Any, *keys: str | int) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return place.spelling(*keys) or str(value)
    raise place.error("should be text", *keys, hint='write "" for an empty one' if value is None else "")


def _with_folder(place: Place, raw: Raw, *, of_host: bool) -> Raw:
    """`raw` with `~` in `cwd` expanded and, in a file of ours, `cwd` taken from the folder of the file."""
    cwd = raw.get("cwd")
    if not isinstance(cwd, str) or cwd.startswith("${"):
        return raw
    if Path(cwd).parts[:1] == ("~",):
        try:
            return raw | {"cwd": str(Path(cwd).expanduser())}
        except RuntimeError as error:
            raise place.error("`~` stands for a home directory, and there is none", "cwd") from error
    return raw if of_host else raw | {"cwd": str(Path(place.document.file).absolute().parent / cwd)}


def _without_unknown(raw: Raw) -> tuple[Raw, list[str]]:
    """`raw` without the keys deeper down that ServerConfig does not know, and a note that names them."""
    try:
        ServerConfig.model_validate(raw)
        return raw, []
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        unknown = [fault["loc"] for fault in faults if fault["type"] == "extra_forbidden"]
    for path in unknown:
        raw = _without(raw, path)
    return raw, [f"ignored: {', '.join(dotted(path).removesuffix(': ') for path in unknown)}"] if unknown else []


def _without(tree: Mapping[Any, Any], path: tuple[str | int, ...]) -> dict[Any, Any]:
    key, *rest = path
    kept = {name: value for name, value in tree.items() if name != key}
    return kept | {key: _without(tree[key], tuple(rest))} if rest else kept


def _validated(place: Place, raw: Raw) -> ServerConfig:
    if "alias" in raw and not (isinstance(raw["alias"], str) and _ALIAS.fullmatch(raw["alias"])):
        raise place.error("should be 1 to 64 letters, digits, _ or -", "alias")
    try:
        return ServerConfig.model_validate(raw)
    except ValidationError as error:
        raise place.explain(error) from error
