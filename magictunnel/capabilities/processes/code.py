"""Code in a command line: which argument a shell or an interpreter would run. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import PurePath
from typing import Any, NamedTuple

_SHELLS = r"(?:ba|da|z|k|fi|a|mk|c|tc)?sh|busybox"
_RUNS: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = (
    (re.compile(_SHELLS), re.compile(r"-[a-z]*c[a-z]*")),
    (re.compile(r"python[\d.]*|pypy[\d.]*"), re.compile(r"-[A-Za-z]*c")),
    (re.compile(r"node|nodejs|bun|deno"), re.compile(r"-e|-p|-pe|--eval|--print|eval")),
    (re.compile(r"perl[\d.]*|ruby[\d.]*|lua[\d.]*|Rscript"), re.compile(r"-[a-zA-Z]*[eE]")),
    (re.compile(r"php[\d.]*"), re.compile(r"-r|--run")),
    (re.compile(r"pwsh|powershell", re.IGNORECASE), re.compile(r"-c(?:ommand)?|-e.*", re.IGNORECASE)),
    (re.compile(r"cmd", re.IGNORECASE), re.compile(r"/[ckr]", re.IGNORECASE)),
)
"""A program, and the option behind which code stands that it runs."""


class Code(NamedTuple):
    """Code, and what runs it."""

    program: str
    text: Any


def code_in(argv: Sequence[Any]) -> Iterator[Code]:
    """The elements of a command line that are code, also behind programs that start others (`env`, `timeout`)."""
    options: list[tuple[str, re.Pattern[str]]] = []
    for element, after in pairwise([*_flat(argv), None]):
        if not isinstance(element, str):
            continue
        name = PurePath(element).name.removesuffix(".exe")
        options += [(name, option) for program, option in _RUNS if program.fullmatch(name)]
        found = next((program for program, option in options if option.fullmatch(element)), None)
        if found is not None and after is not None:
            yield Code(found, after)


def _flat(argv: Sequence[Any]) -> Iterator[Any]:
    for element in argv:
        if isinstance(element, list | tuple):
            yield from _flat(element)
        else:
            yield element
