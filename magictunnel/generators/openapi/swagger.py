"""What Swagger 2.0 says in its own way, said as OpenAPI 3 does. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from magictunnel.catalog.model import Json
from magictunnel.generators.openapi.documents import Node, NotCarried

_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
_STYLES = {"ssv": ("spaceDelimited", False), "pipes": ("pipeDelimited", False), "multi": ("form", True)}
_FLOWS = {"application": "clientCredentials", "accessCode": "authorizationCode"}


def servers(document: Json) -> list[Json]:
    """Its schemes, host and base path, as servers; those that are not said are left to where it was read from."""
    host, base = document.get("host"), str(document.get("basePath") or "/")
    if not isinstance(host, str):
        return [{"url": base}] if base != "/" else []
    schemes = document.get("schemes")
    schemes = schemes if isinstance(schemes, list) and schemes else [""]
    order = sorted((str(one) for one in schemes), key=lambda one: one != "https")
    return [{"url": f"{scheme}://{host}{base}" if scheme else f"//{host}{base}"} for scheme in order]


def parameter(old: Json) -> Json:
    """A path, query or header parameter."""
    kept = {key: old[key] for key in ("name", "in", "description", "required") if key in old}
    return kept | {"schema": _value_schema(old)} | _style(old)


def _value_schema(old: Json) -> Json:
    schema = {key: value for key, value in old.items() if key not in ("name", "in", "required", "collectionFormat")}
    if old.get("type") == "file":
        return schema | {"type": "string", "format": "binary"}
    return schema


def _style(old: Json) -> Json:
    if old.get("type") != "array":
        return {}
    format_ = str(old.get("collectionFormat", "csv"))
    if format_ == "csv":
        return {"explode": False}
    if format_ not in _STYLES:
        raise NotCarried(f"parameter {old.get('name')!r}: collectionFormat {format_}")
    style, explode = _STYLES[format_]
    if old.get("in") in ("path", "header"):
        raise NotCarried(f"parameter {old.get('name')!r}: collectionFormat {format_} in its {old.get('in')}")
    return {"style": style, "explode": explode}


def request_body(parameters: Iterable[Node], consumes: list[str]) -> Node | None:
    """What `body` and `formData` parameters come to; None: there are none."""
    fields = []
    for one in parameters:
        if one.value.get("in") == "body":
            media = {"schema": one.value.get("schema", {})}
            types = consumes or ["application/json"]
            kept = {key: one.value[key] for key in ("description", "required") if key in one.value}
            return Node(kept | {"content": dict.fromkeys(types, media)}, one.base)
        if one.value.get("in") == "formData":
            fields.append(one)
    return _form(fields, consumes) if fields else None


def _form(fields: list[Node], consumes: list[str]) -> Node:
    has_file = any(one.value.get("type") == "file" for one in fields)
    kind = _MULTIPART if has_file or (_MULTIPART in consumes and _FORM not in consumes) else _FORM
    names = [str(one.value.get("name")) for one in fields]
    required = [name for name, one in zip(names, fields, strict=True) if one.value.get("required") is True]
    schema: Json = {
        "type": "object",
        "properties": {name: _value_schema(one.value) for name, one in zip(names, fields, strict=True)},
    } | ({"required": required} if required else {})
    encoding = {name: style for name, one in zip(names, fields, strict=True) if (style := _style(one.value))}
    media = {"schema": schema} | ({"encoding": encoding} if encoding else {})
    return Node({"required": bool(required), "content": {kind: media}}, fields[0].base)


def response(old: Json, produces: list[str]) -> Json:
    """An answer, with its schema under each type of content."""
    if "schema" not in old:
        return {"content": {}}
    media = {"schema": old["schema"]}
    return {"content": dict.fromkeys(produces or ["application/json"], media)}


def security_scheme(old: Json) -> Json:
    """How a caller proves who it is."""
    if old.get("type") == "basic":
        return {"type": "http", "scheme": "basic"}
    if old.get("type") != "oauth2":
        return old
    flow = {"tokenUrl": old.get("tokenUrl"), "scopes": old.get("scopes", {})}
    return {"type": "oauth2", "flows": {_FLOWS.get(str(old.get("flow")), str(old.get("flow"))): flow}}


def types_of(operation: Any, document: Json, key: str) -> list[str]:
    """What an operation `consumes` or `produces`."""
    value = operation.get(key, document.get(key))
    return [str(one) for one in value] if isinstance(value, list) else []
