"""How one value is written in a URL, a header, a cookie or a form: the parameter styles of OpenAPI 3. Pure.

A value is JSON. Null counts as missing, within lists and objects too; so does a list or an object with nothing in it.
What lies deeper than a style reaches is written as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from magictunnel.capabilities.language.expression import MISSING
from magictunnel.capabilities.language.requests import Style

Pair = tuple[str, str]
"""A name and a value, encoded as they go out."""

PATH_STYLES = frozenset({Style.SIMPLE, Style.LABEL, Style.MATRIX, Style.JSON})
QUERY_STYLES = frozenset({Style.FORM, Style.SPACE, Style.PIPE, Style.DEEP, Style.JSON})
HEADER_STYLES = frozenset({Style.SIMPLE, Style.JSON})
COOKIE_STYLES = frozenset({Style.FORM, Style.JSON})

_RESERVED = ":/?@!$'()*,;="
"""Reserved characters that may stand in a query as they are: neither `&` and `+`, which mean something, nor `#`."""
_COOKIE = "!#$&'()*+-./:<=>?@[]^_`{|}~"
"""What RFC 6265 lets stand in a cookie, besides letters and digits."""
_COOKIE_NAME = "!#$&'*+-.^_`|~"
"""The same of its name."""
_BETWEEN = {Style.SPACE: "%20", Style.PIPE: "%7C"}


def is_nothing(value: Any) -> bool:
    """Whether a value is as good as missing."""
    if isinstance(value, Mapping):
        return all(map(_is_null, value.values()))
    return all(map(_is_null, value)) if isinstance(value, list | tuple) else _is_null(value)


def path_text(name: str, value: Any, style: Style | None = None, explode: bool | None = None) -> str:
    """`value` as (part of) one segment of a path; `name` is told in the style `matrix`."""
    if style is Style.JSON:
        return encoded(_json(value))
    if style is Style.MATRIX:
        return _matrix_text(encoded(name), value, explode=bool(explode))
    if style is Style.LABEL:
        return "." + _joined(value, encoded, "." if explode else ",", explode=bool(explode))
    return _joined(value, encoded, ",", explode=bool(explode))


def header_text(value: Any, style: Style | None = None, explode: bool | None = None) -> str:
    """`value` as a header's, in the style `simple` or as JSON; nothing in it is encoded."""
    if style is Style.JSON:
        return _json(value, is_ascii=True)
    return _joined(value, str, ",", explode=bool(explode))


def cookie_pairs(name: str, value: Any, style: Style | None = None, explode: bool | None = None) -> list[Pair]:
    """`value` as cookies, in the style `form` or as JSON; only what may not stand in a cookie is encoded."""
    return _form_pairs(name, value, style, True if explode is None else explode, _cookie_encoded, _cookie_name_encoded)


def query_pairs(
    name: str, value: Any, style: Style | None = None, explode: bool | None = None, reserved: bool = False
) -> list[Pair]:
    """`value` as parameters of a query (or fields of a form); with `reserved`, values keep characters such as `/`."""
    style = style or Style.FORM
    encode = _reserved_encoded if reserved else encoded
    if style is Style.DEEP and isinstance(value, Mapping | list | tuple):
        return [(encoded(name + place), encode(as_text(one))) for place, one in _deep(value)]
    if explode is None:
        explode = style is Style.FORM
    if style in _BETWEEN and not explode and isinstance(value, Mapping | list | tuple) and not is_nothing(value):
        return [(encoded(name), _joined(value, encode, _BETWEEN[style], explode=False))]
    return _form_pairs(encoded(name), value, style, explode, encode, encoded)


def encoded(text: str) -> str:
    """Percent-encoded, but for letters, digits and `-._~`."""
    return quote(text, safe="")


def as_text(value: Any) -> str:
    """One value: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else _json(value)


def _matrix_text(name: str, value: Any, *, explode: bool) -> str:
    if explode and isinstance(value, Mapping):
        return "".join(f";{key}={one}" for key, one in _members(value, encoded))
    if explode and isinstance(value, list | tuple):
        return "".join(f";{name}={one}" for one in _elements(value, encoded))
    text = _joined(value, encoded, ",", explode=False)
    return f";{name}={text}" if text else f";{name}"


def _form_pairs(
    name: str,
    value: Any,
    style: Style | None,
    explode: bool,
    encode: Callable[[str], str],
    encode_key: Callable[[str], str],
) -> list[Pair]:
    """`name` is encoded."""
    if _is_null(value):
        return []
    if style is Style.JSON:
        return [(name, encode(_json(value)))]
    if is_nothing(value):
        return []
    if explode and isinstance(value, Mapping):
        return [(encode_key(key), encode(as_text(one))) for key, one in value.items() if not _is_null(one)]
    if explode and isinstance(value, list | tuple):
        return [(name, one) for one in _elements(value, encode)]
    return [(name, _joined(value, encode, ",", explode=False))]


def _joined(value: Any, encode: Callable[[str], str], between: str, *, explode: bool) -> str:
    if isinstance(value, Mapping):
        pairs = _members(value, encode)
        return between.join(f"{key}={one}" if explode else f"{key}{between}{one}" for key, one in pairs)
    if isinstance(value, list | tuple):
        return between.join(_elements(value, encode))
    return "" if _is_null(value) else encode(as_text(value))


def _members(value: Mapping[str, Any], encode: Callable[[str], str]) -> Iterator[Pair]:
    return ((encode(key), encode(as_text(one))) for key, one in value.items() if not _is_null(one))


def _elements(value: Iterable[Any], encode: Callable[[str], str]) -> Iterator[str]:
    return (encode(as_text(one)) for one in value if not _is_null(one))


def _deep(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """What is not made of parts, and where it stands: `[a][0]`."""
    if isinstance(value, Mapping):
        parts: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, list | tuple):
        parts = enumerate(value)
    else:
        yield place, value
        return
    for key, one in parts:
        if not _is_null(one):
            yield from _deep(one, f"{place}[{key}]")


def _json(value: Any, *, is_ascii: bool = False) -> str:
    return json.dumps(value, ensure_ascii=is_ascii, separators=(",", ":"))


def _is_null(value: Any) -> bool:
    return value is None or value is MISSING


def _reserved_encoded(text: str) -> str:
    return quote(text, safe=_RESERVED)


def _cookie_encoded(text: str) -> str:
    return quote(text, safe=_COOKIE)


def _cookie_name_encoded(text: str) -> str:
    return quote(text, safe=_COOKIE_NAME)
