"""Placeholders: `{{city}}`, `{{steps.find.items[0].id}}`, `{{count > 1}}`, filled in with their types kept. Pure.

There is one form: a path or a literal (of JSON: a text, a number, true, false, null, or a list of those), which may be
compared with another one.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import lru_cache
from typing import Any, Final, NamedTuple

MAX_EXPRESSION = 500
"""Characters."""
_PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_PATH = re.compile(r"[A-Za-z_$][\w$-]*(?:\.[A-Za-z_$][\w$-]*|\[-?\d{1,9}\])*")
_STEP = re.compile(r"([A-Za-z_$][\w$-]*)|\[(-?\d+)\]")
_SCALAR = r'(?:"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])|(?:true|false|null)(?![\w$.\[-]))'
_LITERAL = re.compile(rf"{_SCALAR}|\[\s*(?:{_SCALAR}\s*(?:,\s*{_SCALAR}\s*)*)?\]")
_FORM = "one path or literal, or two with ==, !=, <, <=, >, >= or in between them"
_OPERATOR = re.compile(r"==|!=|<=|>=|<|>|in(?!\w)")

Scope = Mapping[str, Any]
"""What placeholders see: arguments by name, and `steps`."""


class Nothing(Enum):
    """The type of `MISSING`, which is no JSON."""

    MISSING = "missing"


MISSING: Final = Nothing.MISSING


class BadExpression(ValueError):
    """What stands between `{{` and `}}` is no expression."""


class Absent(Exception):
    """Text cannot be put together without a value that is missing (`name`)."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is needed, and missing")
        self.name = name


class Path(NamedTuple):
    """A value by where it stands: names of members, and positions in lists."""

    text: str
    steps: tuple[str | int, ...]


class Literal(NamedTuple):
    """A value as it stands."""

    value: Any


class Expression(NamedTuple):
    """`left`, or how it compares with `right`."""

    left: Path | Literal
    compare: str = ""
    right: Path | Literal = Literal(None)

    @property
    def paths(self) -> Iterator[Path]:
        """Those in it."""
        return (one for one in (self.left, self.right) if isinstance(one, Path))


def _contains(one: Any, other: Any) -> bool:
    return one in other


_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "in": _contains,
}  # fmt: skip


@lru_cache(4_096)
def parsed(text: str) -> Expression:
    """The expression that `text` (without braces) is.

    Raises:
        BadExpression: it is none.
    """
    if len(text) > MAX_EXPRESSION:
        raise BadExpression(f"an expression of more than {MAX_EXPRESSION} characters")
    left, at = _operand(text, 0)
    if at == len(text):
        return Expression(left)
    compare = _OPERATOR.match(text, at)
    if compare is None:
        raise BadExpression(f"{text.strip()!r}: {text[at:].strip()!r} is not understood (write {_FORM})")
    right, end = _operand(text, compare.end())
    if end != len(text):
        raise BadExpression(f"{text.strip()!r}: {text[end:].strip()!r} stands after its end")
    return Expression(left, compare[0], right)


def _operand(text: str, at: int) -> tuple[Path | Literal, int]:
    """What stands at `at`, and where the white space behind it ends."""
    at = _blank(text, at)
    if literal := _LITERAL.match(text, at):
        try:
            return Literal(json.loads(literal[0])), _blank(text, literal.end())
        except ValueError as error:
            raise BadExpression(f"{text.strip()!r}: {literal[0]} is no JSON") from error
    if path := _PATH.match(text, at):
        steps = tuple(name or int(place) for name, place in _STEP.findall(path[0]))
        return Path(path[0], steps), _blank(text, path.end())
    raise BadExpression(f"{text.strip()!r}: {_expected(text[at:])}")


