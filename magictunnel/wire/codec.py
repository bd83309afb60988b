"""JSON as it crosses a wire: read and written fast, with nothing lost that JSON can say.

orjson does nearly all of it. It makes floats of integers beyond 64 bits and refuses escaped halves of characters, so
what may hold either is read by the standard library instead, which is slower and keeps both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeGuard

import orjson
from pydantic_core import to_json

from magictunnel.catalog.model import Json

MAX_DEPTH = 254
"""Levels of objects and lists that can be written."""
Text = bytes | memoryview
"""JSON in UTF-8; of a large message, a view of it, for it is not to be in memory twice."""
_LARGE = 64 * 1024
_LONG = 1_000
"""Bytes from which on it takes longer to look through the text than at a few values."""
_WORTH_KEEPING = 5_000
"""Bytes from which on it takes longer to write a value than to keep what is written of it."""
_SPARSE = 64
"""Bytes of text for each value, if these are few."""
_LARGE_NUMBER = 2.0**63
_TOO_DEEP = "it is nested too deep"
_ENVELOPES = 8
"""Levels of JSON that may still come around what is looked at alone."""

_TO_SHAPE = bytes(48 if 48 <= byte < 58 else 46 if byte in b".eE" else 32 for byte in range(256))
"""Digits become 0, what may stand between those of a number becomes a dot, and all else a space."""
_LONG_NUMBER = b"0" * 19
_STEP, _TWO_DIGITS = 9, b"00"
"""Of so many bytes one is looked at first: a long number holds at least two of these, one after the other."""
_FRACTION, _VERSION = b"0.", b'"2.0"'
_ID = rb'(-?(?:0|[1-9][0-9]{0,17})|"[ !#-\[\]-~]{0,255}")'
_QUOTE, _ZERO = b'"0'
_RESULT = re.compile(rb'\{"jsonrpc":"2\.0","id":' + _ID + rb',"result":(\{.*\})\}\s*\Z', re.DOTALL)
_RESULT_FIRST = re.compile(rb'\{"result":(\{.*\}),"jsonrpc":"2\.0","id":' + _ID + rb"\}\s*\Z", re.DOTALL)
"""How SDKs write an answer: Python's, and TypeScript's."""
_BEGIN, _THEN, _NAMED = b'{"jsonrpc":"2.0","id":', b',"result":{', b'"result":{'
_EARLY = 300
"""Bytes within which all of these have named their result."""
_LONGEST_NUMBER = 18
"""Digits of an id that may be read at a glance."""
_ANSWER = re.compile(rb'\{"jsonrpc":\s*"2\.0",\s*"id":\s*' + _ID + rb',\s*"(?:result|error)":')


class Raw(dict[str, Any]):
    """An object that knows the JSON it was read from, so that passing it on needs no writing and changes no digit.

    It is never changed in place; whatever is made of it (`|`, a comprehension) is a plain dict, except by `without`
    and `joined`.
    """

    __slots__ = ("tail", "text")

    def __init__(self, value: Json, text: Text, tail: bytes = b"}") -> None:
        """`text`: what it was read from, without its end; `tail`: what ends it."""
        super().__init__(value)
        self.text = text
        self.tail = tail


def without(value: Json, key: str) -> Json:
    """An object without a member; if that was written last, where SDKs write what they add, all else stays as written.

    Of a member that somebody wrote twice, the first may remain in what is passed on.
    """
    if key not in value:
        return value
    rest = value.copy()
    del rest[key]
    if not _is_worth_keeping(value) or not rest or value.tail != b"}":
        return rest
    with suppress(ValueError):  # what cannot be written is told by who tries to send it
        last = b",%s:%s" % (dumps(key), dumps(value[key]))
        if value.text[-len(last) :] == last:
            return Raw(rest, value.text[: -len(last)])
    return rest


def joined(value: Json, members: Json) -> Json:
    """An object with members that are all new to it; the others stay as they are written."""
    whole = value | members
    if not _is_worth_keeping(value):
        return whole
    with suppress(ValueError):
        return Raw(whole, value.text, value.tail[:-1] + b"," + dumps(members)[1:])
    return whole


def _is_worth_keeping(value: Json) -> TypeGuard[Raw]:
    """Whether it is known how it is written, and to write it anew would take longer than to keep that."""
    return type(value) is Raw and len(value.text) >= _WORTH_KEEPING and bool(value)


def loads(text: bytes) -> Any:
    """The value that JSON text stands for.

    Raises:
        ValueError: it is not JSON in UTF-8, or nested too deep.
    """
    return _loaded(text, _no_matter)


def _loaded(text: Text, on_no_number: Callable[[str], float]) -> Any:
    """`on_no_number`: told of `NaN` and such, which some write although JSON has no such numbers."""
    try:
        value = orjson.loads(text)
        if _is_exact(value, text):
            return value
    except orjson.JSONDecodeError:
        pass  # is it wrong, or only more than orjson takes?
    try:
        return json.loads(str(text, "utf-8"), parse_constant=on_no_number)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _is_exact(value: Any, text: Text) -> bool:
    """Whether no integer in the text became a float in its value. Where values are few, they are soonest looked at."""
    if len(text) >= _LONG:
        is_exact = _has_no_large_float(value, len(text) // _SPARSE)
        if is_exact is not None:
            return is_exact
    return not _has_long_number(text) or bool(_has_no_large_float(value, len(text)))


def _has_no_large_float(value: Any, most: int) -> bool | None:
    """None: there are more than `most` values to look at."""
    inner = [value]
    for one in inner:  # which grows meanwhile
        if type(one) is dict:
            inner += one.values()
        elif type(one) is list:
            inner += one
        elif type(one) is float and abs(one) >= _LARGE_NUMBER:
            return False
        if len(inner) > most:
            return None
    return True


def _has_long_number(text: Text) -> bool:
    """Whether there may be an integer in it that orjson makes a float of. A large text is not copied whole for it."""
    if len(text) <= _LARGE:
        sample = bytes(text[::_STEP]).translate(_TO_SHAPE)
        return _TWO_DIGITS in sample and _LONG_NUMBER in bytes(text).translate(_TO_SHAPE)
    pieces = (text[at : at + _LARGE + len(_LONG_NUMBER)] for at in range(0, len(text), _LARGE))
    return any(_LONG_NUMBER in bytes(piece).translate(_TO_SHAPE) for piece in pieces)


def _no_matter(constant: str) -> float:
    return float(constant)


def _no_number(constant: str) -> float:
    raise ValueError(f"{constant} is no number in JSON")


def dumps(value: Any) -> bytes:
    """`value` as JSON on one line; numbers that JSON does not have become null.

    Raises:
        ValueError: it holds half a character, is nested too deep, or is no JSON value.
    """
    if type(value) is Raw:
        return bytes(value.text) + value.tail
    try:
        return orjson.dumps(value)
    except TypeError as error:
        return _dumps_slowly(value, error)


def is_writable(value: Any) -> bool:
    """Whether a JSON value can be sent as part of a message, by us or by the SDK, which takes less."""
    for _ in range(_ENVELOPES):
        value = [value]
    try:
        to_json(value)
    except (ValueError, RecursionError):
        return False
    return True


def writable(value: Json) -> Json:
    """The same, as it can be sent, too, by the SDK: half a character becomes the sign for one that is missing.

    Raises:
        ValueError: it is nested too deep.
    """
    if is_writable(value):
        return value
    mended: Json = _mended(value)
    if not is_writable(mended):
        raise ValueError(_TOO_DEEP)
    return mended


def _mended(value: Any, depth: int = 0) -> Any:
    if depth > MAX_DEPTH:
        raise ValueError(_TOO_DEEP)
    if isinstance(value, dict):
        return {_mended(key): _mended(one, depth + 1) for key, one in value.items()}
    if isinstance(value, list):
        return [_mended(one, depth + 1) for one in value]
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return value


def _dumps_slowly(value: Any, refused: TypeError) -> bytes:
    """What orjson refuses, unless nobody could write it."""
    if "64-bit" not in str(refused):
        raise ValueError(_why(refused)) from refused
    try:
        text = json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(_why(error)) from error


def _finite(value: Any, depth: int = 0) -> Any:
    if depth > MAX_DEPTH:
        raise RecursionError
    if isinstance(value, dict):
        return {key: _finite(one, depth + 1) for key, one in value.items()}
    if isinstance(value, list):
        return [_finite(one, depth + 1) for one in value]
    return None if isinstance(value, float) and (value != value or value in (float("inf"), -float("inf"))) else value


def _why(error: Exception) -> str:
    text = str(error)
    if "surrogate" in text:
        return "a text holds half a character (a lone surrogate)"
    if isinstance(error, RecursionError) or "ecursion" in text:
        return _TOO_DEEP
    return ascii(text[:200])


def message(line: bytes) -> Json:
    """One JSON-RPC message; the result of an answer, where it is written as SDKs write it, knows its own text, unless
    that is short and could only be written so.

    Raises:
        ValueError: it is no JSON object.
    """
    if len(line) < _LONG and (value := _read_at_a_glance(line)) is not None:
        return value
    number, start, end = _answered(line)
    if not number:
        return _object(loads(line))
    text: Text = line[start:end] if end < _LARGE else memoryview(line)[start:end]
    try:
        # By itself: if this is one value, then nothing else in the line can pose as a part of the message.
        result = _loaded(text, _no_number)
    except ValueError:
        return _object(loads(line))
    is_one_line = line.find(b"\n", start, end) < 0 and line.find(b"\r", start, end) < 0
    known = loads(number) if number[0] == _QUOTE else int(number)
    return {"jsonrpc": "2.0", "id": known, "result": Raw(result, text[:-1]) if is_one_line else result}


def _read_at_a_glance(line: bytes) -> Json | None:
    """The message that a short text is, if none of its numbers needs to know how it is written; None: maybe one does,
    or it is none.
    """
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if type(value) is not dict or not (_is_simple(line) if "result" in value else not _has_long_number(line)):
        return None
    return value


def _is_simple(line: bytes) -> bool:
    """Whether there is no number in an answer that is long, or can be written in two ways."""
    shape = line.translate(_TO_SHAPE)
    if _LONG_NUMBER in shape:
        return False
    if line.startswith(_BEGIN):
        return shape.find(_FRACTION, len(_BEGIN)) < 0
    return shape.count(_FRACTION) <= line.count(_VERSION)


def _answered(line: bytes) -> tuple[bytes, int, int]:
    """What seems to be the id of an answer, and where its result stands; the id is empty if it is something else."""
    if line.startswith(_BEGIN) and line.endswith(b"}}"):
        at = line.find(_THEN, len(_BEGIN), len(_BEGIN) + _LONGEST_NUMBER + len(_THEN))
        number = line[len(_BEGIN) : max(at, 0)]
        if number.isdigit() and (number[0] != _ZERO or len(number) == 1):
            return number, at + len(_THEN) - 1, len(line) - 1
    if line.find(_NAMED, 0, _EARLY) < 0:
        return b"", 0, 0
    if found := _RESULT.match(line):
        return found.group(1), *found.span(2)
    if found := _RESULT_FIRST.match(line):
        return found.group(2), *found.span(1)
    return b"", 0, 0


def answered_number(line: bytes) -> int | str | None:
    """The id of an answer that cannot be read, so that whoever waits for it can be told; None if it shows none."""
    found = _ANSWER.match(line)
    return None if found is None else loads(found.group(1))


def _object(value: Any) -> Json:
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value
