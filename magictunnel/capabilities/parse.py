"""The text of a capability file -> CapabilityFile; whatever is wrong with it, with its line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from magictunnel.capabilities.faults import Fault, faults
from magictunnel.capabilities.model import CapabilityFile
from magictunnel.config.explain import did_you_mean
from magictunnel.config.text import MAX_MADE, Document, parse_text, read_text
from magictunnel.errors import ConfigError

_EXPECTED = "a capability file has `tools`, `prompts`, `resources` or `resourceTemplates`"
_MOST_TOLD = 5
_BY_REFERENCE = "write ${VARIABLE} or ${keyring:NAME}: a secret does not stand in the file"


def read_file(path: Path) -> CapabilityFile:
    """The capability file at `path`. Raises ConfigError as `parse` does, or because it cannot be read."""
    return parse(read_text(path, MAX_MADE), str(path))


def parse(text: str, file: str) -> CapabilityFile:
    """What the text of `file` declares.

    Raises:
        ConfigError: it is no YAML, has a key that nobody reads, or something in it cannot work.
    """
    document = parse_text(text, file, MAX_MADE)
    if not isinstance(document.data, dict):
        raise ConfigError("should be a mapping", file=file, line=1, hint=_EXPECTED)
    try:
        found = CapabilityFile.model_validate(document.data)
    except ValidationError as error:
        raise _explained(error, document) from error
    wrong = list(faults(found))
    if wrong:
        raise _told(wrong, document)
    return found


def _told(wrong: Sequence[Fault], document: Document) -> ConfigError:
    """All faults as one error, at the first of them."""
    placed = sorted(((document.line_of(fault.path), fault) for fault in wrong), key=lambda one: one[0])
    first = placed[0][0]
    message = "; ".join(_at(fault, line, first) for line, fault in placed[:_MOST_TOLD])
    if len(wrong) > _MOST_TOLD:
        message += f"; and {len(wrong) - _MOST_TOLD} more"
    hint = next((fault.hint for _, fault in placed if fault.hint), "")
    return ConfigError(message, file=document.file, line=first, hint=hint)


def _at(fault: Fault, line: int, first: int) -> str:
    where = _dotted(fault.path)
    return f"{where}: {fault.message}" if line == first else f"line {line}: {where}: {fault.message}"


def _explained(error: ValidationError, document: Document) -> ConfigError:
    found = error.errors(include_url=False, include_input=False)
    return _told([_fault(one, document.data) for one in found], document)


def _fault(found: Any, data: Any) -> Fault:
    path = tuple(_standing(found["loc"], data, is_missing=found["type"] == "missing"))
    kind, message = found["type"], " ".join(str(found["msg"]).split())
    if kind == "extra_forbidden":
        return Fault(path, "unknown key", did_you_mean(str(path[-1]), _known(found["loc"])))
    if kind == "missing":
        return Fault(path, "is missing")
    if kind == "string_pattern_mismatch" and "\\$" in message:
        return Fault(path, "should be a reference", _BY_REFERENCE)
    return Fault(path, message[:1].lower() + message[1:])


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
            field for model in models for name, field in model.model_fields.items() if step in (name, field.alias)
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


def _dotted(path: Sequence[str | int]) -> str:
    text = ".".join(str(step) for step in path) or "the file"
    return text if text.isprintable() else ascii(text)
