"""The arguments of a call, held against the schema of its tool, with what it says of those that are left out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

import jsonschema_rs

from magictunnel.catalog.model import Json
from magictunnel.config.explain import did_you_mean
from magictunnel.errors import RunError
from magictunnel.wire.codec import is_writable

_MOST_TOLD = 5
_LONGEST = 200
_OPEN = frozenset(
    {"additionalProperties", "patternProperties", "unevaluatedProperties", "$ref", "allOf", "anyOf", "oneOf", "if"}
    | {"dependentSchemas", "propertyNames"}
)
"""Keywords by which there may be arguments that are not named among `properties`."""


class Arguments:
    """What one tool takes."""

    def __init__(self, schema: Json) -> None:
        self._schema = schema
        self._validator: jsonschema_rs.Validator | None = None
        self._names = names_of(schema)

    def taken(self, given: Any) -> Json:
        """The arguments of a call, defaults included.

        Raises:
            RunError: they are not as the schema says; nothing has run.
        """
        if given is not None and not isinstance(given, dict):
            raise RunError("the arguments should be an object")
        if not is_writable(given):
            raise RunError("the arguments are nested too deep, or hold half a character")
        filled = self._with_defaults(given or {})
        self._refuse_unknown(filled)
        if self._validator is None:  # most tools of a large file are never called
            self._validator = jsonschema_rs.validator_for(self._schema, offline=True)
        wrong = list(islice(self._validator.iter_errors(filled), _MOST_TOLD))
        if wrong:
            raise RunError("; ".join(map(_told, wrong)))
        return filled

    def _refuse_unknown(self, given: Json) -> None:
        unknown = next((name for name in given if self._names is not None and name not in self._names), None)
        if unknown is not None:
            hint = did_you_mean(unknown, sorted(self._names or ())) if self._names else "it takes none"
            raise RunError(f"there is no argument {unknown[:100]!a}", hint=hint)

    def _with_defaults(self, given: Json) -> Json:
        properties = self._schema.get("properties")
        declared: Mapping[str, Any] = properties if isinstance(properties, dict) else {}
        defaults = {
            name: schema["default"]
            for name, schema in declared.items()
            if name not in given and isinstance(schema, dict) and "default" in schema
        }
        return given | defaults


def names_of(schema: Json) -> frozenset[str] | None:
    """The arguments there are; None: any, for the schema says how others are, or leaves that to its parts.

    JSON Schema by itself lets others pass. But nobody would read them, and they were meant for something.
    """
    if not _OPEN.isdisjoint(schema):
        return None
    properties = schema.get("properties")
    return frozenset(properties) if isinstance(properties, dict) else frozenset()


def _told(error: jsonschema_rs.ValidationError) -> str:
    """One error in a line: where, and what; of a long value not all, but what is wrong with it."""
    path = ".".join(map(str, error.instance_path))
    message = error.message if len(error.message) <= _LONGEST else "…" + error.message[-_LONGEST:]
    return f"{path}: {message}" if path else message
