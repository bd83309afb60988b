"""Whether a change of a JSON Schema breaks those who relied on it, and why. Pure, and bounded in depth and work.

One question is asked in two directions: is every value that is *given* one that is *taken*? Arguments are given by the
old schema and taken by the new one; results are given by the new one and taken by who knows the old one. The answer
errs on one side only: what cannot be told is called breaking.

An object that says nothing of other properties (`additionalProperties`) takes them, but is taken to give none: nobody
was told of others. A property that is gone breaks, although other properties may be taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, combinations
from typing import Any, NamedTuple

from magictunnel.catalog.digest import canonical
from magictunnel.catalog.keywords import BOUNDS, SHAPES, broad, concerning, get, is_bounded, types_of, values_of
from magictunnel.catalog.model import Json
from magictunnel.catalog.refs import GROUPS, MAX_DEPTH, NOTES, NOTHING, Root, TooMuch, joined, refers, without

MAX_BRANCHES = 100
"""Branches of one `oneOf`, and values of one `enum`, that are told apart one by one."""
MAX_REASONS = 20

_TANGLED = "it is too deep or too large to be compared"
_UNEVALUATED = frozenset({"unevaluatedProperties", "unevaluatedItems"})
_TELLING = frozenset({"type", "properties"})
"""Keywords of a schema that tells what a value is; one without them only adds a condition."""
_PLAIN = re.compile(r"[\w$-]{1,60}")


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reasons`: why a change is breaking, a line each; without any it is compatible."""

    reasons: tuple[str, ...] = ()

    @property
    def is_breaking(self) -> bool:
        return bool(self.reasons)


def verdict(old: Any, new: Any, *, of_results: bool = False) -> Verdict:
    """What the change from schema `old` to `new` (any JSON) means, of arguments or `of_results`."""
    given, taken = (new, old) if of_results else (old, new)
    try:
        reasons = _Comparison(given, taken, of_results=of_results).why(given, taken, _Place())
    except (TooMuch, RecursionError, ValueError):
        reasons = [_TANGLED]
    return Verdict(tuple(reasons[:MAX_REASONS]))


class _Place(NamedTuple):
    """Where in a value two schemas are compared."""

    path: str = ""
    depth: int = 0
    seen: frozenset[tuple[str, str]] = frozenset()
    """References that are being compared further out: to meet them again, in a part of the value, proves nothing."""
    beside: str = ""
    """Text of keywords that both have here. They ask the same, but may name properties that nothing else does."""

    def into(self, name: str) -> _Place:
        """The place of a property; `*` is any other."""
        shown = name if _PLAIN.fullmatch(name) or name == "*" else _quoted(name)
        return self._replace(path=f"{self.path}.{shown}" if self.path else shown, beside="")

    def each(self) -> _Place:
        """The place of what a list holds."""
        return self._replace(path=f"{self.path}[]", beside="")

    def at(self, reason: str) -> str:
        return f"{self.path}: {reason}" if self.path else reason


