"""Kinds of values that stand in a config: durations, names, shares; and what all its models have in common."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>ms|s|m|h)?")
_SECONDS = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(value: Any) -> Any:
    """`60s`, `500ms`, `2m`, `1h` or a number of seconds -> seconds; anything else is left to pydantic to refuse."""
    if isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        return float(match["number"]) * _SECONDS[match["unit"]]
    return repr(value) if isinstance(value, bool) else value


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise PydanticCustomError("share", "should be a number from 0 to 1")
    return float(value)


Duration = Annotated[float, BeforeValidator(parse_duration), Field(gt=0, le=86_400)]
"""Seconds; written `60s`, `500ms`, `2m`, `1h` or a plain number of seconds."""

LegalName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,128}$")]

Share = Annotated[float, BeforeValidator(_share)]
"""A number from 0 to 1."""


class Frozen(BaseModel):
    """A part of a config: it never changes, and knows all of its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
