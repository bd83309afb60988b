"""What comes of a migration, and what is noted on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from magictunnel.catalog.model import Json
from magictunnel.generators.names import variable_name


class Lost(NamedTuple):
    """Something that the new file has not, where it was, and why."""

    where: str
    why: str


class CannotCarry(Exception):
    """A tool cannot be one of today; the reason is its text."""


@dataclass(slots=True)
class Migrated:
    """The new file, and what a person should know of it."""

    content: Json = field(default_factory=dict)
    comment: list[str] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Tell something once."""
        if text not in self.notes:
            self.notes.append(text)

    def lose(self, where: str, why: str) -> None:
        """Something is not carried."""
        self.lost.append(Lost(where, why))

    def lose_rest(self, where: str, found: Mapping[str, Any], known: Iterable[str], why: str) -> None:
        """The keys of `found` that are none of the `known`; those that say nothing are no loss."""
        for key in sorted(set(found) - set(known)):
            if found[key] not in (None, {}, [], "", False):
                self.lose(f"{where}.{key}", why)


@dataclass(slots=True)
class Vault:
    """Variables in place of the secrets that stood in the old file; the secrets themselves go nowhere."""

    file: str
    """What the file is called."""
    names: dict[str, str] = field(default_factory=dict)
    """Secret -> the variable that is to have it."""

    def reference(self, secret: str, what: str) -> str:
        """`${NAME}` for a secret that is called `what`; the same for the same secret."""
        if secret not in self.names:
            name = variable_name(self.file, what)
            taken = set(self.names.values())
            number = 2
            while (free := name if name not in taken else f"{name}_{number}") in taken:
                number += 1
            self.names[secret] = free
        return f"${{{self.names[secret]}}}"
