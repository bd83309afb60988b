"""What a person types for a tool's arguments -> the JSON its schema wants. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from magictunnel.catalog.model import Json
from magictunnel.errors import ConfigError

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def parse_arguments(words: Sequence[str], schema: Json) -> Json:
    """`key=value` words, one `{...}` object, or one `@file` with such an object.

    A value takes the type that `schema` gives its key; a key given twice makes an array where one is wanted.

    Raises:
        ConfigError: a word is none of these, or does not fit the type.
    """
    if len(words) == 1 and words[0].startswith(("{", "@")):
        return _object(words[0])
    arguments: Json = {}
    properties = schema.get("properties") if isinstance(schema.get("properties"), dict) else {}
    for word in words:
        _ensure_text(word)
        key, sign, text = word.partition("=")
        if not sign or not key:
            raise ConfigError(f"{word!r} is not an argument", hint="write key=value, '{...}' or @file.json")
        types = _types(properties.get(key, {}))  # type: ignore[union-attr]
        value = coerce(key, text, types)
        if "array" in types and not isinstance(value, list):
            value = [*arguments.get(key, []), value]
        arguments[key] = value
    return arguments


def _ensure_text(word: str) -> None:
    try:
        word.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{word!a} is not UTF-8 text", hint="put bytes into a file, and name that") from None


def coerce(key: str, text: str, types: Sequence[str]) -> Any:
    """`text` as the first of the JSON Schema `types` that it can be; with none given, as what it looks like.

    Raises:
        ConfigError: it can be none of them.
    """
    if not types:
        return _looks_like(text)
    for name in types:
        try:
            return _READERS[name](text)
        except (KeyError, ValueError):
            continue
    if "array" in types and not text.startswith("["):
        return _looks_like(text)
    raise ConfigError(f"{key}={text!r} is not {' or '.join(types)}", hint=f"{key} wants a value of that type")


def _types(schema: Any) -> list[str]:
    """The types a property may have, most particular first: a string takes anything, so it comes last."""
    if not isinstance(schema, dict):
        return []
    given = schema.get("type")
    found = {given} if isinstance(given, str) else set(given) if isinstance(given, list) else set()
    for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        found |= set(_types(choice))
    return [name for name in _READERS if name in found]


def _integer(text: str) -> int:
    number = float(text)
    if not number.is_integer():
        raise ValueError(text)
    return int(text) if text.lstrip("+-").isdigit() else int(number)


def _number(text: str) -> float | int:
    number = int(text) if text.lstrip("+-").isdigit() else float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError(text)


def _null(text: str) -> None:
    if text.lower() not in ("null", "none", ""):
        raise ValueError(text)


def _of(kind: type) -> Any:
    def read(text: str) -> Any:
        value = _parsed(text)
        if not isinstance(value, kind):
            raise ValueError(text)
        return value

    return read


_READERS: dict[str, Any] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "null": _null,
    "array": _of(list),
    "object": _of(dict),
    "string": str,
}


def _parsed(text: str) -> Any:
    """JSON, without the numbers that only Python has."""

    def refuse(name: str) -> Any:
        raise ValueError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


def _looks_like(text: str) -> Any:
    """JSON if it reads as JSON, else the text."""
    try:
        return _parsed(text)
    except ValueError:
        return text


def _object(word: str) -> Json:
    try:
        text = Path(word[1:]).read_text("utf-8") if word.startswith("@") else word
        value = _parsed(text)
    except OSError as error:
        raise ConfigError(f"cannot read {word[1:]}: {error.strerror}", hint="check the path after @") from error
    except ValueError as error:
        raise ConfigError(f"the arguments are not JSON: {error}", hint='write them like {"key": "value"}') from error
    if not isinstance(value, dict):
        raise ConfigError("the arguments are not a JSON object", hint='write them like {"key": "value"}')
    return value
