"""Forms and bodies of several parts, which openapi-core does not judge, read by werkzeug and a schema validator."""

from __future__ import annotations

import json
import re
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl

from openapi_schema_validator import OAS30ReadValidator, OAS30WriteValidator, OAS31Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from werkzeug.formparser import parse_form_data


class Forms:
    """Knows one description, and what its references lead to (`loaded`: URL -> document)."""

    def __init__(self, document: dict[str, Any], where: str) -> None:
        resource = Resource(contents=document, specification=DRAFT202012)
        self._registry = Registry().with_resource(where, resource)
        self._where = where
        self._is_old = str(document["openapi"]).startswith("3.0")

    def of_query(self, query: str, parameters: list[dict[str, Any]]) -> list[str]:
        """What is wrong with these parameters, which are of the style `deepObject`, or the whole query."""
        for one in parameters:
            if one["in"] == "querystring":
                return self.faults(query.encode(), "", one["content"]["application/x-www-form-urlencoded"])
        properties = {one["name"]: one.get("schema", {}) for one in parameters}
        required = [one["name"] for one in parameters if one.get("required")]
        names = [name.partition("[")[0] for name, _ in parse_qsl(query, keep_blank_values=True)]
        kept = "&".join(part for part, name in zip(query.split("&"), names, strict=False) if name in properties)
        schema = {"type": "object", "properties": properties, "required": required}
        encoding = {name: {"style": "deepObject"} for name in properties}
        return self.faults(kept.encode(), "", {"schema": schema, "encoding": encoding}) if properties else []

    def faults(self, body: bytes, content_type: str, media: dict[str, Any]) -> list[str]:
        """What is wrong with a body that should be as `media` says."""
        schema = media.get("schema", {})
        if content_type.startswith("multipart/"):
            value = self._parts(body, content_type, schema)
        else:
            value = self._fields(body, schema, media.get("encoding", {}))
        return self.faults_of(value, schema, is_sent=True)

    def faults_of(self, value: Any, schema: Any, *, is_sent: bool) -> list[str]:
        """What is wrong with `value`, by the schema of something that is sent, or answered."""
        kind: Any = OAS31Validator
        if self._is_old:
            kind = OAS30WriteValidator if is_sent else OAS30ReadValidator
        validator = kind(schema, registry=self._registry, _resolver=self._registry.resolver(self._where))
        return [f"{error.message[:300]} at {list(error.path)}" for error in validator.iter_errors(value)]

    def _parts(self, body: bytes, content_type: str, schema: Any) -> dict[str, Any]:
        environ = {
            "wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": content_type,
            "REQUEST_METHOD": "POST",
        }  # fmt: skip
        _, texts, files = parse_form_data(environ, silent=False)
        found: dict[str, list[Any]] = {name: list(values) for name, values in texts.lists()}
        for name, values in files.lists():
            found.setdefault(name, []).extend(one.read().decode("latin-1") for one in values)
            for one in values:
                one.close()
        return {name: self._cast(values, self._property(schema, name)) for name, values in found.items()}

    def _fields(self, body: bytes, schema: Any, encoding: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, list[str]] = {}
        nested: dict[str, Any] = {}
        for name, value in parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body)):
            root = name.partition("[")[0]
            if encoding.get(root, {}).get("style") == "deepObject":
                _put(nested, [root, *re.findall(r"\[([^\]]*)\]", name)], value)
            else:
                found.setdefault(name, []).append(value)
        values = {name: self._cast(values, self._property(schema, name)) for name, values in found.items()}
        return values | {name: self._cast([one], self._property(schema, name)) for name, one in nested.items()}

    def _resolved(self, schema: Any) -> Any:
        while isinstance(schema, dict) and "$ref" in schema:
            schema = self._registry.resolver(self._where).lookup(schema["$ref"]).contents
        return schema if isinstance(schema, dict) else {}

    def _property(self, schema: Any, name: str) -> Any:
        schema = self._resolved(schema)
        if name in schema.get("properties", {}):
            return schema["properties"][name]
        for part in (one for key in ("allOf", "anyOf", "oneOf") for one in schema.get(key, ())):
            if (found := self._property(part, name)) is not None:
                return found
        more = schema.get("additionalProperties")
        return more if isinstance(more, dict) else None

    def _cast(self, values: list[Any], schema: Any) -> Any:
        """What was meant by one or more texts under one name."""
        schema = self._resolved(schema)
        if schema.get("type") == "array":
            if len(values) == 1 and isinstance(values[0], dict):
                values = list(values[0].values())
            return [self._cast([one], schema.get("items", {})) for one in values]
        value = values[0]
        for part in (one for key in ("anyOf", "oneOf", "allOf") for one in schema.get(key, ())):
            kind = self._resolved(part).get("type")
            if (kind in ("object", "array")) == isinstance(value, dict):
                return self._cast(values, part)
        if isinstance(value, dict):
            return {name: self._cast([one], self._property(schema, name)) for name, one in value.items()}
        return _plain(value, schema)


def _plain(value: str, schema: dict[str, Any]) -> Any:
    if schema.get("type") in ("integer", "number", "boolean", "object") or "properties" in schema:
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _put(value: dict[str, Any], path: list[str], leaf: str) -> None:
    for step in path[:-1]:
        value = value.setdefault(step, {})
    value[path[-1]] = leaf
