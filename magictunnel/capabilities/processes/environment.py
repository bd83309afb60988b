"""The environment of a process that a file declares: a plain one, and what the file adds to it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from magictunnel.capabilities.language.expression import MISSING, Absent, BadExpression, Scope, as_text, filled
from magictunnel.errors import RunError, UnsetVariable
from magictunnel.secrets import Secrets

PLAIN = frozenset({
    "HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "SHELL", "TEMP", "TMP", "TMPDIR", "TZ", "USER",
    "APPDATA", "COMSPEC", "HOMEDRIVE", "HOMEPATH", "LOCALAPPDATA", "PATHEXT", "PROGRAMDATA", "PROGRAMFILES",
    "SYSTEMDRIVE", "SYSTEMROOT", "USERNAME", "USERPROFILE", "WINDIR",
})  # fmt: skip
"""What every process gets of our environment, besides `LC_*`: what programs need to work at all, and no secret."""

_PLACEHOLDER = re.compile(r"(\{\{.*?\}\})", re.DOTALL)


def environment(templates: Mapping[str, Any], scope: Scope, secrets: Secrets) -> dict[str, str]:
    """A plain environment with `templates` filled in; a variable whose value is missing or null is not set.

    `${...}` is resolved in the text of the file alone, whatever the arguments and the secrets are.

    Raises:
        RunError: a value is missing within text, a reference has none, or it cannot be in an environment.
    """
    made = {name: value for name, value in os.environ.items() if name.upper() in PLAIN or name.startswith("LC_")}
    for name, template in templates.items():
        value = _value(template, scope, partial(expanded, secrets=secrets, where=f"env.{name}"))
        if value is MISSING or value is None:
            made.pop(name, None)
        else:
            made[name] = plain_text(as_text(value), f"env.{name}")
    return made


def _value(template: Any, scope: Scope, expand: Callable[[str], str]) -> Any:
    if not isinstance(template, str):
        return filling(template, scope)
    texts = _PLACEHOLDER.split(template)
    if len(texts) == 3 and not texts[0] and not texts[2]:
        return filling(template, scope)
    return "".join(_within(text, scope) if place % 2 else expand(text) for place, text in enumerate(texts))


def _within(placeholder: str, scope: Scope) -> str:
    value = filling(placeholder, scope)
    if value is MISSING:
        raise RunError(f"{placeholder.strip('{} ')} is needed, and missing")
    return as_text(value)


def expanded(text: str, secrets: Secrets, where: str) -> str:
    """Text of the file with its `${...}` resolved.

    Raises:
        RunError: one has no value.
    """
    try:
        return secrets.expand(text, where)
    except UnsetVariable as error:
        raise RunError(error.message, hint=error.hint) from error


def filling(template: Any, scope: Scope) -> Any:
    """`filled`, for those who run.

    Raises:
        RunError: a value is missing within text.
    """
    try:
        return filled(template, scope)
    except (Absent, BadExpression) as error:
        raise RunError(str(error)) from error


def plain_text(text: str, where: str) -> str:
    """`text`, which a process can be given.

    Raises:
        RunError: it cannot: it holds a NUL, or half a character.
    """
    if "\0" in text:
        raise RunError(f"{where} holds a NUL character, which no process can be given")
    encoded(text, where)
    return text


def encoded(text: str, where: str) -> bytes:
    """`text` in UTF-8.

    Raises:
        RunError: it holds half a character.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise RunError(f"{where} holds half a character (a lone surrogate)") from error
