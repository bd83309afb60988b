"""Parameters of an operation -> arguments of a tool, and where in the request they go."""

from __future__ import annotations

import re
from typing import Any

from magictunnel.catalog.model import Json
from magictunnel.generators.openapi import swagger
from magictunnel.generators.openapi.arguments import Arguments
from magictunnel.generators.openapi.documents import Node, NotCarried
from magictunnel.generators.openapi.schemas import Schema, Schemas, sendable

_NEVER = frozenset(("accept", "content-type", "authorization"))
"""Headers that OpenAPI says elsewhere."""
_NOT_OURS = frozenset(("host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"))
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_SENT = re.compile(r"#|\{\{|\$\{|\{[./;?&+*]")
"""Fragments, placeholders and references of ours, and templates of RFC 6570 that OpenAPI does not have."""
_IN_PATH = re.compile(r"\{([^{}]+)\}")
_STYLES = {
    "path": ("simple", "label", "matrix"),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "header": ("simple",),
    "cookie": ("form",),
}
_KEYS = {"query": "query", "header": "headers", "cookie": "cookies"}


def in_request(path: str, given: list[Node], arguments: Arguments) -> Json:
    """The `url` (behind the base) and the parts of a request for what is `given`; its arguments are added.

    Raises:
        NotCarried: one of them cannot be sent as it is described.
    """
    if odd := _NOT_SENT.search(path):
        raise NotCarried(f"its path has {odd[0]} in it, which cannot be sent")
    request: Json = {"url": path}
    named = dict.fromkeys(_IN_PATH.findall(path), "")
    for node in given:
        place, name = str(node.value.get("in")), node.value["name"]
        if place == "path" and name in named:
            named[name] = _add_to_path(request, node, arguments)
        elif place == "querystring":
            _add_query_string(request, node, arguments)
        elif place in _KEYS and not (place == "header" and name.lower() in _NEVER):
            _add(request, node, arguments)
    for name, argument in named.items():
        named[name] = argument or arguments.add(name, "path", Schema({"type": "string"}), required=True)
    request["url"] = _IN_PATH.sub(lambda found: f"{{{{{named[found[1]]}}}}}", path)
    return request


def is_authorization(node: Node) -> bool:
    """Whether a parameter is the header `Authorization`, and required."""
    said = node.value
    return said.get("in") == "header" and said["name"].lower() == "authorization" and said.get("required") is True


def _add_to_path(request: Json, node: Node, arguments: Arguments) -> str:
    schema, written = _read(node, arguments.schemas)
    if isinstance(schema.value, dict) and schema.value.get("type") == "string" and "enum" not in schema.value:
        schema = Schema({"minLength": 1} | schema.value, schema.uses)  # a path has no empty parts
    name = node.value["name"]
    argument = arguments.add(name, "path", schema, required=True, description=node.value.get("description"))
    if written.get("style") == "matrix" and argument != name:
        raise NotCarried(f"parameter {name!r} is in style matrix, which needs a name of letters and digits")
    if written:
        request.setdefault("path", {})[argument] = written
    return argument


def _add(request: Json, node: Node, arguments: Arguments) -> None:
    place, name = node.value["in"], node.value["name"]
    required = node.value.get("required") is True
    if place in ("header", "cookie") and not (_TOKEN.fullmatch(name) and name.lower() not in _NOT_OURS):
        if required:
            raise NotCarried(f"it requires the {place} {name!r}, which cannot be set")
        return
    try:
        schema, written = _read(node, arguments.schemas)
    except NotCarried as reason:
        if required:
            raise
        arguments.left_out.append(str(reason))
        return
    argument = arguments.add(name, place, schema, required=required, description=node.value.get("description"))
    value = f"{{{{{argument}}}}}"
    request.setdefault(_KEYS[place], {})[name] = {"value": value} | written if written else value


def _add_query_string(request: Json, node: Node, arguments: Arguments) -> None:
    """The whole query as one object (OpenAPI 3.2)."""
    content = node.value.get("content")
    if not isinstance(content, dict) or list(content) != ["application/x-www-form-urlencoded"]:
        raise NotCarried(f"parameter {node.value['name']!r} is a whole query that is no form")
    schema = arguments.schemas.opened(Node(content, node.base).at("application/x-www-form-urlencoded").at("schema", {}))
    required = node.value.get("required") is True
    argument = arguments.add(
        node.value["name"], "query", schema, required=required, description=node.value.get("description")
    )
    request.setdefault("query", {})[node.value["name"]] = f"{{{{{argument}}}}}"


def _read(node: Node, schemas: Schemas) -> tuple[Schema, Json]:
    """The schema of a parameter, and how it is written where that is not the ordinary way."""
    said = swagger.parameter(node.value) if "swagger" in schemas.documents.root.value else node.value
    content = said.get("content")
    if isinstance(content, dict) and content:
        kind, media = next(iter(content.items()))
        schema = schemas.opened(Node(media, node.base).at("schema", {}))
        if "json" in str(kind):
            return schema, {"style": "json"}
        if not str(kind).startswith("text/"):
            raise NotCarried(f"parameter {said['name']!r} is written as {kind}")
        return schema, {}
    written = _written(said)
    described = schemas.documents.resolved(Node(said, node.base).at("schema", {}))
    if written.get("style") != "deepObject" and _is_nested(described, schemas):
        raise NotCarried(f"parameter {said['name']!r} is a list of objects or lists, for which OpenAPI has no form")
    schema = schemas.converted(described)
    return Schema(sendable(schema.value), schema.uses) if said.get("required") is True else schema, written


def _is_nested(node: Node, schemas: Schemas) -> bool:
    """Whether a list holds what is made of parts itself."""
    if not isinstance(node.value, dict) or node.value.get("type") != "array":
        return False
    items = schemas.documents.resolved(node.at("items", {})).value
    return isinstance(items, dict) and (items.get("type") in ("object", "array") or "properties" in items)


def _written(said: Any) -> Json:
    styles = _STYLES[said["in"]]
    style = said.get("style", styles[0])
    if style == "cookie" and said["in"] == "cookie":
        style = "form"  # OpenAPI 3.2's own word for how cookies are
    if style not in styles:
        raise NotCarried(f"parameter {said['name']!r} has the style {style}, which is none for a {said['in']}")
    written: Json = {"style": style} if style != styles[0] else {}
    explode = said.get("explode")
    if isinstance(explode, bool) and explode is not (style == "form"):
        written["explode"] = explode
    if said.get("allowReserved") is True and said["in"] == "query":
        written["reserved"] = True
    return written
