"""Which `${VARIABLE}` and `${keyring:NAME}` a capability file refers to. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from magictunnel.catalog.model import Json

_REFERENCE = re.compile(r"\$\{(?P<scheme>env:|keyring:)?(?P<name>[^}:]+)(?P<default>:-[^}]*)?\}")
_RESOLVED: Mapping[str, tuple[str, ...]] = {
    "http": ("url", "query", "headers", "cookies", "json", "form", "multipart", "body"),
    "graphql": ("url", "headers"),
    "command": ("env", "cwd"),
    "python": ("env", "path"),
}
"""Of each way to run, where references are resolved; elsewhere they are text."""


class Reference(NamedTuple):
    """Text that refers to something, and where it stands."""

    where: str
    text: str

    @property
    def names(self) -> Iterator[str]:
        """What is to be set: `TOKEN`, `keyring:NAME`; without those that have a default."""
        for found in _REFERENCE.finditer(self.text):
            if not found["default"]:
                yield ("keyring:" if found["scheme"] == "keyring:" else "") + found["name"]


def references(file: Json) -> Iterator[Reference]:
    """Those in the content of a capability file, as it stands there."""
    yield from _within(file.get("auth"), "auth")
    defaults = file.get("http") or {}
    yield from _within({key: defaults.get(key) for key in ("base_url", "headers")}, "http")
    for tool in file.get("tools") or ():
        yield from _of_way(tool, f"tools.{tool.get('name')}")
        for step in tool.get("steps") or ():
            yield from _of_way(step, f"tools.{tool.get('name')}.steps.{step.get('name')}")
    for resource in file.get("resources") or ():
        yield from _within(resource.get("url"), f"resources.{resource.get('uri')}.url")
    for template in file.get("resourceTemplates") or ():
        yield from _of_way(template, f"resourceTemplates.{template.get('uriTemplate')}")


def variables(file: Json) -> list[str]:
    """What is to be set for the content of a capability file, each once, in order."""
    return sorted({name for reference in references(file) for name in reference.names})


def _of_way(way: Json, where: str) -> Iterator[Reference]:
    for name, keys in _RESOLVED.items():
        if isinstance(found := way.get(name), dict):
            yield from _within({key: found.get(key) for key in keys}, f"{where}.{name}")


def _within(value: Any, where: str) -> Iterator[Reference]:
    if isinstance(value, str) and _REFERENCE.search(value):
        yield Reference(where, value)
    elif isinstance(value, Mapping):
        for key, member in value.items():
            yield from _within(member, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for member in value:
            yield from _within(member, where)
