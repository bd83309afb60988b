"""Missing arguments as one form for the person behind a call (`elicitation/create`), and the answers to it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from magictunnel.catalog.keywords import ALL_TYPES, get
from magictunnel.catalog.model import Json
from magictunnel.discovery.arguments.fields import Field
from magictunnel.discovery.arguments.hiding import is_secret_name
from magictunnel.discovery.arguments.inputs import fields
from magictunnel.discovery.arguments.values import number

MAX_ASKED = 20
MAX_CHOICES = 100
_MAX_TEXT = 400
"""Characters of a description."""
_FORMATS = ("email", "uri", "date", "date-time")
"""Those that a form may ask for."""
_KEPT = {
    "string": ("minLength", "maxLength"),
    "integer": ("minimum", "maximum"),
    "number": ("minimum", "maximum"),
    "boolean": (),
}
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def form(tool: Json, missing: Sequence[str]) -> Json | None:
    """Params of one `elicitation/create` for just the `missing` properties.

    None if a form cannot ask for them: objects and lists, what the schema does not tell of, and credentials, which
    forms must not ask for.
    """
    known = {field.path[0]: field for field in fields(tool) if len(field.path) == 1}
    if not missing or len(missing) > MAX_ASKED or any(is_secret_name(name) for name in missing):
        return None
    asked = {name: _asked(known[name]) for name in missing if name in known}
    properties = {name: one for name, one in asked.items() if one is not None}
    if len(properties) != len(missing):
        return None
    name = str(tool.get("title") or tool.get("name") or "the tool")[:100]
    schema = {"type": "object", "properties": properties, "required": list(missing)}
    return {"mode": "form", "message": f"{name} needs: {', '.join(missing)[:_MAX_TEXT]}", "requestedSchema": schema}


def answered(tool: Json, content: Any) -> Json:
    """The answers to a form as its tool wants them, typed by its schema; what cannot be read so is left out."""
    if not isinstance(content, dict):
        return {}
    values: Json = {}
    for field in fields(tool):
        name = field.path[0]
        if len(field.path) == 1 and name in content and not field.is_list:
            value = _typed(content[name], field)
            if value is not None:
                values[name] = value
    return values


def _asked(field: Field) -> Json | None:
    """A property as forms know them: a text, a number, yes or no, or one of some texts."""
    kind = _kind(field)
    if kind is None:
        return None
    asked: Json = {"type": kind}
    values = _values(field)
    if values and kind != "boolean":
        asked = {"type": "string"}
        if len(values) <= MAX_CHOICES:
            asked["enum"] = list(dict.fromkeys(str(value) for value in values))
    else:
        asked |= {key: field.schema[key] for key in _KEPT[kind] if get(field.schema, key) is not None}
        if kind == "string" and field.schema.get("format") in _FORMATS:
            asked["format"] = field.schema["format"]
    for key, limit in (("title", 100), ("description", _MAX_TEXT)):
        text = field.schema.get(key)
        if isinstance(text, str) and text:
            asked[key] = text if len(text) <= limit else text[: limit - 3] + "..."
    return asked


def _kind(field: Field) -> str | None:
    if field.is_list:
        return None
    types = field.types - {"null"}
    if types == ALL_TYPES - {"null"}:
        return "string"
    return next((name for name in ("string", "integer", "number", "boolean") if name in types), None)


def _values(field: Field) -> list[Any]:
    """What the schema lists; of nothing but texts and numbers."""
    values = [field.schema["const"]] if "const" in field.schema else get(field.schema, "enum", [])
    return [value for value in values if isinstance(value, str | int | float) and not isinstance(value, bool)]


def _typed(value: Any, field: Field) -> Any:
    """An answer as the property's type; None if it is none."""
    if listed := _values(field):
        return next((one for one in listed if str(one) == str(value)), None)
    match _kind(field), value:
        case None, _:
            return None
        case "boolean", bool():
            return value
        case "boolean", str() if value.lower() in _TRUE + _FALSE:
            return value.lower() in _TRUE
        case (("integer" | "number"), bool()):
            return None
        case ("integer" | "number") as kind, (int() | float() | str()):
            return number(str(value).strip(), frozenset({str(kind)}))
        case "string", (str() | int() | float()) if not isinstance(value, bool):
            return str(value)
        case _:
            return None
