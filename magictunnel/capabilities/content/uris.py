"""URIs of resources: templates with `{name}` in them, and the files of a directory below its own. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote, unquote

from magictunnel.catalog.templates import MAX_LENGTH, matches

_EXPRESSION = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z_]\w*")


def template_faults(template: str) -> Iterator[str]:
    """What is wrong with a URI template: only `{name}` is known, which stands for one segment or part of it."""
    names = variables(template)
    for name in names:
        if not _NAME.fullmatch(name):
            yield f"{{{name}}} is not understood: write {{name}}, with letters, digits and _ in it"
    yield from (f"{{{name}}} stands there twice" for name in sorted(set(names)) if names.count(name) > 1)
    if not names:
        yield "it has no {name} in it: one URI alone is a resource"
    if "}{" in template:
        yield "there has to be something between two variables, so that each can be told from the other"
    if set("{}") & set(_EXPRESSION.sub("", template)):
        yield "a brace stands there without the other one"
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", template):
        yield "it has to begin with a scheme of its own, such as docs://"
    if len(template) > MAX_LENGTH:
        yield f"it has more than {MAX_LENGTH} characters"


def variables(template: str) -> tuple[str, ...]:
    """The names that stand in braces, in their order."""
    return tuple(_EXPRESSION.findall(template))


def values_in(template: str, uri: str) -> dict[str, str] | None:
    """The values of the variables by which `template` becomes `uri`; None: none do. None of them is empty.

    Each takes as few characters as it can. That finds values wherever there are some, since no value has a character in
    it (`/`, `?`, `#`) that another one might have, and takes no longer than the URI is long.
    """
    if not matches(template, uri):
        return None
    names, literals = variables(template), _EXPRESSION.split(template)[::2]
    at, found = len(literals[0]), dict[str, str]()
    for number, (name, literal) in enumerate(zip(names, literals[1:], strict=True), 1):
        end = len(uri) - len(literal) if number == len(names) else uri.find(literal, at + 1)
        value = uri[at:end] if end > at else ""
        if not value or set(value) & set("/?#"):
            return None
        try:
            found[name] = unquote(value, errors="strict")
        except UnicodeDecodeError:
            return None
        at = end + len(literal)
    return found


def plain(value: str) -> bool:
    """Whether a value is one ordinary name of a file or folder: no way up or down, and not hidden."""
    return bool(value) and not value.startswith(".") and value.isprintable() and not set(value) & set("/\\")


def below(directory: str, relative: str) -> str:
    """The URI of a file, given that of its directory, and its path in there with `/` between names."""
    return (
        f"{directory.removesuffix('/')}/{quote(relative)}"
        if "://" not in directory[-3:]
        else directory + quote(relative)
    )


def path_below(directory: str, uri: str) -> str | None:
    """The path of the file that `uri` stands for in the directory with that URI; None: it is not below it.

    Every segment of it is a plain name, so `..` is not, however it is written.
    """
    start = below(directory, "")
    if not uri.startswith(start) or len(uri) > MAX_LENGTH:
        return None
    try:
        names = [unquote(segment, errors="strict") for segment in uri[len(start) :].split("/")]
    except UnicodeDecodeError:
        return None
    return "/".join(names) if all(map(plain, names)) else None
