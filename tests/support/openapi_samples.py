"""Arguments that fit the inputSchema of a tool: as few as may be, and as many."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import lru_cache, reduce
from itertools import islice, product
from typing import Any

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_schema_validator import oas31_format_checker

MAX_DEPTH = 5
MOST = 30
"""Levels below which nothing is looked for."""
FORMATS = {
    "date-time": "2026-07-28T10:20:30Z", "date": "2026-07-28", "time": "10:20:30Z", "email": "ann@example.com",
    "uuid": "9b2e1f0a-3c4d-4e5f-8a9b-0c1d2e3f4a5b", "uri": "https://example.com/a", "url": "https://example.com/a",
    "hostname": "example.com", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1", "byte": "aGVsbG8=", "binary": "aGVsbG8=",
    "ip-address": "192.0.2.1", "iri": "https://example.com/a", "uri-reference": "/a", "duration": "P1D",
    "uuid4": "9b2e1f0a-3c4d-4e5f-8a9b-0c1d2e3f4a5b",
}  # fmt: skip
TEXT = "a b&c+d%2F?ü"
"""What goes wrong where something is not encoded, or twice."""


class NothingFits(Exception):
    """No instance was found."""


class Sampler:
    """Makes instances of one schema."""

    def __init__(self, schema: dict[str, Any], *, is_full: bool) -> None:
        self._root = schema
        self._is_full = is_full

    def sample(self) -> dict[str, Any]:
        """All of it."""
        return self._value(self._root, 0)

    def _value(self, schema: Any, depth: int) -> Any:
        if not isinstance(schema, dict):
            return "text"
        last: Any = None
        for last in self._candidates(schema, depth) if depth <= MOST else ():
            if self.fits(last, schema):
                break
        return last

    def fits(self, value: Any, schema: dict[str, Any]) -> bool:
        """Whether `value` is an instance of this part of the schema."""
        whole = {"$defs": self._root.get("$defs", {}), **schema}
        return Draft202012Validator(whole, format_checker=oas31_format_checker).is_valid(value)

    def _candidates(self, schema: dict[str, Any], depth: int) -> Iterator[Any]:
        for key in ("const", "default"):
            if key in schema and schema[key] is not None:
                yield schema[key]
        yield from schema.get("enum", ())
        yield from schema.get("examples", ())
        for flat in self._flat(schema, 0):
            if flat != schema:
                yield from (flat[key] for key in ("const", "default") if flat.get(key) is not None)
                yield from flat.get("enum", ())
            yield from self._typed(flat, depth)

    def _flat(self, schema: Any, level: int) -> Iterator[dict[str, Any]]:
        """It without references and compositions, in each way that it can be read."""
        if not isinstance(schema, dict) or level > 2 * MAX_DEPTH:
            yield {}
            return
        own = {key: one for key, one in schema.items() if key not in ("$ref", "allOf", "oneOf", "anyOf", "$defs")}
        groups = [[self._target(schema["$ref"])]] if "$ref" in schema else []
        groups += [[part] for part in schema.get("allOf", ())]
        groups += [schema[key] for key in ("oneOf", "anyOf") if key in schema]
        choices = [[flat for part in group for flat in islice(self._flat(part, level + 1), 4)] for group in groups]
        for parts in islice(product(*choices), 12):
            yield reduce(_both, parts, own)

    def _target(self, reference: str) -> Any:
        return self._root["$defs"][reference.removeprefix("#/$defs/")]

    def _typed(self, schema: dict[str, Any], depth: int) -> Iterator[Any]:
        types = schema.get("type", "object" if "properties" in schema else "string")
        for kind in [types] if isinstance(types, str) else types:
            yield from getattr(self, f"_{kind}")(schema, depth)

    def _null(self, _schema: Any, _depth: int) -> Iterator[Any]:
        yield None

    def _boolean(self, _schema: Any, _depth: int) -> Iterator[Any]:
        yield self._is_full

    def _integer(self, schema: dict[str, Any], _depth: int) -> Iterator[Any]:
        step = schema.get("multipleOf", 1)
        low = schema.get("minimum", schema.get("exclusiveMinimum", 0 if schema.get("maximum", 1) < 1 else 1))
        high = schema.get("maximum", low)
        yield from (int(low), int(low) + 1, int(high), int(high) - 1, -1, int(-(-low // step) * step), int(step))

    def _number(self, schema: dict[str, Any], depth: int) -> Iterator[Any]:
        yield from (1.5, 0.5, *self._integer(schema, depth))

    def _string(self, schema: dict[str, Any], _depth: int) -> Iterator[Any]:
        if schema.get("contentEncoding") == "base64":
            yield "aGVsbG8="
        if schema.get("format") in FORMATS:
            yield FORMATS[schema["format"]]
        least, most = schema.get("minLength", 0), schema.get("maxLength", 100)
        if "pattern" in schema:
            yield from ("abc", "1", "2026-07-28")
            yield matching(schema["pattern"], least, most)
        text = TEXT if self._is_full else "text"
        yield (text * (1 + least // len(text)))[: max(most, 1)]

    def _array(self, schema: dict[str, Any], depth: int) -> Iterator[Any]:
        if schema.get("minItems", 0) == 0 and (depth > MAX_DEPTH or not self._is_full):
            yield []
        one = self._value(schema.get("items", {}), depth + 1)
        yield [one] * max(1, schema.get("minItems", 1))
        yield [*range(schema.get("minItems", 1))]
        yield []

    def _object(self, schema: dict[str, Any], depth: int) -> Iterator[Any]:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        wanted = properties if self._is_full and depth <= MAX_DEPTH else {}
        value = {name: self._value(one, depth + 1) for name, one in properties.items() if name in {*wanted, *required}}
        value |= {name: "text" for name in required if name not in value}
        if not value and self._is_full and depth <= 1 and isinstance(schema.get("additionalProperties"), dict):
            value["more"] = self._value(schema["additionalProperties"], depth + 1)
        yield value
        few = {name: one for name, one in value.items() if name in required}
        yield few
        for name in properties:
            if name not in few:
                yield few | {name: self._value(properties[name], depth + 1)}


def _both(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """What an instance of both has to be."""
    merged = other | one
    if "properties" in one and "properties" in other:
        merged["properties"] = other["properties"] | one["properties"]
    if "required" in one and "required" in other:
        merged["required"] = [*other["required"], *one["required"]]
    return merged


@lru_cache(1_000)
def matching(pattern: str, least: int, most: int) -> str:
    """The simplest text that `pattern` matches."""
    quick = settings(
        database=None, max_examples=200, phases=[Phase.generate], deadline=None, suppress_health_check=list(HealthCheck)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text = st.from_regex(pattern, fullmatch=pattern.startswith("^") and pattern.endswith("$"))
        plain = text.filter(lambda one: one.isascii() and one.isprintable())
        return find(plain, lambda one: least <= len(one) <= most and one.strip() not in ("", ".", ".."), settings=quick)


def samples(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Few arguments, and many; both fit."""
    for is_full in (False, True):
        sampler = Sampler(schema, is_full=is_full)
        sample = sampler.sample()
        if not sampler.fits(sample, schema):
            raise NothingFits(str(schema)[:500])
        yield sample
