"""Kinds of values that stand in a capability file, and what all its parts have in common."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints

from magictunnel.config.values import Frozen

_SIZE = re.compile(r"(?P<number>\d+)\s*(?P<unit>B|KB|MB|GB)?", re.IGNORECASE)
_BYTES = {"b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}


def parse_size(value: Any) -> Any:
    """`512KB`, `16MB`, `1GB` or a number of bytes -> bytes; anything else is left to pydantic to refuse."""
    if isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        return int(match["number"]) * _BYTES[(match["unit"] or "b").lower()]
    return repr(value) if isinstance(value, bool) else value


Size = Annotated[int, BeforeValidator(parse_size), Field(gt=0, le=1 << 34)]
"""Bytes; written `512KB`, `16MB`, `1GB` or a plain number."""

Template = Any
"""JSON in which text may hold placeholders; see `expression`."""

Reference = Annotated[str, StringConstraints(pattern=r"^[^$]{0,64}\$\{[^}]+\}.{0,64}$")]
"""A secret by reference: `${ENV_VARIABLE}` or `${keyring:NAME}`, perhaps with a few words around it."""


class Declared(Frozen):
    """A part of a file, under the keys that users write, and under no others."""
