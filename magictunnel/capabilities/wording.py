"""What pydantic finds wrong in a capability file, as faults in words for a person. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from magictunnel.capabilities.faults import Fault
from magictunnel.capabilities.language.model import WAYS, CapabilityFile
from magictunnel.config.explain import did_you_mean, in_words, nearest

_BY_REFERENCE = "write ${VARIABLE} or ${keyring:NAME}: a secret does not stand in the file"
_SIZES = frozenset({"spill", "max_output", "max_memory"})
"""Keys with a number of bytes."""
_MAPPINGS: Mapping[str, str] = {
    "Command": "should be a list of arguments, such as [git, status], or a mapping with `argv`",
    "Python": "should be `module:function`, or a mapping with `function`",
    "Mcp": "should be a mapping with `tool`",
    "Http": "should be a mapping with `url`",
    "GraphQL": "should be a mapping with `url` and `query`",
    "Message": "should be a mapping with one of text, image, audio and resource",
    "PromptArgument": "should be a mapping with `name`",
    "Tool": "should be a mapping with `name`",
    "Step": "should be a mapping with `name`",
    "Prompt": "should be a mapping with `name` and `messages`",
}
"""Model -> what should stand where it is expected."""
_BY_KEY: Mapping[tuple[str, str], tuple[str, str]] = {
    ("method", "string_pattern_mismatch"): ("should be a method in capital letters, such as GET or POST", ""),
    ("function", "string_pattern_mismatch"): ("should be `module:function`", "such as `tools.weather:forecast`"),
    ("python", "string_pattern_mismatch"): ("should be `module:function`", "such as `tools.weather:forecast`"),
    ("argv", "tuple_type"): ("should be a list of arguments, such as [git, status]", ""),
    ("argv", "too_short"): ("needs a program: its first element", ""),
    ("command", "too_short"): ("needs a program: its first element", ""),
    ("timeout", "float_parsing"): ("should be a duration such as 500ms, 30s or 2m, or a number of seconds", ""),
    ("timeout", "float_type"): ("should be a duration such as 500ms, 30s or 2m, or a number of seconds", ""),
}
"""Key, and kind of fault -> what is said of it, and a hint."""
_LEGAL = "should be made of letters, digits, _ and -, 128 of them at most"
_SIZE = "should be a size such as 512KB or 16MB, or a number of bytes"


def worded(error: ValidationError, data: Any) -> list[Fault]:
    """All faults that pydantic found in `data`, each once, at the places where they stand in the file."""
    found = error.errors(include_url=False, include_input=False)
    return list(dict.fromkeys(_fault(one, data) for one in found if not _is_echo(one, data)))


def _is_echo(found: Any, data: Any) -> bool:
    """Whether a list is only called too short because of what is wrong with its elements, which is told."""
    return found["type"] == "too_short" and bool(_at(data, tuple(_standing(found["loc"], data, is_missing=False))))


def _fault(found: Any, data: Any) -> Fault:
    kind, given = found["type"], found.get("ctx", {})
    path = tuple(_standing(found["loc"], data, is_missing=kind == "missing"))
    key = next((step for step in reversed(path) if isinstance(step, str)), "")
    if kind == "extra_forbidden":
        return Fault(path, "unknown key", did_you_mean(str(path[-1]), _known(found["loc"])))
    if kind.startswith("union_tag"):
        return _of_type((*path, "type"), kind, _at(data, (*path, "type")))
    if any(str(step).startswith("tuple[") or step == "str" for step in found["loc"]):
        names = path[: found["loc"].index(key) + 1] if key in found["loc"] else path
        return Fault(names, "should be a name, or a list of names")
    if kind in ("enum", "literal_error"):
        return _of_choice(path, str(given["expected"]), _at(data, path))
    if kind == "one_way" and "them" in given:
        return Fault(path, _which_way([name for name in WAYS if name in (_at(data, path) or ())]))
    if (key, kind) in _BY_KEY:
        return Fault(path, *_BY_KEY[key, kind])
    if kind in ("model_type", "model_attributes_type"):
        return Fault(path, _MAPPINGS.get(given.get("class_name", ""), "should be a mapping"))
    if kind.startswith("int_"):
        return Fault(path, _SIZE if key in _SIZES else "should be a whole number")
    return _of_text(path, kind, found, _at(data, path))


def _which_way(found: Sequence[str]) -> str:
    """Of something that runs in none of the ways there are, or in several."""
    if found:
        return f"runs in one way, and here are {' and '.join(found)}"
    return f"does not say how it runs, by one of {', '.join(WAYS)}"


def _of_type(path: tuple[str | int, ...], kind: str, given: Any) -> Fault:
    """Of credentials, which are chosen by their `type`."""
    models = [model for model in _models(CapabilityFile.model_fields["auth"].annotation) if _types(model)]
    known = [name for model in models for name in _types(model)]
    if kind == "union_tag_not_found":
        return Fault(path, "is missing", f"one of {', '.join(known)}")
    return _of_choice(path, ", ".join(map(repr, known)), given)


def _of_choice(path: tuple[str | int, ...], expected: str, given: Any) -> Fault:
    near = nearest(given, re.findall(r"'([^']*)'", expected)) if isinstance(given, str) else None
    return Fault(path, f"should be one of {expected}".replace(" or ", ", "), f"did you mean {near!r}?" if near else "")


def _of_text(path: tuple[str | int, ...], kind: str, found: Any, given: Any) -> Fault:
    if kind == "string_type" and isinstance(given, bool | int | float):
        return Fault(path, "should be text", "put it in quotes")
    if kind == "string_pattern_mismatch":
        is_reference = "\\$" in found["ctx"]["pattern"]
        return Fault(path, "should be a reference", _BY_REFERENCE) if is_reference else Fault(path, _LEGAL)
    if kind in ("mapping_type", "too_short", "too_long"):
        return Fault(path, "should be a mapping" if kind == "mapping_type" else _length(kind, found["ctx"]))
    message = in_words(found)
    return Fault(path, message[:1].lower() + message[1:])


def _length(kind: str, given: Mapping[str, Any]) -> str:
    if kind == "too_short":
        return f"should have at least {given['min_length']} in it"
    return f"should have at most {given['max_length']} in it"


def _at(data: Any, path: Sequence[str | int]) -> Any:
    """The value at `path`, which is there; None: it is not."""
    for step in path:
        if isinstance(data, dict):
            data = data.get(step)
        else:
            data = data[step] if isinstance(data, list) and isinstance(step, int) and step < len(data) else None
    return data


def _standing(path: Sequence[str | int], data: Any, *, is_missing: bool) -> Iterator[str | int]:
    """`path` as it stands in the file: pydantic also names what was chosen, and what a short form stands for."""
    for position, step in enumerate(path):
        is_key = isinstance(data, dict) and step in data
        is_place = isinstance(data, list) and isinstance(step, int) and step < len(data)
        if is_key or is_place:
            data = data[step]
        elif not (is_missing and position == len(path) - 1):
            continue
        yield step


def _known(path: Sequence[str | int]) -> list[str]:
    """The keys that may stand where the last of `path` stands."""
    models: list[type[BaseModel]] = [CapabilityFile]
    for step in path[:-1]:
        fields = [
            field for model in models for name, field in model.model_fields.items() if step == (field.alias or name)
        ]
        if fields:
            models = [model for field in fields for model in _models(field.annotation)]
        elif chosen := [model for model in models if step in _types(model)]:
            models = chosen
    return [field.alias or name for model in models for name, field in model.model_fields.items()]


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The models within an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _types(model: type[BaseModel]) -> tuple[Any, ...]:
    """What `type` may be of a model that is chosen by it."""
    field = model.model_fields.get("type")
    return get_args(field.annotation) if field else ()
