"""`${VAR}` in a server's config -> its value; and `mask(text)`, which hides every value ever given out."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from magictunnel.errors import UnsetVariable

_REFERENCE = re.compile(r"\$\{(?:env:)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")
_NO_SECRET = frozenset({"HOME", "LANG", "LOGNAME", "MAGICTUNNEL_PYTHON", "PATH", "PWD", "SHELL", "TMPDIR", "USER"})
"""Variables whose values stand in half of all messages, and are no secrets."""
_SHORTEST_SECRET = 6
"""Characters below which a value is too common to be hidden: masking every `1` would hide the message."""


class Secrets:
    """Resolves references to environment variables, and remembers what it gave out so that no text leaks it."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._given: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def expand(self, text: str, where: str, own: Mapping[str, str] | None = None) -> str:
        """`text` with `${VAR}`, `${env:VAR}` and `${VAR:-default}` resolved, from `own` first. A `$` elsewhere stays.

        Raises:
            UnsetVariable: one has neither a value nor a default; `where` (a key path) is named in it.
        """

        def value(reference: re.Match[str]) -> str:
            if own and reference["name"] in own:
                return own[reference["name"]]
            found = self._environ.get(reference["name"])
            if found:
                if reference["name"] not in _NO_SECRET:
                    self.remember(found)
                return found
            if reference["default"] is None:
                raise UnsetVariable(reference["name"], where)
            return reference["default"]

        return _REFERENCE.sub(value, text)

    def remember(self, secret: str) -> None:
        """Have `mask` hide this value from now on, and each line of it."""
        new = {part for part in (secret, *secret.splitlines()) if len(part) >= _SHORTEST_SECRET} - self._given
        if new:
            self._given |= new
            longest_first = sorted(self._given, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def mask(self, text: str) -> str:
        """`text` with every value ever given out replaced by `***`."""
        return self._pattern.sub("***", text) if self._pattern else text
