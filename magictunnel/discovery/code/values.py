"""Values on their way into a script and out of it: plain, of bounded size, whatever they are. Pure.

What goes in is cleaned of what cannot be told in Unicode, and of bytes. What comes out may hold one list a thousand
times, and that a thousand times again: it is small until it is written down, so it is written down piece by piece.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, time
from decimal import Decimal
from pathlib import PurePath
from typing import Any
from uuid import UUID

from magictunnel.catalog.model import Json

MAX_DEPTH = 100
"""Levels of a value, in either direction."""
MAX_VALUES = 1_000_000
"""Single values in one result of a tool."""
MAX_MESSAGE = 2000
"""Characters of an error of a tool, as a script is told it."""
MAX_BITS = 4000
"""Of a whole number: more digits than Python reads back."""

_BYTES = ("data", "blob")
"""Fields of content that hold bytes in base64."""


class ToolFailed(Exception):
    """A tool answered that it failed, or what a script cannot take; the message says so."""


class NotJson(Exception):
    """A value is none that JSON has, or too large."""


def result_value(result: Json) -> Any:
    """What a call returns inside a script. Raises ToolFailed.

    Structured content as it is; else its content: text, or what it is the JSON of, and a list of several. Bytes become
    their number.
    """
    if result.get("isError") is True:
        raise ToolFailed(_message(result))
    structured = result.get("structuredContent")
    return clean(structured if structured is not None else _content(result))


def _content(result: Json) -> Any:
    content = result.get("content")
    if not isinstance(content, list):
        return {key: value for key, value in result.items() if key != "_meta"}
    values = [_block(block) for block in content]
    return values[0] if len(values) == 1 else values


def _block(block: Any) -> Any:
    """One block of content."""
    if not isinstance(block, dict):
        return block
    text = block.get("text")
    if block.get("type") == "text" and isinstance(text, str):
        return _read(text)
    if isinstance(block.get("resource"), dict):
        return {"type": "resource", **_opaque(block["resource"])}
    return _opaque(block)


def _read(text: str) -> Any:
    """What `text` is the JSON of, if it is an object or a list: a number may well be the name of something."""
    if text.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text


def _opaque(block: Json) -> Json:
    """`block` with the number of its bytes for each of its fields of bytes."""
    kept = {key: value for key, value in block.items() if key not in (*_BYTES, "_meta")}
    sizes = [len(block[key]) * 3 // 4 for key in _BYTES if isinstance(block.get(key), str)]
    return kept | ({"bytes": sum(sizes)} if sizes else {})


def _message(result: Json) -> str:
    """What a failed tool says."""
    content = result.get("content")
    blocks = content if isinstance(content, list) else []
    texts = [block["text"] for block in blocks if isinstance(block, dict) and isinstance(block.get("text"), str)]
    return cleaned("\n".join(text[:MAX_MESSAGE] for text in texts[:10]))[:MAX_MESSAGE] or "the tool failed"


def cleaned(text: str) -> str:
    """`text` with every character that UTF-8 has."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def clean(value: Any) -> Any:
    """`value`, JSON of any shape, with texts that are Unicode. Raises ToolFailed."""
    return _Cleaner().clean(value, 0)


class _Cleaner:
    def __init__(self) -> None:
        self._room = MAX_VALUES

    def clean(self, value: Any, depth: int) -> Any:
        self._room -= 1
        if depth > MAX_DEPTH or self._room < 0:
            raise ToolFailed("the result of the tool is too large or too deep for a script")
        if isinstance(value, str):
            return cleaned(value)
        if isinstance(value, list):
            return [self.clean(one, depth + 1) for one in value]
        if isinstance(value, dict):
            return {cleaned(str(key)): self.clean(one, depth + 1) for key, one in value.items()}
        return value


def told(value: Any, limit: int) -> tuple[str, bool]:
    """A value out of a script as JSON, at most `limit` characters, and whether that is all of it."""
    return _joined(_Writer(limit, strict=False).pieces(value, 0), limit)


def plain(value: Any, limit: int) -> Any:
    """A copy of a value out of a script that is JSON, of at most `limit` characters. Raises NotJson."""
    text, whole = _joined(_Writer(limit, strict=True).pieces(value, 0), limit)
    if not whole:
        raise NotJson(f"it is longer than {limit} characters")
    return json.loads(text)


def _joined(pieces: Iterator[str], limit: int) -> tuple[str, bool]:
    kept, room = [], limit
    for piece in pieces:
        kept.append(piece[:room])
        room -= len(piece)
        if room < 0:
            return "".join(kept), False
    return "".join(kept), True


class _Writer:
    """Writes values as JSON, a piece at a time. `strict`: raises NotJson for what JSON does not have."""

    def __init__(self, limit: int, *, strict: bool) -> None:
        self._limit = limit
        self._strict = strict

    def pieces(self, value: Any, depth: int) -> Iterator[str]:
        if depth > MAX_DEPTH:
            yield self._other(f"more than {MAX_DEPTH} levels")
        elif isinstance(value, dict):
            yield from self._object(value, depth)
        elif isinstance(value, list | tuple if self._strict else list | tuple | set | frozenset):
            yield from self._array(value, depth)
        elif not self._strict and isinstance(fields := getattr(value, "attributes", None), dict):
            yield from self._object(fields, depth)  # an object of a class of the script's
        else:
            yield self._single(value)

    def _object(self, value: dict[Any, Any], depth: int) -> Iterator[str]:
        before = "{"
        for key, one in value.items():
            yield before + self._text(self._key(key)) + ": "
            yield from self.pieces(one, depth + 1)
            before = ", "
        yield "}" if value else "{}"

    def _array(self, value: Any, depth: int) -> Iterator[str]:
        before = "["
        for one in value:
            yield before
            yield from self.pieces(one, depth + 1)
            before = ", "
        yield "]" if value else "[]"

    def _key(self, key: Any) -> str:
        if isinstance(key, str):
            return key
        if self._strict:
            raise NotJson(f"a key of it is of type {type(key).__name__}, not text")
        return _joined(self.pieces(key, MAX_DEPTH), self._limit)[0]

    def _single(self, value: Any) -> str:
        if value is None or isinstance(value, bool):
            return json.dumps(value)
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, int):
            return str(value) if value.bit_length() <= MAX_BITS else self._other("a number of too many digits")
        if isinstance(value, float):
            finite = value - value == 0
            return repr(value) if finite else self._other(f"the number {value}")
        if isinstance(value, date | time):
            return self._text(value.isoformat())
        return self._foreign(value)

    def _foreign(self, value: Any) -> str:
        """What JSON has nothing like."""
        name = type(value).__name__
        if self._strict:
            return self._other(f"a value of type {name}")
        if isinstance(value, bytes | bytearray):
            return self._other(f"{len(value)} bytes")
        if isinstance(value, BaseException):
            return self._text(f"{name}: {value}")
        return self._text(str(value)) if isinstance(value, Decimal | UUID | PurePath | complex) else self._other(name)

    def _text(self, text: str) -> str:
        return json.dumps(cleaned(text[: self._limit + 1]), ensure_ascii=False)

    def _other(self, what: str) -> str:
        if self._strict:
            raise NotJson(f"it holds {what}")
        return json.dumps(f"<{what}>")
