"""Does a value fit a schema that anybody may have written? Bounded, offline, without surprises. Pure.

A library would do what a hostile schema says: follow references to other hosts, run patterns that never end. Here a
keyword that is not known, not shaped as it should be, or too costly to try bounds nothing: the tool's server looks at
its own arguments anyway.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from typing import Any

from magictunnel.catalog.keywords import get
from magictunnel.catalog.model import Json
from magictunnel.catalog.refs import Root

_MAX_DEPTH = 8
_MAX_BRANCHES = 20
_MAX_PATTERN = 300
_MAX_MATCHED = 300
"""Characters of a pattern that is tried, and of a text that it is tried on."""
_MAX_ELEMENTS = 1000

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}


def why_not(value: Any, schema: Any, root: Root, depth: int = 0) -> str:
    """Why `value` is not valid by `schema`, a part of `root`; empty if it is, as far as we know.

    Raises:
        TooMuch: the schema is too tangled.
    """
    if schema is False:
        return "is not accepted"
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return ""
    schema = root.expanded(schema)
    return next((reason for reason in _reasons(value, schema, root, depth) if reason), "")


def _reasons(value: Any, schema: Json, root: Root, depth: int) -> Iterator[str]:
    types = get(schema, "type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(_is_a(value, name) for name in types):
        yield f"is not of type {' or '.join(types)[:60]}"
    if (listed := get(schema, "enum")) is not None and not any(_same(value, one) for one in listed):
        yield "is none of the listed values"
    if "const" in schema and not _same(value, schema["const"]):
        yield "is not the one value"
    for key in ("anyOf", "oneOf"):
        branches = get(schema, key, [])[:_MAX_BRANCHES]
        if branches and all(why_not(value, branch, root, depth + 1) for branch in branches):
            yield "fits none of the alternatives"
    yield from _by_type(value, schema, root, depth)


def _by_type(value: Any, schema: Json, root: Root, depth: int) -> Iterator[str]:
    match value:
        case str():
            yield from _of_text(value, schema)
        case bool() | None:
            return
        case int() | float():
            yield from _of_number(value, schema)
        case list():
            yield from _of_list(value, schema, root, depth)
        case dict():
            yield from _of_object(value, schema, root, depth)


def _is_a(value: Any, name: str) -> bool:
    if name in ("number", "integer"):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and (name == "number" or value == value // 1)
    return isinstance(value, _TYPES[name]) if name in _TYPES else True


def _same(one: Any, other: Any) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _of_number(value: float, schema: Json) -> Iterator[str]:
    least, most = get(schema, "minimum"), get(schema, "maximum")
    above, below = get(schema, "exclusiveMinimum"), get(schema, "exclusiveMaximum")
    step = get(schema, "multipleOf")
    if (least is not None and value < least) or (above is not None and value <= above):
        yield f"is less than {least if least is not None else above}"
    if (most is not None and value > most) or (below is not None and value >= below):
        yield f"is more than {most if most is not None else below}"
    if isinstance(step, int) and isinstance(value, int) and step > 0 and value % step:
        yield f"is no multiple of {step}"


def _of_text(value: str, schema: Json) -> Iterator[str]:
    least, most = get(schema, "minLength"), get(schema, "maxLength")
    if least is not None and len(value) < least:
        yield f"is shorter than {least}"
    if most is not None and len(value) > most:
        yield f"is longer than {most}"
    pattern = get(schema, "pattern")
    if pattern is not None and len(value) <= _MAX_MATCHED and is_cheap(pattern) and not _matches(pattern, value):
        yield "does not match the pattern"
    reader = _FORMATS.get(get(schema, "format", ""))
    if reader is not None and not reader(value):
        yield f"is no {schema['format']}"


def _of_list(value: list[Any], schema: Json, root: Root, depth: int) -> Iterator[str]:
    least, most = get(schema, "minItems"), get(schema, "maxItems")
    if least is not None and len(value) < least:
        yield f"has fewer than {least} elements"
    if most is not None and len(value) > most:
        yield f"has more than {most} elements"
    if get(schema, "uniqueItems") and any(one in value[:place] for place, one in enumerate(value[:100])):
        yield "has an element twice"
    items = get(schema, "items")
    for one in value[:_MAX_ELEMENTS] if isinstance(items, dict) else ():
        if reason := why_not(one, items, root, depth + 1):
            yield f"has an element that {reason}"


def _of_object(value: Json, schema: Json, root: Root, depth: int) -> Iterator[str]:
    properties = get(schema, "properties", {})
    for name in get(schema, "required", ()):
        if name not in value:
            yield f"lacks {name[:60]!r}"
    for name, one in value.items():
        if name in properties and (reason := why_not(one, properties[name], root, depth + 1)):
            yield f"has a {str(name)[:60]!r} that {reason}"
        elif (
            name not in properties
            and get(schema, "additionalProperties") is False
            and "patternProperties" not in schema
        ):
            yield f"has an unknown {str(name)[:60]!r}"


# --- patterns and formats

_REPEATS = re.compile(r"(?<!\\)(?:[*+]|\{\d*,\d*\})")
_REPEATED_GROUP = re.compile(r"\)(?:[*+]|\{\d)")


def is_cheap(pattern: str) -> bool:
    """Whether trying `pattern` on a short text ends soon: few repetitions, none of a group, no references back."""
    if len(pattern) > _MAX_PATTERN or _REPEATED_GROUP.search(pattern) or re.search(r"\\[1-9]|\(\?P=|\(\?\(", pattern):
        return False
    counts = [int(number) for number in re.findall(r"\{(?:\d*,)?(\d{1,9})\}", pattern)]
    return len(_REPEATS.findall(pattern)) <= 2 and max(counts, default=0) <= _MAX_MATCHED


def _matches(pattern: str, value: str) -> bool:
    """Whether it does; a pattern that is none in Python is taken to."""
    try:
        return re.search(pattern, value) is not None
    except (re.error, OverflowError, RecursionError):
        return True


def _read_by(read: Any) -> Any:
    def is_one(value: str) -> bool:
        try:
            read(value.replace("Z", "+00:00") if len(value) < 60 else value)
        except ValueError:
            return False
        return True

    return is_one


def _full(pattern: str) -> Any:
    return re.compile(pattern).fullmatch


_FORMATS: Mapping[str, Any] = {
    "date": _read_by(date.fromisoformat),
    "date-time": _read_by(datetime.fromisoformat),
    "time": _read_by(time.fromisoformat),
    "email": _full(r"[^@\s]{1,200}@[^@\s]{1,200}"),
    "uri": _full(r"[A-Za-z][A-Za-z0-9+.-]*:\S+"),
    "url": _full(r"[A-Za-z][A-Za-z0-9+.-]*:\S+"),
    "uuid": _full(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
    "ipv4": _full(r"\d{1,3}(?:\.\d{1,3}){3}"),
}
