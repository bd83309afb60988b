"""Tools as Python functions: their parameters, and stubs of them for a model to read or a type checker to use. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from magictunnel.catalog.keywords import get
from magictunnel.catalog.model import Entry, Json
from magictunnel.discovery.code.annotations import ANY, CHECKED, SHOWN, Style, Types
from magictunnel.discovery.code.names import KEYWORDS, identifiers

MAX_PARAMETERS = 60
"""Of one tool that are named."""
MAX_SUMMARY = 200
"""Characters of a tool's description that are shown."""
MAX_SIGNATURES = 50_000
"""Characters of all signatures."""
MAX_CHECKED = 100
"""Functions whose arguments are checked before a script runs."""
MAX_SHAPE = 12
"""Fields of a result that are named."""

_CHECKED_IMPORTS = "from collections.abc import Mapping, Sequence\nfrom typing import Any\n"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a tool."""

    name: str
    """As the tool calls it."""
    shown: str
    checked: str
    """Its type, in each style."""
    required: bool
    default: str
    """Its default as Python text; empty if none is told."""

    @property
    def takes_none(self) -> bool:
        """Whether null may be an argument, as far as is known."""
        return self.shown == ANY or "None" in self.shown.split(" | ") or "None" in self.checked.split(" | ")


def functions(tools: Sequence[Entry]) -> dict[str, Entry]:
    """Identifier -> tool, in their order. Of tools with one name (there are none) the last is meant."""
    by_name = {tool.name: tool for tool in tools}
    return {identifier: by_name[name] for identifier, name in identifiers(by_name).items()}


def parameters(tool: Entry) -> dict[str, Parameter]:
    """Identifier -> parameter, at most `MAX_PARAMETERS`, the required ones first."""
    schema = _schema(tool, "inputSchema")
    properties = get(schema, "properties", {})
    required = frozenset(get(schema, "required", ()))
    first = sorted(properties, key=lambda name: name not in required)[:MAX_PARAMETERS]
    types = Types(schema)
    return {
        identifier: _parameter(name, properties[name], types, name in required)
        for identifier, name in identifiers(first, KEYWORDS, "__").items()
    }


def _parameter(name: str, schema: Any, types: Types, required: bool) -> Parameter:
    default = schema.get("default") if isinstance(schema, dict) else None
    text = repr(default) if isinstance(default, bool | int | float | str) else ""
    is_short = 0 < len(text) <= 60 and text.isprintable() and "inf" not in text and "nan" not in text
    return Parameter(name, types.of(schema, SHOWN), types.of(schema, CHECKED), required, text if is_short else "")


def signatures(tools: Sequence[Entry], limit: int = MAX_SIGNATURES) -> str:
    """Stubs of the functions that `tools` are in a script, for a model to read; at most `limit` characters.

    What does not fit is counted in a last line.
    """
    lines: list[str] = []
    room = limit
    named = functions(tools)
    for identifier, tool in named.items():
        text = _shown(identifier, tool)
        room -= len(text) + 1
        if room < 0:
            break
        lines.append(text)
    left = len(named) - len(lines)
    return "\n".join([*lines, f"# {left} more are not shown"] if left else lines)


def checked(mentioned: Mapping[str, Entry]) -> str:
    """Stubs of functions for a type checker; past `MAX_CHECKED` it is told their names alone."""
    stubs = [_checked(identifier, tool) for identifier, tool in islice(mentioned.items(), MAX_CHECKED)]
    names = [f"{identifier}: Any" for identifier in islice(mentioned, MAX_CHECKED, None)]
    return "\n".join([_CHECKED_IMPORTS, *stubs, *names])


def _shown(identifier: str, tool: Entry) -> str:
    summary = _summary(tool)
    body = f"\n    {summary}" if summary else " ..."
    return f"async def {identifier}({_listed(tool, SHOWN)}) -> {_result(tool)}:{body}{_shape(tool)}"


def _checked(identifier: str, tool: Entry) -> str:
    return f"async def {identifier}({_listed(tool, CHECKED)}) -> Any: ..."


def _listed(tool: Entry, style: Style) -> str:
    """The parameters of a stub, keywords all."""
    known = parameters(tool)
    texts = [_declared(identifier, parameter, style) for identifier, parameter in known.items()]
    rest = ["**others: Any"] if _takes_others(tool, len(known)) else []
    return ", ".join([*(["*"] if texts else []), *texts, *rest])


def _declared(identifier: str, parameter: Parameter, style: Style) -> str:
    kind = parameter.shown if style is SHOWN else parameter.checked
    if parameter.required:
        return f"{identifier}: {kind}"
    if style is SHOWN and parameter.default:
        return f"{identifier}: {kind} = {parameter.default}"
    return f"{identifier}: {kind if parameter.takes_none else kind + ' | None'} = None"


def _takes_others(tool: Entry, known: int) -> bool:
    """Whether arguments may be right that are not among the `known` parameters."""
    schema = _schema(tool, "inputSchema")
    declared = get(schema, "properties", {})
    open_ended = isinstance(schema.get("additionalProperties"), dict) or schema.get("additionalProperties") is True
    elsewhere = any(key in schema for key in ("allOf", "anyOf", "oneOf", "$ref", "patternProperties"))
    closed = schema.get("additionalProperties") is False and not elsewhere
    return open_ended or elsewhere or known < len(declared) or (not declared and not closed)


def _summary(tool: Entry) -> str:
    """The first line of a tool's description as a docstring; empty if it has none."""
    described = tool.definition.get("description")
    lines = described[: MAX_SUMMARY * 10].strip().splitlines() if isinstance(described, str) else []
    text = lines[0].strip()[:MAX_SUMMARY] if lines else ""
    plain = text.isprintable() and not any(mark in text for mark in '"\\')
    return (f'"""{text}"""' if plain else ascii(text)) if text else ""


def _result(tool: Entry) -> str:
    return "dict[str, Any]" if _schema(tool, "outputSchema") else ANY


def _shape(tool: Entry) -> str:
    """A comment that names the fields of a tool's structured result."""
    schema = _schema(tool, "outputSchema")
    properties = get(schema, "properties", {})
    if not properties:
        return ""
    types = Types(schema)
    named = [f"{name[:60]!a}: {types.of(properties[name], SHOWN)}" for name in islice(properties, MAX_SHAPE)]
    if len(properties) > MAX_SHAPE:
        named.append("...")
    return f"\n    # -> {{{', '.join(named)}}}"


def _schema(tool: Entry, key: str) -> Json:
    found = tool.definition.get(key)
    return found if isinstance(found, dict) else {}
