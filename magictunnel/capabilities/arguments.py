"""The arguments of a call, held against the schema of its tool, with what it says of those that are left out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

import jsonschema_rs

from magictunnel.catalog.model import Json
from magictunnel.errors import RunError

_MOST_TOLD = 5
_LONGEST = 200


class Arguments:
    """What one tool takes."""

    def __init__(self, schema: Json) -> None:
        self._schema = schema
        self._validator: jsonschema_rs.Validator | None = None

    def taken(self, given: Any) -> Json:
        """The arguments of a call, defaults included.

        Raises:
            RunError: they are not as the schema says; nothing has run.
        """
        if given is not None and not isinstance(given, dict):
            raise RunError("the arguments should be an object")
        filled = self._with_defaults(given or {})
        if self._validator is None:  # most tools of a large file are never called
            self._validator = jsonschema_rs.validator_for(self._schema, offline=True)
        wrong = list(islice(self._validator.iter_errors(filled), _MOST_TOLD))
        if wrong:
            raise RunError("; ".join(map(_told, wrong)))
        return filled

    def _with_defaults(self, given: Json) -> Json:
        properties = self._schema.get("properties")
        declared: Mapping[str, Any] = properties if isinstance(properties, dict) else {}
        defaults = {
            name: schema["default"]
            for name, schema in declared.items()
            if name not in given and isinstance(schema, dict) and "default" in schema
        }
        return given | defaults


def _told(error: jsonschema_rs.ValidationError) -> str:
    """One error in a line: where, and what; of a long value not all, but what is wrong with it."""
    path = ".".join(map(str, error.instance_path))
    message = error.message if len(error.message) <= _LONGEST else "…" + error.message[-_LONGEST:]
    return f"{path}: {message}" if path else message
