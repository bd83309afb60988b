"""Names of tools, and of their parameters, as Python identifiers. Pure."""

from __future__ import annotations

import builtins
import hashlib
import keyword
import re
from collections import Counter
from collections.abc import Collection, Iterable

MAX_LENGTH = 64
"""Characters of a name that are kept."""

_ILLEGAL = re.compile(r"[^A-Za-z0-9_]")
_DIGEST_LENGTH = 8

KEYWORDS = frozenset(keyword.kwlist)
TAKEN = (
    KEYWORDS
    | frozenset(keyword.softkwlist)
    | frozenset(dir(builtins))
    | {"Any", "Literal", "Mapping", "Sequence"}
    | {"asyncio", "collections", "dataclasses", "datetime", "functools", "itertools", "json", "math", "os"}
    | {"pathlib", "random", "re", "sys", "time", "typing"}
)
"""What a function cannot be called: it would not be found behind a builtin, or is what scripts import."""


def identifiers(names: Iterable[str], taken: Collection[str] = TAKEN, private: str = "_") -> dict[str, str]:
    """Identifier -> name, in the order of `names`. A name that is a free identifier is its own.

    `private`: how none may begin, since it would mean something; a checker takes `_x` of a stub for none of its names.
    Names that would share one get a digest each, so which is which does not depend on their order.
    """
    wanted = {name: _plain(name, taken, private) for name in names}
    often = Counter(wanted.values())
    own = {name for name, plain in wanted.items() if name == plain}
    found: dict[str, str] = {name: name for name in own}
    for name in sorted(wanted.keys() - own):
        found[_free(name, wanted[name], often[wanted[name]] > 1, found)] = name
    by_name = {name: identifier for identifier, name in found.items()}
    return {by_name[name]: name for name in wanted}


def _plain(name: str, taken: Collection[str], private: str) -> str:
    plain = _ILLEGAL.sub("_", name[:MAX_LENGTH])
    if not plain or plain[0].isdigit() or plain.startswith(private):
        plain = "x" + plain
    return plain + "_" if plain in taken else plain


def _free(name: str, plain: str, shared: bool, found: Collection[str]) -> str:
    """An identifier that is not among those `found`, with a digest if it must, or if the name was cut."""
    identifier, salt = plain, 0
    if shared or len(name) > MAX_LENGTH:
        identifier = f"{plain}_{_digest(name, salt)}"
    while identifier in found:
        salt += 1
        identifier = f"{plain}_{_digest(name, salt)}"
    return identifier


def _digest(name: str, salt: int) -> str:
    return hashlib.sha256(f"{salt}:{name}".encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_LENGTH]