def _expected(rest: str) -> str:
    """What should stand where `rest` does, which begins neither a path nor a literal."""
    if rest.startswith("'"):
        quoted = re.match(r"'([^'\"\\]*)'", rest)
        return f'text stands in double quotes: "{quoted[1] if quoted else "..."}"'
    if rest.startswith("["):
        return 'a list is one of texts, numbers, true, false and null, such as ["a", 2]'
    return f"{rest[:40]!r} is no path such as a.b[0], and no literal" if rest else "a path or a literal is expected"


def _blank(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def value_of(text: str, scope: Scope) -> Any:
    """What the expression `text` comes to; MISSING where a path leads nowhere, and false where one is compared.

    Raises:
        BadExpression: it is none.
    """
    expression = parsed(text)
    left = _found(expression.left, scope)
    if not expression.compare:
        return left
    right = _found(expression.right, scope)
    if MISSING in (left, right) and expression.compare not in ("==", "!="):
        return False
    try:
        return bool(_COMPARE[expression.compare](left, right))
    except TypeError:  # things that have no order
        return False


def _found(operand: Path | Literal, scope: Scope) -> Any:
    if isinstance(operand, Literal):
        # Of a list each gets its own: what is filled in may be changed by who gets it, and the literal is kept.
        return list(operand.value) if isinstance(operand.value, list) else operand.value
    value: Any = scope
    for step in operand.steps:
        value = _member(value, step)
    return value


def _member(value: Any, step: str | int) -> Any:
    if isinstance(step, int):
        return value[step] if isinstance(value, list) and -len(value) <= step < len(value) else MISSING
    return value.get(step, MISSING) if isinstance(value, Mapping) else MISSING


def filled(template: Any, scope: Scope) -> Any:
    """`template` (JSON) with its placeholders filled in.

    Text that is one placeholder becomes its value, of whatever type. What is missing is left out of lists and objects;
    alone, it is MISSING.

    Raises:
        Absent: a value is missing within text.
    """
    if isinstance(template, str):
        return _filled_text(template, scope)
    if isinstance(template, Mapping):
        pairs = ((key, filled(value, scope)) for key, value in template.items())
        return {key: value for key, value in pairs if value is not MISSING}
    if isinstance(template, list | tuple):
        return [value for one in template if (value := filled(one, scope)) is not MISSING]
    return template


def _filled_text(text: str, scope: Scope) -> Any:
    if "{{" not in text:
        return text
    if (whole := _PLACEHOLDER.fullmatch(text)) and "{{" not in whole[1]:
        return value_of(whole[1], scope)
    return _PLACEHOLDER.sub(lambda found: as_text(_present(found[1], scope)), text)


def _present(text: str, scope: Scope) -> Any:
    value = value_of(text, scope)
    if value is MISSING:
        raise Absent(text.strip())
    return value


def as_text(value: Any) -> str:
    """A value within text: itself, or as JSON; nothing for null."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def holds(text: str, scope: Scope) -> bool:
    """Whether the condition `text` holds: it comes to something, other than false, null, zero or emptiness."""
    value = value_of(text.strip().removeprefix("{{").removesuffix("}}"), scope)
    return value is not MISSING and bool(value)


def is_nameable(name: str) -> bool:
    """Whether a placeholder can stand for an argument of that name: `a.b` and `true` are read as something else."""
    try:
        return parsed(name) == Expression(Path(name, (name,)))
    except BadExpression:
        return False


def expressions(template: Any) -> Iterator[Expression]:
    """All in a template. Raises BadExpression: one of them is none."""
    if isinstance(template, str):
        if "{{" in _PLACEHOLDER.sub("", template):
            raise BadExpression(f"{template[:80]!r}: a placeholder does not end (write {{{{NAME}}}})")
        yield from map(parsed, _PLACEHOLDER.findall(template))
    elif isinstance(template, Mapping):
        for value in template.values():
            yield from expressions(value)
    elif isinstance(template, list | tuple):
        for value in template:
            yield from expressions(value)


def named(template: Any) -> set[str]:
    """The names with which its paths begin. Raises BadExpression as `expressions` does."""
    return {str(path.steps[0]) for expression in expressions(template) for path in expression.paths}
