"""GraphQL input types -> JSON Schema. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    is_required_argument,
    is_required_input_field,
    value_from_ast_untyped,
)

from magictunnel.catalog.model import Json
from magictunnel.generators.openapi.words import shortened

_SCALARS: Mapping[str, Json] = {
    "Int": {"type": "integer"},
    "Float": {"type": "number"},
    "String": {"type": "string"},
    "Boolean": {"type": "boolean"},
    "ID": {"type": "string"},
}
MAX_TYPES = 50
"""Input types that one tool's arguments are told of; what lies deeper is just an object."""
_ANYTHING = ("string", "number", "boolean", "array", "object")
"""Other than null."""
_MANY = 12
"""Values of an enum beyond which it stands once, under `$defs`."""


class Unusable(Exception):
    """No tool is made of something; the reason is its text."""


def default_of(value: GraphQLArgument | GraphQLInputField) -> Any:
    """Its default as JSON, in a list of one; an empty one if it has none."""
    default = value.default
    if default is None:
        return []
    return [default.value if default.literal is None else value_from_ast_untyped(default.literal)]


class Schemas:
    """The schemas of one tool's arguments, and the `definitions` that they refer to.

    `nulls`: whether what may be null in GraphQL may be so here: to a mutation it can mean something.
    """

    def __init__(self, *, nulls: bool, deprecated: bool, max_description: int) -> None:
        self.definitions: dict[str, Json] = {}
        self._waiting: list[GraphQLInputObjectType] = []
        self._nulls = nulls
        self._deprecated = deprecated
        self._max = max_description

    def of_arguments(self, fields: Mapping[str, GraphQLArgument]) -> Json:
        """The schema of arguments, with all definitions that it takes."""
        schema = self._object(fields)
        for type_ in self._waiting:  # which grows: the nearest are told of first
            self.definitions[type_.name] = self._defined(type_)
        return schema | ({"$defs": self.definitions} if self.definitions else {})

    def _object(self, fields: Mapping[str, GraphQLArgument] | Mapping[str, GraphQLInputField]) -> Json:
        properties = {}
        required = []
        for name, member in fields.items():
            is_needed = _is_required(member)
            if member.deprecation_reason is not None and not (is_needed or self._deprecated):
                continue
            properties[name] = self._member(member)
            required += [name] if is_needed else []
        return {"type": "object", "properties": properties} | ({"required": required} if required else {})

    def _member(self, member: GraphQLArgument | GraphQLInputField) -> Json:
        schema = self.of(member.type if _can_be_null(member) else _bare(member.type))
        default = default_of(member)
        if member.description:
            schema = schema | {"description": shortened(member.description, self._max)}
        return schema | {"default": default[0]} if default and default[0] is not None else schema

    def of(self, type_: Any) -> Json:
        """The schema of an input type."""
        if isinstance(type_, GraphQLNonNull):
            return self._present(type_.of_type)
        schema = self._present(type_)
        return _or_null(schema) if self._nulls else schema

    def _present(self, type_: Any) -> Json:
        if isinstance(type_, GraphQLList):
            return {"type": "array", "items": self.of(type_.of_type)}
        if isinstance(type_, GraphQLEnumType):
            return self._enum(type_)
        if isinstance(type_, GraphQLInputObjectType):
            return self._input(type_)
        if not isinstance(type_, GraphQLScalarType):
            raise Unusable(f"{type_} is no type that an argument can have")
        return dict(_SCALARS[type_.name]) if type_.name in _SCALARS else _custom(type_, self._max)

    def _enum(self, type_: GraphQLEnumType) -> Json:
        values = [
            name for name, value in type_.values.items() if self._deprecated or value.deprecation_reason is None
        ] or list(type_.values)
        schema = {"type": "string", "enum": values}
        if len(values) <= _MANY:
            return schema
        self.definitions[type_.name] = schema
        return {"$ref": f"#/$defs/{type_.name}"}

    def _input(self, type_: GraphQLInputObjectType) -> Json:
        if type_.name not in self.definitions:
            if len(self.definitions) >= MAX_TYPES:
                return {"type": "object", "description": f"{type_.name} (an input type of this API)"}
            self.definitions[type_.name] = {}  # so that it may contain itself
            self._waiting.append(type_)
        return {"$ref": f"#/$defs/{type_.name}"}

    def _defined(self, type_: GraphQLInputObjectType) -> Json:
        schema = self._object(type_.fields) | {"additionalProperties": False}
        if type_.is_one_of:
            schema |= {"minProperties": 1, "maxProperties": 1}
        return schema | ({"description": shortened(type_.description, self._max)} if type_.description else {})


def _is_required(member: GraphQLArgument | GraphQLInputField) -> bool:
    return is_required_argument(member) if isinstance(member, GraphQLArgument) else is_required_input_field(member)


def _can_be_null(member: GraphQLArgument | GraphQLInputField) -> bool:
    return not member.default and not isinstance(member.type, GraphQLNonNull)


def _bare(type_: Any) -> Any:
    return type_ if isinstance(type_, GraphQLNonNull) else GraphQLNonNull(type_)


def _custom(type_: GraphQLScalarType, most: int) -> Json:
    """Anything, for only the server knows what it takes."""
    about = shortened(type_.description or "", most // 2)
    told = f"{type_.name} (a scalar of this API)" + (f": {about}" if about else "")
    described = f"{told}; see {type_.specified_by_url}" if type_.specified_by_url else told
    return {"type": list(_ANYTHING), "description": described}


def _or_null(schema: Json) -> Json:
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    more = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return schema | {"type": [*kinds, "null"]} | more
