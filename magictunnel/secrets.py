"""`${VAR}` and `${keyring:NAME}` in a config -> values; and `mask(text)`, which hides every value ever given out."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping

from magictunnel.errors import UnsetSecret, UnsetVariable

SERVICE = "magictunnel"
"""Under which our secrets stand in a keyring."""
_REFERENCE = re.compile(
    r"\$\{(?:keyring:(?P<key>[^{}]+)|(?:env:)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?)\}"
)
_NO_SECRET = frozenset({"HOME", "LANG", "LOGNAME", "MAGICTUNNEL_PYTHON", "PATH", "PWD", "SHELL", "TMPDIR", "USER"})
"""Variables whose values stand in half of all messages, and are no secrets."""
_SHORTEST_SECRET = 6
"""Characters below which a value is too common to be hidden: masking every `1` would hide the message."""

Kept = Callable[[str, str], str]
"""`(name, where it is wanted)` -> the secret of that name. Raises UnsetSecret."""


class Secrets:
    """Resolves references to environment variables and to the keyring, and remembers what it gave out so that no text
    leaks it.
    """

    def __init__(self, environ: Mapping[str, str] | None = None, kept: Kept | None = None) -> None:
        """From these variables, and what is `kept`; None: those of this process, and the keyring of this machine."""
        self._kept = _from_keyring if kept is None else kept
        self._environ = os.environ if environ is None else environ
        self._given: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def expand(self, text: str, where: str, own: Mapping[str, str] | None = None) -> str:
        """`text` with `${VAR}`, `${env:VAR}`, `${VAR:-default}` (from `own` first) and `${keyring:NAME}` resolved.

        A `$` elsewhere stays. A keyring may take its time, or ask the person in front of it.

        Raises:
            UnsetVariable: one has neither a value nor a default; `where` (a key path) is named in it.
            UnsetSecret: the same of one in the keyring.
        """

        def value(reference: re.Match[str]) -> str:
            if key := reference["key"]:
                found = self._kept(key, where)
                self.remember(found)
                return found
            if own and reference["name"] in own:
                return own[reference["name"]]
            return self._variable(reference, where)

        return _REFERENCE.sub(value, text)

    def _variable(self, reference: re.Match[str], where: str) -> str:
        found = self._environ.get(reference["name"])
        if found:
            if reference["name"] not in _NO_SECRET:
                self.remember(found)
            return found
        if reference["default"] is None:
            raise UnsetVariable(reference["name"], where)
        return reference["default"]

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


def _from_keyring(name: str, where: str) -> str:
    """The secret of that name in the keyring of this machine. Raises UnsetSecret."""
    import keyring  # looks for all keyrings there might be, which only those who use one should wait for
    from keyring.errors import KeyringError, NoKeyringError

    try:
        found = keyring.get_password(SERVICE, name)
    except NoKeyringError as error:
        raise UnsetSecret(
            name, where, "this machine has no keyring", hint="install one, or give the secret by a variable: ${NAME}"
        ) from error
    except KeyringError as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise UnsetSecret(name, where, f"the keyring did not give it: {why}", hint="unlock the keyring") from error
    if not found:
        raise UnsetSecret(name, where, "it is not in the keyring", hint=f"keyring set {SERVICE} {name}")
    return found
