"""What an operation takes in its body -> one argument of a tool, and how the request carries it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from magictunnel.catalog.model import Json
from magictunnel.generators.names import argument_name, legal
from magictunnel.generators.openapi.dialect import SEVERAL, SINGLE
from magictunnel.generators.openapi.documents import Documents, Node, NotCarried
from magictunnel.generators.openapi.schemas import Schema, Schemas, sendable

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
_MEMBER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")
_MEDIA = re.compile(r"[A-Za-z0-9!#&^_.+-]+/[A-Za-z0-9!#&^_.+-]+(?:; ?[A-Za-z0-9-]+=\"?[A-Za-z0-9._/:#-]+\"?)*")
_MAX_COMPOSED = 8
_ANY = frozenset(SINGLE | SEVERAL) - {"not", "additionalProperties"}
_BASE64: Json = {"type": "string", "contentEncoding": "base64"}


class Body(NamedTuple):
    """The argument that a body is made of, and the keys of the request that carry it."""

    schema: Schema
    required: bool
    description: Any
    carry: Callable[[str], Json]
    """Name of the argument -> keys of `http`."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing can be in it, as some generators say of every request."""
        said = self.schema.value
        if self.required or not isinstance(said, dict) or said.get("properties") != {}:
            return False
        return said.get("additionalProperties", False) is False and _ANY.isdisjoint(said)


def body_of(node: Node, schemas: Schemas) -> Body:
    """The first kind of content at `node` that can be carried, plain JSON before all others.

    Raises:
        NotCarried: none can be.
    """
    content = node.value.get("content")
    kinds = sorted(content, key=_rank) if isinstance(content, dict) else []
    reasons = []
    required = node.value.get("required") is True
    for kind in kinds:
        try:
            schema, carry = _of_kind(kind, Node(content, node.base).at(kind), schemas)
            if kind.startswith((FORM, MULTIPART)):
                value = _with_something(schema.value)
                schema = Schema({"minProperties": 1} | value if required else value, schema.uses)
        except NotCarried as reason:
            reasons.append(str(reason))
            continue
        return Body(schema, required, node.value.get("description"), carry)
    raise NotCarried("; ".join(dict.fromkeys(reasons)) or "its body has no content")


def _with_something(value: Any) -> Any:
    """A field of nothing is no field, so one that is required has something in it."""
    if isinstance(value, list):
        return [_with_something(one) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _with_something(one) if key in SINGLE | SEVERAL else one for key, one in value.items()}
    if "properties" in value:
        required = value.get("required", ())
        fields = {name: _with_something(one) for name, one in value["properties"].items()}
        kept["properties"] = {name: sendable(one) if name in required else one for name, one in fields.items()}
    return kept


def is_json(kind: str) -> bool:
    """Whether content of this type is JSON."""
    plain = kind.partition(";")[0].strip().lower()
    return plain in ("application/json", "text/json", "*/*", "application/*") or plain.endswith("+json")


def is_media(kind: str) -> bool:
    """Whether it is a whole type of content, and nothing but one."""
    return bool(_MEDIA.fullmatch(kind)) and "*" not in kind


def _rank(kind: str) -> int:
    plain = kind.partition(";")[0].strip().lower()
    if plain == "application/json":
        return 0
    if is_json(kind):
        return 1
    order = (FORM, MULTIPART, "text/plain", "application/octet-stream")
    return order.index(plain) + 2 if plain in order else 9


def _of_kind(kind: str, media: Node, schemas: Schemas) -> tuple[Schema, Callable[[str], Json]]:
    schema = media.at("schema", {})
    plain = kind.partition(";")[0].strip().lower()
    if is_json(kind):
        typed = {"content_type": kind} if is_media(kind) and kind != "application/json" else {}
        return schemas.opened(schema), lambda name: {"json": f"{{{{{name}}}}}"} | typed
    if plain == FORM:
        return _fields(schema, media.at("encoding", {}), schemas, _form_field, "form")
    if plain == MULTIPART:
        return _fields(schema, media.at("encoding", {}), schemas, _part, "multipart")
    return _raw(kind, schema, schemas)


def _raw(kind: str, node: Node, schemas: Schemas) -> tuple[Schema, Callable[[str], Json]]:
    """Text as it is; bytes as base64."""
    schema = schemas.documents.resolved(node)
    if not _is_text_or_nothing(schema.value):
        raise NotCarried(f"its body is {kind}, which cannot be made of what its schema describes")
    typed = {"content_type": kind} if is_media(kind) else {}
    if kind.startswith("text/") and not is_binary(schema):
        return schemas.converted(schema), lambda name: {"body": f"{{{{{name}}}}}"} | typed
    return Schema(_BASE64), lambda name: {"body": f"{{{{{name}}}}}", "base64": True} | typed


def _is_text_or_nothing(value: Any) -> bool:
    if not isinstance(value, dict):
        return value is True
    if value.get("format") in ("binary", "file"):
        return True
    return value.get("type", "string") in ("string", "file") and not {"properties", "allOf", "items"} & value.keys()


def is_binary(node: Node) -> bool:
    """Whether a resolved schema is of bytes."""
    value = node.value if isinstance(node.value, dict) else {}
    if value.get("type", "string") not in ("string", "file") or "contentEncoding" in value:
        return False
    media = str(value.get("contentMediaType", ""))
    return value.get("format") == "binary" or bool(media and not media.startswith(("text/", "application/json")))


