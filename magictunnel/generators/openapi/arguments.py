"""What a tool takes: properties of one schema, each with a name of its own, and what they refer to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from magictunnel.catalog.model import Json
from magictunnel.generators.names import argument_name
from magictunnel.generators.openapi.schemas import Schema, Schemas
from magictunnel.generators.openapi.words import shortened


@dataclass(slots=True)
class Arguments:
    """Those of one tool."""

    schemas: Schemas
    left_out: list[str] = field(default_factory=list)
    """Why something that nobody has to give cannot be given."""
    _properties: dict[str, Any] = field(default_factory=dict)
    _required: list[str] = field(default_factory=list)
    _uses: dict[str, None] = field(default_factory=dict)

    def add(self, wanted: str, place: str, schema: Schema, *, required: bool, description: Any = None) -> str:
        """The name of a new one, which is `wanted` if it can be; `place` is where it goes."""
        name = argument_name(wanted, self._properties, place)
        value = schema.value if isinstance(schema.value, dict) else {}
        if isinstance(description, str) and description.strip():
            value = {"description": shortened(description, self.schemas.max_description)} | {
                key: one for key, one in value.items() if key != "description"
            }
        self._properties[name] = value
        self._uses |= dict.fromkeys(schema.uses)
        if required:
            self._required.append(name)
        return name

    def schema(self, most: int) -> Json:
        """All of them as one schema with its definitions, of about `most` bytes."""
        value: Json = {"type": "object", "properties": self._properties}
        if self._required:
            value["required"] = self._required
        whole: Json = self.schemas.complete(Schema(value, tuple(self._uses)), most)
        return whole
