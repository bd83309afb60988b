"""Plain data -> how it is written: in YAML by indentation, in YAML or JSON in braces."""

from __future__ import annotations

import json
import re
from typing import Any

# Words that no YAML reader takes for anything but text; whatever else is text is put in quotes.
_PLAIN = re.compile(
    r"(?!(?:null|true|false|yes|no|on|off|y|n)\Z)(?:--?|\.{0,2}/)?[A-Za-z_](?:[\w./@+=%~-]|:(?=[\w/]))*",
    re.ASCII | re.IGNORECASE,
)


def yaml_lines(key: str, value: Any, unit: str) -> list[str]:
    """`key: value` by indentation in steps of `unit`; a list stands on one line."""
    if isinstance(value, dict) and value:
        below = [line for name, child in value.items() for line in yaml_lines(name, child, unit)]
        return [f"{yaml_flow(key)}:", *(unit + line for line in below)]
    return [f"{yaml_flow(key)}: {yaml_flow(value)}"]


def yaml_flow(value: Any) -> str:
    """`value` on one line, in YAML with braces."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{yaml_flow(key)}: {yaml_flow(child)}" for key, child in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(yaml_flow, value)) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    # An escape can be read everywhere; YAML refuses some characters that JSON lets stand in quotes.
    return json.dumps(value, ensure_ascii=not (isinstance(value, str) and value.isprintable()))


def json_text(value: Any, unit: str | None = None) -> str:
    """`value` in JSON: on one line, or with each member on its own, indented in steps of `unit`."""
    return json.dumps(value, ensure_ascii=False, indent=unit)
