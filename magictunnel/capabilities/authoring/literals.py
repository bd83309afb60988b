"""Secrets that stand in a file as they are: found by what they are called, and by what they look like. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from magictunnel.catalog.model import Json

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_TELLING = frozenset(
    ("authorization", "token", "secret", "password", "passwd", "pwd", "passphrase", "credential", "credentials",
     "apikey", "signature", "sig", "cookie", "jwt", "bearer", "pat")
)  # fmt: skip
"""Words in the name of a secret."""
_ALONE = frozenset({"key", "auth", "sid"})
"""Names that are secrets' by themselves."""
_BEFORE_KEY = frozenset({"api", "access", "secret", "private", "app", "application", "auth", "subscription", "client"})
_HARMLESS = frozenset(
    {"max", "type", "limit", "count", "url", "uri", "public", "page", "next", "name", "id", "expires"}
)
"""Words in the names of what is about a secret, or no secret at all."""
_LOOK = re.compile(
    r"sk-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abprs]-[\w-]{10,}|"
    r"AKIA[0-9A-Z]{16}|AIza[\w-]{30,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
_BY_REFERENCE = re.compile(r"\$\{[^}]+\}|\{\{.*?\}\}", re.DOTALL)
_DEFAULT = re.compile(r"\$\{[^}:]+:-(?P<default>[^}]+)\}")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_SCHEME = re.compile(r"(?:bearer|basic|token|digest|apikey)\s+", re.IGNORECASE)
_NAMED = ("headers", "query", "cookies", "form", "env", "variables", "json")
"""Keys below which a value has a name that says what it is."""
_OF_CREDENTIALS = ("token", "value", "password", "client_secret")
"""Keys of credentials that hold a secret, whatever it looks like."""


class Literal(NamedTuple):
    """A secret that stands where it should not."""

    where: str
    name: str


def is_secret(name: str, value: str) -> bool:
    """Whether text called `name` is a secret that stands there, and no reference to one."""
    rest = _SCHEME.sub("", _BY_REFERENCE.sub("", _DEFAULT.sub(lambda found: found["default"], value))).strip()
    if not rest or value.startswith(("http://", "https://")):
        return has_secret(value)
    return _is_telling(name) or has_secret(rest)


def _is_telling(name: str) -> bool:
    """Whether something of that name is a secret: `X-API-Key`, `accessToken`; not `max_tokens` or `sort_key`."""
    words = [word.lower() for word in _WORD.findall(name)]
    if _HARMLESS & set(words):
        return False
    pairs = pairwise(words)
    is_key = any(second == "key" and first in _BEFORE_KEY for first, second in pairs)
    return is_key or bool(_TELLING & set(words)) or "".join(words) in _ALONE


def has_secret(text: str) -> bool:
    """Whether there is something in `text` that looks like a token, or a URL with a password or a key."""
    return bool(_LOOK.search(text)) or ("://" in text and any(map(_in_url, text.split())))


def _in_url(word: str) -> bool:
    """Whether a word is a URL with a password, or a key in its query."""
    found = _URL.search(word)
    try:
        parts = urlsplit(found[0]) if found else None
        if parts is None:
            return False
        if parts.password and not _BY_REFERENCE.fullmatch(parts.password):
            return True
        query = parse_qsl(parts.query)
    except ValueError:
        return False
    return any(_is_telling(name) and not _BY_REFERENCE.search(value) for name, value in query)


def literals(file: Json) -> Iterator[Literal]:
    """The secrets that stand in the content of a capability file."""
    defaults = file.get("http") or {}
    yield from _named(defaults.get("headers"), "http.headers")
    for name, credential in (file.get("auth") or {}).items():
        yield from _of_credential(credential, f"auth.{name}")
    for tool in file.get("tools") or ():
        yield from _within(tool, f"tools.{tool.get('name')}")


def _of_credential(credential: Json, where: str) -> Iterator[Literal]:
    """Secrets that stand there in place of one that is not set, or beside a reference."""
    for key, value in credential.items():
        if isinstance(value, str) and (has_secret(value) or (key in _OF_CREDENTIALS and _DEFAULT.search(value))):
            yield Literal(f"{where}.{key}", key)


def _within(value: Any, where: str) -> Iterator[Literal]:
    if isinstance(value, Mapping):
        for key, member in value.items():
            here = f"{where}.{key}"
            if key in ("inputSchema", "outputSchema", "description", "_meta"):
                continue
            yield from _named(member, here) if key in _NAMED else _within(member, here)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from _within(member, where)
    elif isinstance(value, str) and has_secret(value):
        yield Literal(where, where.rpartition(".")[2])


def _named(values: Any, where: str) -> Iterator[Literal]:
    if not isinstance(values, Mapping):
        yield from _within(values, where)
        return
    for name, value in values.items():
        text = value.get("value") if isinstance(value, Mapping) and "value" in value else value
        if isinstance(text, str) and is_secret(str(name), text):
            yield Literal(f"{where}.{name}", str(name))
        elif isinstance(text, Mapping | list | tuple):
            yield from _named(text, f"{where}.{name}")