class _Comparison:
    """One question about two whole schemas. Methods return reasons why the answer is no; none: it is yes."""

    def __init__(self, given: Any, taken: Any, *, of_results: bool) -> None:
        self.given, self.taken = Root(given), Root(taken)
        self.of_results = of_results
        self.same_dialect = self.given.dialect == self.taken.dialect
        known = self.given.definitions is not None and self.given.definitions == self.taken.definitions
        self.same_references = known and self.same_dialect

    def why(self, given: Any, taken: Any, place: _Place) -> list[str]:
        """Why some value that is valid by `given` is not valid by `taken`."""
        if place.depth > MAX_DEPTH:
            raise TooMuch
        if taken is True or self._same(given, taken):
            return []
        if not isinstance(given, dict | bool) or not isinstance(taken, dict | bool):
            return [place.at("changed")]
        given, taken, place = self._followed(_as_object(given), _as_object(taken), place)
        if given == NOTHING:
            return []
        if taken == NOTHING:
            return [place.at(self._said("is not accepted any more", "may be there now"))]
        given, taken, place = self._without_common(given, taken, place)
        for key in ("anyOf", "oneOf"):
            if branches := get(given, key):
                rest = without(given, key)
                return _unique(self.why(joined(rest, branch), taken, place) for branch in branches)
        return self._narrowed(given, taken, place)

    def _narrowed(self, given: Json, taken: Json, place: _Place) -> list[str]:
        """The same of objects of keywords, where `given` leaves no choice."""
        choices = [(key, branches) for key in ("anyOf", "oneOf") if (branches := get(taken, key))]
        found = _unique(
            [
                *(self.why(given, member, place) for member in get(taken, "allOf", ())),
                *(self._fits(given, key, branches, place) for key, branches in choices),
                self._by_keywords(given, taken, place),
            ]
        )
        if found and any(not self.why(member, taken, place) for member in get(given, "allOf", ())):
            return []
        return found

    def _followed(self, given: Json, taken: Json, place: _Place) -> tuple[Json, Json, _Place]:
        """Both with their references followed, one deeper. A pair that is being compared already is taken for done."""
        one, other, seen = given.get("$ref"), taken.get("$ref"), place.seen
        if isinstance(one, str) and isinstance(other, str):
            if (one, other) in seen:
                given, taken = without(given, "$ref"), without(taken, "$ref")
            elif given.keys() - NOTES == {"$ref"}:
                seen |= {(one, other)}
        return self.given.expanded(given), self.taken.expanded(taken), place._replace(depth=place.depth + 1, seen=seen)

    def _same(self, given: Any, taken: Any) -> bool:
        """Whether both are the same text, and that means the same in both."""
        text = self.given.text(given)
        if text != self.taken.text(taken) or not self.same_dialect:
            return False
        return self.same_references or not refers(text)

    def _same_in(self, given: Json, taken: Json, keys: Iterable[str]) -> bool:
        """Whether both have these keywords, and they are the same."""
        return all(key in given and key in taken and self._same({key: given[key]}, {key: taken[key]}) for key in keys)

    def _without_common(self, given: Json, taken: Json, place: _Place) -> tuple[Json, Json, _Place]:
        """Both without the keywords that ask the same of a value, whatever stands beside them."""
        entangled = frozenset[str]().union(*GROUPS)
        own = (taken.keys() - SHAPES.keys() - NOTES - entangled) | {"anyOf", "oneOf", "allOf"}
        common = [key for key in own & taken.keys() if self._same_in(given, taken, [key])]
        beside = place.beside + "".join(self.given.text({key: given[key]}) for key in common)
        return without(given, *common), without(taken, *common), place._replace(beside=beside)

    # --- choices in what is taken

    def _fits(self, given: Json, key: str, branches: list[Any], place: _Place) -> list[str]:
        """Why not each value is valid by a branch: looked at value by value, or else type by type."""
        if key == "oneOf" and not self._are_apart(branches):
            return [place.at("`oneOf` changed")]
        values = values_of(given)
        if values is not None and len(values) <= MAX_BRANCHES:
            parts = {text: without(given, "enum") | {"const": value} for text, value in values.items()}
        else:
            parts = {name: given | {"type": name} for name in sorted(types_of(given))}
        return _unique(self._fits_one(part, branches, text, place) for text, part in parts.items())

    def _fits_one(self, given: Json, branches: list[Any], shown: str, place: _Place) -> list[str]:
        """Why no branch takes all that is `given`; of those that take its type, the one that comes nearest tells."""
        nearest: list[str] = []
        for branch in branches:
            reasons = self.why(given, branch, place)
            if not reasons:
                return []
            of_type = isinstance(branch, dict) and broad(types_of(self.taken.expanded(branch))) & broad(types_of(given))
            if of_type and (not nearest or len(reasons) < len(nearest)):
                nearest = reasons
        return nearest or [place.at(self._lost(_cut(shown)))]

    def _are_apart(self, branches: list[Any]) -> bool:
        """Whether no value can be valid by two branches."""
        if len(branches) > MAX_BRANCHES or not all(isinstance(branch, dict) for branch in branches):
            return False
        pairs = combinations([self.taken.expanded(branch) for branch in branches], 2)
        return all(self._is_apart(one, other) for one, other in pairs)

    def _is_apart(self, one: Json, other: Json) -> bool:
        """Whether the types differ, or the values; or those of a property that both must have."""
        common = broad(types_of(one)) & broad(types_of(other))
        mine, theirs = values_of(one), values_of(other)
        if not common or (mine is not None and theirs is not None and not mine.keys() & theirs.keys()):
            return True
        names = set(get(one, "required", ())) & set(get(other, "required", ()))
        pairs = [(_property(one, name), _property(other, name)) for name in names if common == {"object"}]
        return any(self._is_apart(self.taken.expanded(mine), self.taken.expanded(theirs)) for mine, theirs in pairs)

    # --- keyword by keyword

    def _by_keywords(self, given: Json, taken: Json, place: _Place) -> Iterator[str]:
        types = types_of(given)
        allowed = types_of(taken) if get(taken, "type") else types
        lost = [name for name in sorted(types) if name not in allowed and broad(frozenset({name})) - allowed]
        if lost:
            is_told = get(given, "type") or values_of(given) is not None
            yield place.at(self._lost(", ".join(lost)) if is_told else self._limited(", ".join(sorted(allowed))))
        if len(lost) == len(types):
            return
        taken = concerning(taken, types)
        yield from chain(
            self._values(given, taken, place),
            self._bounds(given, taken, place),
            self._required(given, taken, place),
            self._properties(given, taken, place),
            self._other_properties(given, taken, place),
            self.why(get(given, "items", True), get(taken, "items", True), place.each()),
            self._other_keywords(given, taken, place),
        )

    def _values(self, given: Json, taken: Json, place: _Place) -> Iterator[str]:
        limits = [{canonical(value): value for value in get(taken, "enum", ())}] if get(taken, "enum") else []
        limits += [{canonical(taken["const"]): taken["const"]}] if "const" in taken else []
        values = values_of(given)
        for limit in limits:
            if values is None:
                yield place.at(self._limited(_some(limit)))
            elif lost := [text for text in values if text not in limit]:
                yield place.at(self._lost(_some(lost)))

    def _bounds(self, given: Json, taken: Json, place: _Place) -> Iterator[str]:
        for key in BOUNDS:
            limit, own = get(taken, key), get(given, key)
            if limit is not None and not is_bounded(key, limit, given):
                was, now = (limit, own) if self.of_results else (own, limit)
                yield place.at(f"`{key}` {_limit(was)} -> {_limit(now)}")
        for key in ("pattern", "format"):
            if (text := get(taken, key)) is not None and text != get(given, key):
                yield place.at(f"`{key}` changed")
        if get(taken, "uniqueItems") and not get(given, "uniqueItems"):
            yield place.at("`uniqueItems` changed")

    def _required(self, given: Json, taken: Json, place: _Place) -> Iterator[str]:
        for name in dict.fromkeys(get(taken, "required", ())):
            if name in get(given, "required", ()):
                continue
            known = name in get(given, "properties", {})
            if self.of_results:
                yield place.at(f"property {_quoted(name)} {'may be missing now' if known else 'is gone'}")
            else:
                yield place.at(
                    f"{'' if known else 'new required '}property {_quoted(name)}{' is required now' * known}"
                )

    def _properties(self, given: Json, taken: Json, place: _Place) -> Iterator[str]:
        """Each property that both know of, and those that are gone."""
        own, theirs = get(given, "properties", {}), get(taken, "properties", {})
        old, new, after = (theirs, own, given) if self.of_results else (own, theirs, taken)
        if after.keys() & _TELLING:
            yield from (place.at(f"property {_quoted(name)} is gone") for name in old if name not in new)
        for name, schema in theirs.items():
            if name in own:
                yield from self.why(own[name], schema, place.into(name))
            elif "additionalProperties" in given or self._may_name(given, name, place):
                yield from self.why(get(given, "additionalProperties", True), schema, place.into(name))

    def _may_name(self, given: Json, name: str, place: _Place) -> bool:
        """Whether a property that is not among the `properties` may be meant by something else that is `given`."""
        rest = {key: value for key, value in given.items() if key == "allOf" or key not in SHAPES.keys() | NOTES}
        text = place.beside + self.given.text(rest)
        is_required = name in get(given, "required", [])
        return is_required or canonical(name) in text or '"patternProperties"' in text or refers(text)

    def _other_properties(self, given: Json, taken: Json, place: _Place) -> Iterator[str]:
        """What becomes of properties that `taken` does not name."""
        limit = get(taken, "additionalProperties", True)
        own, theirs = get(given, "properties", {}), get(taken, "properties", {})
        is_said = limit is False and not self.of_results and taken.keys() & _TELLING
        for name in [] if is_said else own:
            if name not in theirs:
                yield from self.why(own[name], limit, place.into(name))
        others = get(given, "additionalProperties", True)
        if limit is False and others is not False:
            yield place.at(
                self._said("other properties are not accepted any more", "there may be other properties now")
            )
        elif limit is not False:
            yield from self.why(others, limit, place.into("*"))

    def _other_keywords(self, given: Json, taken: Json, place: _Place) -> Iterator[str]:
        """Keywords whose meaning we do not know, or which are not written as they should be."""
        around = frozenset[str]().union(*(group for group in GROUPS if taken.keys() & group))
        told = given.keys() if taken.keys() & _TELLING else given.keys() & around
        unknown = {key for key in taken.keys() | told if key not in SHAPES}
        unknown |= {key for key in taken if key in SHAPES and not SHAPES[key](taken[key])}
        for key in sorted(unknown - NOTES):
            if not self._same_in(given, taken, [key]):
                yield place.at(f"`{_cut(key)}` changed")
        if taken.keys() & _UNEVALUATED and not self._same_in(given, taken, (given.keys() | taken.keys()) - NOTES):
            yield place.at("changed beside `unevaluated…`, which depends on all of it")

    # --- words

    def _said(self, of_arguments: str, of_results: str) -> str:
        return of_results if self.of_results else of_arguments

    def _lost(self, what: str) -> str:
        return self._said(f"does not take {what} any more", f"may be {what} now")

    def _limited(self, what: str) -> str:
        return self._said(f"takes only {what} now", f"may be other than {what} now")


def _as_object(schema: Json | bool) -> Json:
    return schema if isinstance(schema, dict) else {} if schema else NOTHING


def _property(schema: Json, name: str) -> Json:
    found = get(schema, "properties", {}).get(name)
    return found if isinstance(found, dict) else {}


def _unique(reasons: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(chain.from_iterable(reasons)))


def _limit(value: Any) -> str:
    return "none" if value is None else _cut(canonical(value))


def _some(texts: Iterable[str]) -> str:
    first, *others = map(_cut, texts)
    more = f" and {len(others) - 3} more" if len(others) > 4 else ""
    return ", ".join([first, *(others[:3] if more else others)]) + more


def _quoted(name: str) -> str:
    return repr(_cut(name))


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
