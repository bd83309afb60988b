"""The content of a capability file -> its text, as a person would have written it; and the text into its place."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from magictunnel.catalog.model import Json
from magictunnel.errors import ConfigError

_WIDTH = 120
_MAX_KEY = 900
"""Characters; of a longer one, parsers do not see that it is a key unless it is marked."""
_FEW = 2
"""Keys of a mapping that may stand on one line."""
_PLAIN = re.compile(r"[A-Za-z_/$](?:[\w ./()$@+=;!?'\"&*%<>|^\\~{}\[\],-]|:(?=\S))*(?<! )(?<!:)")
_PLAIN_IN_FLOW = re.compile(r"[\w ./()$@+=-]*")
"""Parsers do not agree about the rest."""
_NO_TEXT = re.compile(r"true|false|null|yes|no|on|off|y|n", re.IGNORECASE)
"""What some reader of YAML takes for something else."""
_ODD = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")
"""Characters that do not stand in YAML as they are."""
_BLOCK = re.compile(r"[^\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]*")


def to_yaml(content: Json, header: Sequence[str] = ()) -> str:
    """`content` (JSON) as YAML, in its own order, under `header`, lines of a comment."""
    lines = [f"# {line}".rstrip() for line in header]
    lines.extend(_mapping(content, "") if content else ["{}"])
    return "\n".join(lines) + "\n"


def to_json(content: Json) -> str:
    """`content` as JSON: it is read much faster than YAML, and has no comments."""
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def to_text(content: Json, file: str, header: Sequence[str] = ()) -> str:
    """`content` as JSON where `file` is called so, else as YAML."""
    return to_json(content) if file.lower().endswith(".json") else to_yaml(content, header)


def write_file(path: Path, text: str, *, over: bool = False) -> None:
    """Write `text` to `path`, whole or not at all; to replace what stands there is to be said (`over`).

    Raises:
        ConfigError: something stands there, or it cannot be written. Nothing has changed then.
    """
    if not over and path.exists():
        raise ConfigError("it is there already", file=str(path), hint="--force writes over it; or name another file")
    target = Path(os.path.realpath(path))
    try:
        handle, beside = tempfile.mkstemp(prefix=".magictunnel-", suffix=".tmp", dir=target.parent)
        try:
            with open(handle, "wb") as file:
                file.write(text.encode())
                with contextlib.suppress(AttributeError):  # Windows has no such thing
                    os.fchmod(file.fileno(), target.stat().st_mode & 0o7777 if target.exists() else 0o644)
            os.replace(beside, target)
        finally:
            Path(beside).unlink(missing_ok=True)
    except OSError as error:
        hint = "check the folder and its permissions"
        raise ConfigError(f"it cannot be written: {error.strerror or error}", file=str(path), hint=hint) from error


# --- YAML, line by line


def _mapping(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, member in value.items():
        written = _text(str(key))
        start = f"{indent}{written}:" if len(written) <= _MAX_KEY else f"{indent}? {written}\n{indent}:"
        yield from _member(start, member, indent + "  ")


def _sequence(value: Sequence[Any], indent: str) -> Iterator[str]:
    for member in value:
        if isinstance(member, Mapping | list | tuple) and member and not _on_one_line(member, len(indent) + 2):
            first, *rest = _below(member, indent + "  ")
            yield f"{indent}- {first[len(indent) + 2 :]}"
            yield from rest
        else:
            yield from _member(f"{indent}-", member, indent + "  ")


def _below(value: Any, indent: str) -> Iterator[str]:
    return _mapping(value, indent) if isinstance(value, Mapping) else _sequence(value, indent)


def _member(start: str, value: Any, indent: str) -> Iterator[str]:
    """`value` behind `start`, which is its key or its dash."""
    if isinstance(value, Mapping | list | tuple):
        if line := _on_one_line(value, len(start) + 1):
            yield f"{start} {line}"
        else:
            yield start
            yield from _below(value, indent)
    elif isinstance(value, str) and _is_block(value):
        yield f"{start} |{_chomping(value)}"
        for line in value.removesuffix("\n").split("\n"):
            yield indent + line if line else ""
    else:
        yield f"{start} {_scalar(value)}"


def _is_block(text: str) -> bool:
    """Whether it reads best line by line, and can stand so."""
    return "\n" in text and not text[0].isspace() and bool(_BLOCK.fullmatch(text)) and bool(text.strip())


def _chomping(text: str) -> str:
    ends = len(text) - len(text.rstrip("\n"))
    return ("-", "")[ends] if ends < 2 else "+"


def _on_one_line(value: Any, column: int) -> str:
    """A container of a few plain values on the rest of a line that begins at `column`; nothing if it should not be."""
    if not value:
        return "{}" if isinstance(value, Mapping) else "[]"
    if isinstance(value, Mapping):
        if len(value) > _FEW:
            return ""
        parts = [f"{_text(str(key), in_flow=True)}: {_in_flow(member)}" for key, member in value.items()]
        line = f"{{{', '.join(parts)}}}" if all(map(_is_small, value.values())) else ""
    else:
        line = f"[{', '.join(map(_in_flow, value))}]" if all(map(_is_small, value)) else ""
    return line if len(line) + column <= _WIDTH else ""


def _is_small(value: Any) -> bool:
    return not isinstance(value, Mapping | list | tuple) and not (isinstance(value, str) and "\n" in value)


def _in_flow(value: Any) -> str:
    return _scalar(value, in_flow=True) if _is_small(value) else ""


def _scalar(value: Any, *, in_flow: bool = False) -> str:
    if isinstance(value, str):
        return _text(value, in_flow=in_flow)
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    return json.dumps(value)


@lru_cache(8_192)
def _text(text: str, *, in_flow: bool = False) -> str:
    is_plain = _PLAIN.fullmatch(text) and not _NO_TEXT.fullmatch(text) and not _ODD.search(text)
    if is_plain and (_PLAIN_IN_FLOW.fullmatch(text) or not in_flow):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return _ODD.sub(lambda found: f"\\U{ord(found[0]):08x}", quoted)
