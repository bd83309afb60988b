"""In what order several steps run: which comes after which, and what is wrong with how a file says it. Pure."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from magictunnel.capabilities.language.expression import BadExpression, Expression, expressions, parsed
from magictunnel.capabilities.language.model import Step

_NOT_FILLED = {"name", "depends_on", "on_error", "timeout"}
"""What of a step holds no placeholders. (`when` is an expression without braces.)"""


def order_faults(steps: Sequence[Step], result: Any = None) -> Iterator[str]:
    """What is wrong with the order of `steps`, and with the steps that `result` names; each fault in one line."""
    names = Counter(step.name for step in steps)
    yield from (f"there are {count} steps {name!r}" for name, count in names.items() if count > 1)
    for step in steps:
        yield from _unknown_ones(step, names)
    cycle = _cycle(steps)
    if cycle:
        yield f"the steps wait for each other: {' -> '.join(cycle)}"
    elif names.total() == len(names):
        behind = befores(steps)
        for step in steps:
            yield from _early_ones(step, behind[step.name], names)
    for name in sorted(_mentioned(result) - names.keys()):
        yield f"`result` names a step {name!r}, which there is not{_like(name, names)}"


def befores(steps: Sequence[Step]) -> dict[str, frozenset[str]]:
    """Step -> all that it comes after, those of those included. No two wait for each other."""
    names = {step.name for step in steps}
    direct = {step.name: names.intersection(step.depends_on) for step in steps}
    found: dict[str, frozenset[str]] = {}

    def look(name: str) -> frozenset[str]:
        if name not in found:
            found[name] = frozenset(direct[name]).union(*map(look, direct[name]))
        return found[name]

    return {name: look(name) for name in direct}


def _unknown_ones(step: Step, names: Collection[str]) -> Iterator[str]:
    for name in step.depends_on:
        if name not in names:
            yield f"step {step.name!r} depends on {name!r}, which there is not{_like(name, names)}"


def _early_ones(step: Step, before: Collection[str], names: Collection[str]) -> Iterator[str]:
    """Steps that `step` names without coming after them: what they come to may not be there yet."""
    template = step.model_dump(exclude=_NOT_FILLED | {"when"})
    for name in sorted(_mentioned(template, step.when) - set(before)):
        if name in names:
            yield f"step {step.name!r} uses steps.{name}, which it does not come after (add it to `depends_on`)"
        else:
            yield f"step {step.name!r} uses steps.{name}, which there is not{_like(name, names)}"


def _like(name: str, names: Collection[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _mentioned(template: Any, condition: str | None = None) -> set[str]:
    """The steps that are named in a template and a condition. Text that is no expression is told elsewhere."""
    places = (path.steps for one in _read(template, condition) for path in one.paths)
    return {str(steps[1]) for steps in places if steps[0] == "steps" and len(steps) > 1}


def _read(template: Any, condition: str | None) -> Iterator[Expression]:
    try:
        yield from expressions(template)
        if condition is not None:
            yield parsed(condition.strip().removeprefix("{{").removesuffix("}}"))
    except BadExpression:
        return


def _cycle(steps: Sequence[Step]) -> list[str]:
    """Steps that wait for each other, from one of them to itself; empty: there are none."""
    waits: Mapping[str, Sequence[str]] = {step.name: step.depends_on for step in steps}
    settled: set[str] = set()

    def walk(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in settled or name not in waits:
            return []
        for other in waits[name]:
            if found := walk(other, [*way, name]):
                return found
        settled.add(name)
        return []

    return next((found for name in waits if (found := walk(name, []))), [])
