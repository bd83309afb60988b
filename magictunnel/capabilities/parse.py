"""The text of a capability file -> CapabilityFile; whatever is wrong with it, with its line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from magictunnel.capabilities.faults import Fault, faults
from magictunnel.capabilities.language.model import CapabilityFile
from magictunnel.config.text import MAX_MADE, Document, parse_text, read_text
from magictunnel.errors import ConfigError

_EXPECTED = "a capability file has `tools`, `prompts`, `resources` or `resourceTemplates`"
_MOST_TOLD = 5
_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'")
_BARE = re.compile(r"(?:^\s*|[:,-]\s+|[\[{].*?)(?P<bare>\{\{[^{}]*\}?\}?)")
"""A placeholder where YAML takes it for a mapping: at the beginning of a value, or within braces or brackets."""
_OF_STEP = re.compile(r"steps? '(?P<name>[^']+)'|wait for each other: (?P<first>\S+)")


def read_file(path: Path) -> CapabilityFile:
    """The capability file at `path`. Raises ConfigError as `parse` does, or because it cannot be read."""
    return parse(read_text(path, MAX_MADE), str(path))


def parse(text: str, file: str) -> CapabilityFile:
    """What the text of `file` declares.

    Raises:
        ConfigError: it is no YAML, has a key that nobody reads, or something in it cannot work.
    """
    document = _document(text, file)
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


def _document(text: str, file: str) -> Document:
    """The content of `file`. Raises ConfigError, with a word on placeholders if one without quotes may be why."""
    try:
        return parse_text(text, file, MAX_MADE)
    except ConfigError as error:
        lines = text.splitlines()[max(error.line - 2, 0) : error.line] if error.line else []
        bare = next((found["bare"] for line in reversed(lines) if (found := _BARE.search(_QUOTED.sub("", line)))), None)
        if bare is None or error.hint:
            raise
        whole = bare if bare.endswith("}}") and bare.isprintable() else "{{NAME}}"
        hint = f'put what has a placeholder in it in quotes: "{whole}"'
        raise ConfigError(error.message, file=error.file, line=error.line, hint=hint) from error


def _explained(error: ValidationError, document: Document) -> ConfigError:
    from magictunnel.capabilities.authoring.migrate import is_old  # files without mistakes do without it
    from magictunnel.capabilities.wording import worded

    if is_old(document.data):
        hint = f"magictunnel capabilities migrate {document.file} -o NEW"
        return ConfigError("this is a file of MagicTunnel 0.3", file=document.file, line=1, hint=hint)
    return _told(worded(error, document.data), document)


def _told(wrong: Iterable[Fault], document: Document) -> ConfigError:
    """All faults as one error, at the first of them. A hint stands behind the fault that it is about."""
    known = [fault._replace(path=_of_step(fault, document.data)) for fault in wrong]
    placed = sorted(((document.line_of(fault.path), fault) for fault in known), key=lambda one: one[0])
    first = placed[0][0]
    shown = placed[:_MOST_TOLD]
    hints = {fault.hint for _, fault in shown}
    for_all = hints.pop() if len(hints) == 1 else ""
    message = "; ".join(_in_line(fault, line, first, for_all) for line, fault in shown)
    if len(placed) > _MOST_TOLD:
        message += f"; and {len(placed) - _MOST_TOLD} more"
    return ConfigError(message, file=document.file, line=first, hint=for_all)


def _in_line(fault: Fault, line: int, first: int, for_all: str) -> str:
    place = "" if line == first else f"line {line}: "
    hint = f" ({fault.hint})" if fault.hint and not for_all else ""
    return f"{place}{_dotted(fault.path)}: {fault.message}{hint}"


def _of_step(fault: Fault, data: Any) -> tuple[str | int, ...]:
    """Where the step stands that is named by a fault in the order of several, as far as one is."""
    if fault.path[-1:] != ("steps",):
        return fault.path
    if fault.message.startswith("`result`"):
        return (*fault.path[:-1], "result")
    named = _OF_STEP.search(fault.message)
    if named is None:
        return fault.path
    for key in fault.path:
        data = data[key]
    name = named["name"] or named["first"]
    places = [index for index, step in enumerate(data) if step.get("name") == name]
    return (*fault.path, places[-1]) if places else fault.path


def _dotted(path: Sequence[str | int]) -> str:
    text = ".".join(str(step) for step in path) or "the file"
    return text if text.isprintable() else ascii(text)
