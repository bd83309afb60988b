"""`${VAR}` and `${keyring:NAME}` in a config -> values; and `mask(text)`, which hides every value ever given out."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from magictunnel.errors import UnsetSecret, UnsetVariable
from magictunnel.masks import masked, masked_end, masked_start

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
        self._given: frozenset[str] = frozenset()
        self._above: Secrets | None = None

    def apart(self) -> Secrets:
        """The same, which hides only what it gives out itself from now on; that is hidden here, too."""
        other = Secrets(self._environ, self._kept)
        other._above = self
        return other

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
        """Have `mask` hide this value from now on, each line of it, and what the log makes of control characters."""
        told = "".join(char if char.isprintable() else " " for char in secret)
        self._given |= {part for part in (secret, told, *secret.splitlines()) if len(part) >= _SHORTEST_SECRET}
        if self._above is not None:
            self._above.remember(secret)

    def mask(self, text: str) -> str:
        """`text` with every value ever given out replaced by `***`, also where it is escaped (JSON, URLs, HTML)."""
        return masked(text, self._given)

    def mask_start(self, text: str) -> str:
        """The same of the beginning of a longer text, at whose end a part of a secret may stand."""
        return masked_start(text, self._given)

    def mask_end(self, text: str) -> str:
        """The same of the end of a longer text, at whose beginning a part of a secret may stand."""
        return masked_end(text, self._given)

    def mask_json(self, value: Any) -> Any:
        """JSON with every value ever given out replaced in its texts, names and numbers."""
        if isinstance(value, dict):
            return {self.mask(key): self.mask_json(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.mask_json(one) for one in value]
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return value
        hidden = self.mask(str(value))
        return value if hidden == str(value) else hidden


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
