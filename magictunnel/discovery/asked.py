"""What clients ask of the tools of discovery: raw arguments -> checked values, or a mistake in words."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from magictunnel.catalog.model import Json, Kind
from magictunnel.discovery.tools import MAX_LIMIT, MAX_NAMES

MAX_REQUEST = 10_000
"""Characters of a request, or of what was said before it."""
MAX_NAME = 8_192

Text = Annotated[str, Field(min_length=1, max_length=MAX_REQUEST)]
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]

KINDS = {
    "tool": frozenset({Kind.TOOL}),
    "prompt": frozenset({Kind.PROMPT}),
    "resource": frozenset({Kind.RESOURCE, Kind.TEMPLATE}),
    "any": frozenset(Kind),
}


class Mistake(Exception):
    """What a client asked for cannot be done as it stands; told as a result, so that a model can do better."""


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class FindAsked(_Asked):
    """See `tools.FIND`."""

    request: Text
    server: Name | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 5
    detail: Literal["name", "summary", "full"] = "summary"
    kind: Literal["tool", "prompt", "resource", "any"] = "tool"
    tag: Name | None = None


class DescribeAsked(_Asked):
    """See `tools.DESCRIBE`."""

    names: Annotated[list[Name], Field(min_length=1, max_length=MAX_NAMES)]


class CallAsked(_Asked):
    """See `tools.door`."""

    name: Name
    arguments: dict[str, Any] | None = None


class SmartAsked(_Asked):
    """See `tools.SMART`."""

    request: Text
    arguments: dict[str, Any] | None = None
    context: Annotated[str, Field(max_length=MAX_REQUEST)] = ""
    confidence_threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    dry_run: bool = False


class ScriptAsked(_Asked):
    """See `tools.script`."""

    code: Annotated[str, Field(min_length=1)]


Asked = TypeVar("Asked", bound=_Asked)


def asked(model: type[Asked], arguments: Json) -> Asked:
    """`arguments` as what `model` says they are.

    Raises:
        Mistake: they are something else; says what all of them should be.
    """
    try:
        return model.model_validate(arguments)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)[:5]
        told = "; ".join(f"{'.'.join(str(key)[:64] for key in fault['loc'])}: {fault['msg']}" for fault in faults)
        known = ", ".join(model.model_fields)
        raise Mistake(f"{told} (arguments here: {known})") from error
