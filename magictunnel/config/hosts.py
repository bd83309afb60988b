"""What hosts write that we do not: their spellings put into ours, and the keys we have no use for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from glob import escape
from typing import Any

from magictunnel.config.explain import Place, did_you_mean
from magictunnel.config.model import Transport

Raw = dict[str, Any]
"""One server's entry, on its way from the words of its file to those of ServerConfig."""

TRANSPORT_KEYS = ("type", "transport", "transportType")
URL_KEYS = ("url", "serverUrl", "httpUrl")
"""Antigravity and Windsurf write `serverUrl`; Gemini `httpUrl`."""

SPELLINGS = frozenset({*TRANSPORT_KEYS, *URL_KEYS, "disabled", "disabledTools", "includeTools", "excludeTools"})
"""Keys that are not ours but have an effect here."""

_SHOWN = ("description", "displayName", "title", "icon", "gallery", "version", "tags", "metadata", "_meta")
_CONSENT = ("autoApprove", "alwaysAllow", "alwaysAllowTools", "autoApproveTools", "trust", "alwaysLoad")
"""What a host asks a person before it runs a tool: our clients ask for themselves."""
_SIGN_IN = ("oauth", "auth", "authProviderType", "headersHelper", "targetAudience")
_LAUNCH = ("envFile", "dev", "sandbox", "sandboxEnabled", "watchPaths", "source", "keepAliveInterval")

HOST_ONLY = frozenset({*_SHOWN, *_CONSENT, *_SIGN_IN, *_LAUNCH})
"""Keys of Claude Code, Cline, Cursor, Gemini, Kiro, Roo, VS Code, Zed or mcphub that have no effect here."""

_TRANSPORTS = {
    "stdio": Transport.STDIO,
    "local": Transport.STDIO,  # GitHub Copilot
    "http": Transport.HTTP,
    "streamablehttp": Transport.HTTP,
    "sse": Transport.SSE,
}
_IN_MILLISECONDS = range(3601, 86_400_001)
"""Hosts that count in seconds (Cline, Roo) allow at most an hour; Claude Code and Gemini count in milliseconds."""

_INPUT = re.compile(r"\$\{input:([^}]*)\}")

_NO_EFFECT_TOLD = {"envFile": "envFile is not read, so its variables are not set: put them under `env`"}


def translate(place: Place, entry: Mapping[str, Any]) -> Raw:
    """`entry` in our words: one `type` (None if it is not said), one `url`, one `enabled`, one `include` and `exclude`.

    Raises ConfigError for a spelling that does not have the shape its host gives it.
    """
    raw = {key: value for key, value in entry.items() if key not in SPELLINGS}
    raw["type"] = _transport(place, entry)
    raw["url"] = _same(place, entry, URL_KEYS)
    if entry.get("disabled") is not None:
        raw["enabled"] = _enabled(place, entry)
    raw["include"], raw["exclude"] = _include(place, entry), _exclude(place, entry)
    if isinstance(entry.get("tools"), list):
        del raw["tools"]
    return {key: value for key, value in raw.items() if value is not None}


def _same(place: Place, entry: Mapping[str, Any], keys: Iterable[str]) -> Any:
    """The value that `entry` has under any of `keys`; they may not contradict each other."""
    given = [key for key in keys if entry.get(key) not in (None, "")]
    if any(entry[key] != entry[given[0]] for key in given):
        raise place.error(f"says something else than `{given[0]}`", given[1], hint="keep one of them")
    return entry[given[0]] if given else None


def _transport(place: Place, entry: Mapping[str, Any]) -> Transport | None:
    spelled = {key: _spelled_transport(place, key, entry[key]) for key in TRANSPORT_KEYS if entry.get(key) is not None}
    transport: Transport | None = _same(place, spelled, TRANSPORT_KEYS)
    return transport


def _spelled_transport(place: Place, key: str, value: Any) -> Transport:
    name = re.sub(r"[-_]", "", value).lower() if isinstance(value, str) else None
    if name not in _TRANSPORTS:
        shown = repr(value[:40]) if isinstance(value, str) else "this"
        hint = "write stdio, http (also streamable-http) or sse"
        raise place.error(f"{shown} is not a transport", key, hint=hint)
    return _TRANSPORTS[name]


def _enabled(place: Place, entry: Mapping[str, Any]) -> Any:
    if not isinstance(entry["disabled"], bool):
        raise place.error("should be true or false", "disabled")
    return False if entry["disabled"] else entry.get("enabled", True)


def _include(place: Place, entry: Mapping[str, Any]) -> Any:
    # GitHub Copilot lists the tools it wants under `tools`, and means all by "*".
    wanted = entry.get("tools") if isinstance(entry.get("tools"), list) else None
    names = [*_names(place, "includeTools", entry), *(_names(place, "tools", entry) if wanted else [])]
    return _with_tools(entry.get("include"), ["*" if name == "*" else escape(name) for name in names])


def _exclude(place: Place, entry: Mapping[str, Any]) -> Any:
    names = [*_names(place, "disabledTools", entry), *_names(place, "excludeTools", entry)]
    return _with_tools(entry.get("exclude"), [escape(name) for name in names])


def _names(place: Place, key: str, entry: Mapping[str, Any]) -> list[str]:
    names = entry.get(key) or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise place.error("should be a list of tool names", key)
    return names


def _with_tools(globs: Any, names: list[str]) -> Any:
    """`globs` as written (a list means tools), with the tools called `names` added."""
    if isinstance(globs, list):
        globs = {"tools": globs}
    if not names:
        return globs
    if globs is None:
        return {"tools": names}
    if not isinstance(globs, dict):
        return globs
    tools = globs.get("tools") or []
    return globs | {"tools": [*tools, *names] if isinstance(tools, list) else tools}


def timeout_in_seconds(raw: Raw) -> tuple[Raw, list[str]]:
    """A bare `timeout` too long for seconds, as hosts that count in milliseconds write it; and a note that says so."""
    timeout = raw.get("timeout")
    if not isinstance(timeout, int) or timeout not in _IN_MILLISECONDS:
        return raw, []
    return raw | {"timeout": timeout / 1000}, [f"timeout {timeout} is taken as milliseconds"]


def ignored(keys: Iterable[str], known: Iterable[str]) -> list[str]:
    """What to tell a person about `keys` that were left out; a likely slip of a `known` key is pointed out."""
    keys, known = list(keys), list(known)
    told = [_NO_EFFECT_TOLD[key] for key in keys if key in _NO_EFFECT_TOLD]
    rest = [_with_guess(key, known) for key in keys if key not in _NO_EFFECT_TOLD]
    return [*([f"ignored: {', '.join(rest)}"] if rest else []), *told]


def _with_guess(key: str, known: list[str]) -> str:
    shown = key if key.isprintable() else ascii(key)
    guess = "" if key in HOST_ONLY else did_you_mean(key, known)
    return f"{shown} ({guess})" if guess.startswith("did you mean") else shown


def refuse_inputs(place: Place, raw: Raw) -> None:
    """Raises ConfigError if a value waits for something VS Code would ask a person for: we cannot ask."""
    found = [(path, name) for path, text in _texts(raw, ()) for name in _INPUT.findall(text)]
    if found:
        names = ", ".join(dict.fromkeys(f"${{input:{name}}}" for _, name in found))
        hint = "only VS Code can ask for it: write the value, or an environment variable such as ${API_KEY}"
        raise place.error(f"needs {names}", *found[0][0], hint=hint)


def _texts(value: Any, path: tuple[str | int, ...]) -> Iterable[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, child in value.items():
            yield from _texts(child, (*path, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _texts(child, (*path, index))