def _fields(
    node: Node, encodings: Node, schemas: Schemas, field: Callable[..., Json], key: str
) -> tuple[Schema, Callable[[str], Json]]:
    """An object whose properties are fields of a form, or parts of several."""
    found = dict(_properties(node, schemas, 0))
    if found:
        found |= {name: Node({}, node.base) for name in _required(node, schemas, 0) if name not in found}
    if not found:
        value = schemas.documents.resolved(node).value
        if key == "multipart" or not isinstance(value, dict) or value.get("type", "object") != "object":
            raise NotCarried(f"its body is a {key} without fields that are named")
        return schemas.opened(node), lambda name: {"form": {name: f"{{{{{name}}}}}"}}
    encoding = encodings.value if isinstance(encodings.value, dict) else {}
    members = _members(found)
    are_bytes = {name: _are_bytes(one, encoding.get(name), schemas.documents) for name, one in found.items()}
    if members == {name: name for name in found} and not (key == "multipart" and any(are_bytes.values())):
        schema = schemas.opened(node)
    else:
        schema = _flat(node, found, members, are_bytes, schemas)
    said = {name: field(name, one, encoding.get(name), are_bytes[name], schemas) for name, one in found.items()}

    def carry(argument: str) -> Json:
        values = {name: f"{{{{{argument}.{members[name]}}}}}" for name in found}
        return {key: {name: {"value": values[name]} | said[name] if said[name] else values[name] for name in found}}

    return schema, carry


def _properties(node: Node, schemas: Schemas, depth: int) -> Iterator[tuple[str, Node]]:
    """All that an object may have by its schema, those it is composed of included."""
    node = schemas.documents.resolved(node)
    if depth > _MAX_COMPOSED or not isinstance(node.value, dict):
        return
    properties = node.value.get("properties")
    for name, one in (properties if isinstance(properties, dict) else {}).items():
        if not schemas.is_hidden(Node(one, node.base)):
            yield name, Node(one, node.base)
    for key in ("allOf", "anyOf", "oneOf"):
        parts = node.value.get(key)
        for part in parts if isinstance(parts, list) else ():
            yield from _properties(Node(part, node.base), schemas, depth + 1)


def _members(found: dict[str, Node]) -> dict[str, str]:
    """Each by the name under which a placeholder can find it."""
    members: dict[str, str] = {name: name for name in found if _MEMBER.fullmatch(name)}
    for name in found:
        if name not in members:
            members[name] = argument_name(name, set(members.values()), "field")
    return members


def _flat(
    node: Node, found: dict[str, Node], members: dict[str, str], are_bytes: dict[str, bool], schemas: Schemas
) -> Schema:
    """One plain object with these properties under their new names."""
    uses: dict[str, None] = {}
    properties = {}
    for name, one in found.items():
        schema = schemas.converted(one)
        properties[members[name]] = _as_base64(schema.value) if are_bytes[name] else schema.value
        uses |= dict.fromkeys(schema.uses)
    required = [members[name] for name in dict.fromkeys(_required(node, schemas, 0)) if name in members]
    return Schema(
        {"type": "object", "properties": properties} | ({"required": required} if required else {}), tuple(uses)
    )


def _required(node: Node, schemas: Schemas, depth: int) -> Iterator[str]:
    node = schemas.documents.resolved(node)
    if depth > _MAX_COMPOSED or not isinstance(node.value, dict):
        return
    names = node.value.get("required")
    yield from (name for name in (names if isinstance(names, list) else ()) if isinstance(name, str))
    parts = node.value.get("allOf")
    for part in parts if isinstance(parts, list) else ():
        yield from _required(Node(part, node.base), schemas, depth + 1)


def _as_base64(value: Any) -> Json:
    kept = {key: value[key] for key in ("title", "description") if isinstance(value, dict) and key in value}
    if isinstance(value, dict) and value.get("type") == "array":
        bounds = {key: value[key] for key in ("minItems", "maxItems") if key in value}
        return kept | {"type": "array", "items": _BASE64} | bounds
    return kept | _BASE64


def _are_bytes(node: Node, encoding: Any, documents: Documents) -> bool:
    """Whether a property is bytes, or a list of such."""
    node = documents.resolved(node)
    if isinstance(node.value, dict) and node.value.get("type") == "array":
        node = documents.resolved(node.at("items", {}))
    kind = encoding.get("contentType") if isinstance(encoding, dict) else None
    if node.value in ({}, True) or (isinstance(node.value, dict) and not {"type", "$ref"} & node.value.keys()):
        return isinstance(kind, str) and not is_json(kind) and not kind.startswith("text/")
    return is_binary(node)


def _form_field(_name: str, node: Node, encoding: Any, _are_bytes: bool, schemas: Schemas) -> Json:
    written = _written(encoding)
    if written:
        return written
    value = schemas.documents.resolved(node).value
    is_object = isinstance(value, dict) and (value.get("type") == "object" or "properties" in value)
    return {"style": "json"} if is_object else {}


def _written(encoding: Any) -> Json:
    """How a field is written, where its encoding says so."""
    said = encoding if isinstance(encoding, dict) else {}
    written: Json = {}
    if said.get("style") in ("form", "spaceDelimited", "pipeDelimited", "deepObject"):
        written["style"] = said["style"]
    if isinstance(said.get("explode"), bool):
        written["explode"] = said["explode"]
    if not written and is_json(str(said.get("contentType", ""))):
        return {"style": "json"}
    return {} if written in ({"style": "form"}, {"explode": True}) else written


def _part(name: str, node: Node, encoding: Any, are_bytes: bool, schemas: Schemas) -> Json:
    kind = encoding.get("contentType") if isinstance(encoding, dict) else None
    kind = str(kind).partition(",")[0].strip()
    typed = {"content_type": kind} if is_media(kind) else {}
    if are_bytes:
        return {"base64": True, "filename": legal(name) or "file"} | typed
    value = schemas.documents.resolved(node).value
    is_object = isinstance(value, dict) and (value.get("type") == "object" or "properties" in value)
    return ({"style": "json"} if is_object else {}) | typed
