"""The ancestor's placeholders (`{x}`, `{{x}}`, `{x|default}`) -> ours. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from magictunnel.capabilities.authoring.migrate.report import CannotCarry
from magictunnel.catalog.model import Json

_PLACEHOLDER = re.compile(r"\{\{\s*(?P<double>[^{}]+?)\s*\}\}|\{(?P<single>[^{}\s\"'][^{}]*)\}")
_PATH = re.compile(
    r"(?P<name>[A-Za-z_][\w-]*)(?P<rest>(?:\.[A-Za-z_][\w-]*|\[\d+\])*)(?:\|(?P<default>.*))?", re.DOTALL
)
_CHOICE = re.compile(r"[A-Za-z_][\w.-]*\?.*:.*", re.DOTALL)
_LITERAL = "false null true"


class Placeholders:
    """Rewrites the templates of one tool; the defaults that they name go into its `schema`, which is changed."""

    def __init__(self, schema: Json) -> None:
        self._properties: Json = schema.setdefault("properties", {})
        self.unknown: list[str] = []
        """Names that are no arguments; they stay text, as they did."""
        self.added: list[str] = []
        """Those that were no arguments and have a default, which are arguments now."""

    def of(self, template: Any) -> Any:
        """A template of ours for one of the ancestor's.

        Raises:
            CannotCarry: something in it has no counterpart.
        """
        if isinstance(template, str):
            return _PLACEHOLDER.sub(self._one, template) if not template.startswith("${") else template
        if isinstance(template, Mapping):
            return {key: self.of(value) for key, value in template.items()}
        return [self.of(value) for value in template] if isinstance(template, list | tuple) else template

    def _one(self, found: re.Match[str]) -> str:
        if found.start() and found.string[found.start() - 1] == "$":  # ${VARIABLE}
            return found[0]
        inner = found["double"] or found["single"]
        path = _PATH.fullmatch(inner)
        if path is not None and path["name"] not in self._properties and path["default"] is not None:
            self._properties[path["name"]] = {}
            self.added.append(path["name"])
        if path is None or path["name"] not in self._properties:
            return self._unknown(found, inner, is_path=path is not None)
        if path["name"] in _LITERAL.split():
            raise CannotCarry(f"its argument {path['name']!r} is called like a literal")
        if path["default"] is not None:
            self._default(path["name"], path["rest"], path["default"])
        return f"{{{{{path['name']}{path['rest']}}}}}"

    def _unknown(self, found: re.Match[str], inner: str, *, is_path: bool) -> str:
        if _CHOICE.fullmatch(inner) and inner.partition("?")[0] in self._properties:
            raise CannotCarry(f"{found[0]!r} chooses between two texts, which a placeholder does not")
        if found["double"] is not None:
            raise CannotCarry(f"{found[0]!r} is no argument of it")
        if is_path:
            self.unknown.append(found[0])
        return found[0]

    def _default(self, name: str, rest: str, written: str) -> None:
        if rest:
            raise CannotCarry(f"{name}{rest} has a default, and is only a part of an argument")
        property_ = dict(self._properties[name]) if isinstance(self._properties[name], dict) else {}
        default = _typed(written, property_.get("type"))
        if property_.setdefault("default", default) != default:
            raise CannotCarry(f"{name} has two defaults")
        self._properties[name] = property_


def _typed(written: str, kind: Any) -> Any:
    """A default of the type that its argument has."""
    text = written.strip().strip("'\"")
    if kind in (None, "string"):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise CannotCarry(f"the default {text[:40]!r} is no {kind}") from error


def is_sole(template: Any) -> bool:
    """Whether a template of ours is one placeholder and nothing else."""
    return isinstance(template, str) and re.fullmatch(r"\{\{[^{}]+\}\}", template) is not None


def name_in(template: str) -> str:
    """The argument that a sole placeholder is."""
    return re.split(r"[.\[]", template.strip("{}").strip())[0]
