"""YAML 1.2 and JSON text -> data, quickly and within bounds: dates, `on` and `no` stay text, as do all keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec
from math import isfinite
from typing import Any

from ruamel.yaml import YAML, events
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from magictunnel.errors import ConfigError

MAX_NODES = 3_000_000
"""Values in all, those counted again that an alias repeats."""
MAX_DEPTH = 200
_INT = re.compile(r"[-+]?\d{1,300}")
_OCTAL_OR_HEX = re.compile(r"0o[0-7]{1,300}|0x[0-9a-fA-F]{1,300}")
_FLOAT = re.compile(r"[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d{1,3})?")
_WORDS = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None, "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_LONE = re.compile(r"[\ud800-\udfff]")
_SLIPS = (YAMLError, ValueError, LookupError, AttributeError, TypeError, AssertionError, ArithmeticError)
"""What the parser fails with; some broken text gets as far as its own code."""


def parse(text: str, where: str) -> Any:
    """What the one document in `text` is. `where` is named in errors.

    Raises:
        ConfigError: it is not well-formed, or larger than the bounds once its aliases stand for themselves.
    """
    try:
        return _Builder(_parser().parse(text), where).built()
    except _SLIPS as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        what = str(error.problem) if isinstance(error, MarkedYAMLError) and error.problem else "it cannot be understood"
        line = mark.line + 1 if mark else 0
        raise ConfigError(f"not valid YAML: {' '.join(what.split())[:200]}", file=where, line=line) from error


def _parser() -> YAML:
    """libyaml's, twenty times as fast, where this machine has it."""
    return YAML(typ="safe", pure=find_spec("_ruamel_yaml") is None)


def scalar(text: str) -> Any:
    """What plain `text` is by the core schema of YAML 1.2; no number that JSON does not have."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _INT.fullmatch(text):
        return _as_json(int(text))
    if _OCTAL_OR_HEX.fullmatch(text):
        return _as_json(int(text, 0))
    if _FLOAT.fullmatch(text) and isfinite(number := float(text)):
        return number
    return text


def _as_json(number: int) -> int | float:
    """As those who read JSON have it, who keep no more than 64 bits."""
    return number if -(1 << 63) <= number < 1 << 64 else float(number)


class _Builder:
    def __init__(self, stream: Iterator[Any], where: str) -> None:
        self._stream = stream
        self._where = where
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._nodes = 0

    def built(self) -> Any:
        value: Any = None
        documents = 0
        for event in self._stream:
            if isinstance(event, events.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise ConfigError("it holds several documents", file=self._where, hint="keep one of them")
                value = self._value(next(self._stream), 0)
        return value

    def _value(self, event: Any, depth: int) -> Any:
        before = self._nodes
        self._count(1)
        if isinstance(event, events.AliasEvent):
            return self._repeated(event)
        if depth > MAX_DEPTH:
            raise ConfigError(f"it is nested deeper than {MAX_DEPTH} levels", file=self._where)
        if isinstance(event, events.ScalarEvent):
            value = scalar(event.value) if event.implicit[0] else self._text(event.value)
        elif isinstance(event, events.SequenceStartEvent):
            value = self._list(depth)
        else:
            value = self._mapping(depth)
        if event.anchor:
            self._anchors[event.anchor] = (value, self._nodes - before)
        return value

    def _text(self, text: str) -> str:
        if not text.isascii() and _LONE.search(text):
            raise ConfigError("it has half a character (a lone surrogate) in it", file=self._where)
        return text

    def _list(self, depth: int) -> list[Any]:
        values = []
        while not isinstance(event := next(self._stream), events.SequenceEndEvent):
            values.append(self._value(event, depth + 1))
        return values

    def _mapping(self, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        merged: list[dict[str, Any]] = []
        while not isinstance(event := next(self._stream), events.MappingEndEvent):
            is_text = isinstance(event, events.ScalarEvent)
            key = self._text(event.value) if is_text else str(self._value(event, depth + 1))
            value = self._value(next(self._stream), depth + 1)
            if key == "<<" and is_text and event.implicit[0]:
                merged += [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]
            else:
                values[key] = value
        for one in merged:
            values = one | values
        return values

    def _repeated(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            raise ConfigError(f"*{event.anchor} stands for nothing before it", file=self._where)
        value, size = self._anchors[event.anchor]
        self._count(size)
        return value

    def _count(self, more: int) -> None:
        self._nodes += more
        if self._nodes > MAX_NODES:
            raise ConfigError(f"it comes to more than {MAX_NODES:,} values", file=self._where)
