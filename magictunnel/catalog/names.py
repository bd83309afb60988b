"""The one place where a public name is made. Names are looked up afterwards, never parsed.

A public name is a pure function of the owner's alias and the entry's name there. It is *plain*
(`alias__name`) when that is legal and can only mean this pair, and carries a digest of the pair otherwise, so
that two pairs never share a name whatever their servers call things:

- a plain name's first separator stands right after its alias, so it reads back in one way only;
- a plain name never ends like a digest does, so it cannot pass for a digested one.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum

_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]")
_DIGEST_LENGTH = 10
_DIGEST_END = re.compile(rf"_[0-9a-f]{{{_DIGEST_LENGTH}}}\Z")
_ILLEGAL_IN_SCHEME = re.compile(r"[^a-z0-9-]")


class Prefix(StrEnum):
    """When the alias of the owner stands before an entry's name."""

    ALWAYS = "always"
    ON_CONFLICT = "on-conflict"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class NameRules:
    """How long a public name may be (characters), and what stands between alias and name."""

    separator: str = "__"
    max_length: int = 64


def is_legal(name: str, rules: NameRules) -> bool:
    """Whether every host and model accepts `name` as a tool name: `[A-Za-z0-9_-]`, not too long."""
    return 0 < len(name) <= rules.max_length and not _ILLEGAL.search(name)


def public_name(alias: str, original: str, rules: NameRules) -> str:
    """The prefixed public name of `original`, owned by the server called `alias`."""
    plain = alias + rules.separator + original
    reads_back = (alias + rules.separator).find(rules.separator) == len(alias) > 0
    if reads_back and original and is_legal(plain, rules) and not _DIGEST_END.search(plain):
        return plain
    return digested_name(alias, original, rules)


def digested_name(alias: str, original: str, rules: NameRules) -> str:
    """A legal name that keeps what fits of both parts for people, and a digest of the pair for uniqueness."""
    ending = "_" + _digest(alias, original)
    room = rules.max_length - len(ending)
    owner = _ILLEGAL.sub("_", alias)[: room // 2]
    return (owner + rules.separator + _ILLEGAL.sub("_", original))[:room] + ending


_VIEW = "ui://"
"""The scheme by which a host knows a view; where another names the owner, it must still be this one."""


def public_uri(alias: str, uri: str) -> str:
    """The URI under which `uri` is offered when several servers claim it: `alias+scheme:rest`.

    The scheme names the owner, the rest is untouched, so templates keep their expressions. Of a view it is the host.
    """
    if uri.startswith(_VIEW) and "{" not in uri:
        return _VIEW + public_uri(alias, "") + uri.removeprefix(_VIEW)
    if alias != _as_scheme(alias) or not alias[:1].isalpha():
        return digested_uri(alias, uri)
    return f"{alias}+{uri}"


def original_uri(alias: str, public: str) -> str | None:
    """The URI that `public_uri` made `public` of for this alias; None if it did not."""
    for scheme in ("", _VIEW):
        start = scheme + public_uri(alias, "")
        if public.startswith(start):
            return scheme + public.removeprefix(start)
    return None


def digested_uri(alias: str, uri: str, salt: str = "") -> str:
    """The same, for an alias that is no URI scheme; with a `salt` where some server really has a URI like that."""
    return f"s-{_as_scheme(alias)}-{_digest(alias, salt)}+{uri}"


def _as_scheme(alias: str) -> str:
    return _ILLEGAL_IN_SCHEME.sub("-", alias.lower())


def _digest(alias: str, original: str) -> str:
    pair = f"{len(alias)}:{alias}{original}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(pair).hexdigest()[:_DIGEST_LENGTH]
