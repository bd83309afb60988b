"""The JSON Schema of capability files, made of their model: what an editor checks and explains while one is written."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from magictunnel.capabilities.authoring.meanings import MEANINGS
from magictunnel.capabilities.language import model, requests, values
from magictunnel.capabilities.language.model import WAYS, CapabilityFile
from magictunnel.capabilities.language.requests import BODIES
from magictunnel.catalog.model import Json
from magictunnel.config.values import parse_duration

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ID = "urn:magictunnel:capabilities"
_TITLE = "MagicTunnel capability file"
_SIZE = {"type": "string", "pattern": r"^\s*\d+\s*([Bb]|[KkMmGg][Bb])?\s*$", "examples": ["512KB", "16MB"]}
_DURATION = {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*(ms|s|m|h)?\s*$", "examples": ["500ms", "30s", "2m"]}
_BOUNDS = {"gt": "exclusiveMinimum", "le": "maximum"}
"""What pydantic calls bounds of a number that is one of two choices."""
_ONE_OF: Mapping[str, Sequence[str]] = {
    "Tool": WAYS,
    "Step": [way for way in WAYS if way != "steps"],
    "Message": ("text", "image", "audio", "resource"),
    "Resource": ("text", "file", "directory", "url"),
    "ResourceTemplate": ("text", "file", "http"),
    "Pages": ("link", "cursor", "number"),
}
"""Model -> the keys of which there is one."""


def json_schema() -> Json:
    """The schema of a whole file (2020-12), with what each key means, and with all short forms."""
    made = CapabilityFile.model_json_schema(by_alias=True, schema_generator=_Generator)
    definitions = made.pop("$defs")
    for name, definition in definitions.items():
        _describe(definition, getattr(model, name, None) or getattr(requests, name, None))
        _choose(definition, _ONE_OF.get(name, ()))
    _describe(made, CapabilityFile)
    if http := definitions.get("Http"):
        http["not"] = {"anyOf": [{"required": [one, other]} for one, other in _pairs(BODIES)]}
    head = {"$schema": _DIALECT, "$id": _ID, "title": _TITLE}
    whole: Json = head | _plain(made | {"$defs": dict(sorted(definitions.items()))})
    return whole


def published() -> str:
    """The text of docs/capabilities.schema.json."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


class _Generator(GenerateJsonSchema):
    """Knows the short forms, which pydantic takes by functions that it cannot see into."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        made = super().function_before_schema(schema)
        short = _SHORT.get(schema["function"]["function"])
        return short(made) if short else made


def _or(short: Json) -> Callable[[Json], Json]:
    return lambda made: {"anyOf": [short, made]}


def _or_plain(part: Json) -> Json:
    """A value alone, whatever it is; an object with `value` is one that says more."""
    return {"anyOf": [part, {"not": {"type": "object", "required": ["value"]}}]}


_MODELS = frozenset({model.__name__, requests.__name__, values.__name__})

_SHORT: Mapping[Any, Callable[[Json], Json]] = {
    values.parse_size: _or(_SIZE),
    parse_duration: _or(_DURATION),
    model.as_argv: _or({"type": "array", "minItems": 1}),
    model.as_function: _or({"type": "string", "pattern": r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$"}),
    requests.as_part: _or_plain,
}


def _describe(definition: Json, owner: type[Any] | None) -> None:
    """Say of each key what it means."""
    bases = [one for one in inspect.getmro(owner or object) if one.__module__ in _MODELS]
    told = {key: words for base in reversed(bases) for key, words in _words(base).items()}
    for key, schema in definition.get("properties", {}).items():
        by_model = (MEANINGS[name] for base in bases if (name := f"{base.__name__}.{key}") in MEANINGS)
        schema["description"] = next(by_model, None) or told.get(key) or MEANINGS.get(key, "")


def _words(owner: type[Any]) -> dict[str, str]:
    """Key -> its docstring. Read when the schema is made: to have pydantic do it would cost each start."""
    (body,) = ast.parse(inspect.getsource(owner)).body
    assert isinstance(body, ast.ClassDef)
    found = {}
    for one, after in zip(body.body, body.body[1:], strict=False):
        match one, after:
            case (
                ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str() as words)),
            ):
                fields = getattr(owner, "model_fields", {})
                key = (fields[name].alias if name in fields else None) or name
                found[key] = " ".join(words.split()).replace("None:", "Left out:")
    return found


def _choose(definition: Json, keys: Sequence[str]) -> None:
    if keys:
        definition["oneOf"] = [{"required": [key]} for key in keys]


def _pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    return [(one, other) for place, one in enumerate(names) for other in names[place + 1 :]]


def _plain(schema: Any) -> Any:
    """`schema` without what helps nobody: titles that repeat a key, and `null` for what may be left out."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {_BOUNDS.get(key, key): _plain(value) for key, value in schema.items() if not _is_noise(key, value)}
    if "patternProperties" in kept:
        kept["additionalProperties"] = False
    choices = [one for one in kept.pop("anyOf", ()) if one != {"type": "null"}]
    if len(choices) == 1:
        return choices[0] | kept
    return kept | ({"anyOf": choices} if choices else {})


def _is_noise(key: str, value: Any) -> bool:
    return (
        key == "discriminator"
        or (key == "title" and isinstance(value, str))
        or (key == "default" and (not value or isinstance(value, dict)))
    )
