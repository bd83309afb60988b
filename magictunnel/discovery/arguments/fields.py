"""The properties of a tool's input, each with the part it plays: what kinds of values belong in it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from magictunnel.catalog.model import Json
from magictunnel.discovery.words import stem

MAX_NAME = 100
"""Characters of a property's name that are looked at."""
UNTOLD = frozenset(map(stem, ("id", "name", "key", "number", "identifier", "url")))
"""Words in names of properties that do not say of what: `id`, `name`."""


class Role(StrEnum):
    """What part a property plays."""

    FLAG = "flag"
    CHOICE = "choice"
    EMAIL = "email"
    URL = "url"
    PATH = "path"
    DATE = "date"
    COUNT = "count"
    OFFSET = "offset"
    PAGE = "page"
    OPAQUE = "opaque"
    ID = "id"
    NUMBER = "number"
    REPOSITORY = "repository"
    OWNER = "owner"
    CHANNEL = "channel"
    USER = "user"
    PHONE = "phone"
    TEXT = "text"
    TITLE = "title"
    QUERY = "query"
    OBJECT = "object"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Field:
    """One property of a tool's input, or of an object one level down in it."""

    path: tuple[str, ...]
    schema: Json
    types: frozenset[str]
    """JSON types of the value; of its elements if it is a list."""
    is_list: bool
    is_required: bool
    names: tuple[str, ...]
    """Stems of the words of its name."""
    about: str
    """Its description, cut and in lower case."""
    choices: tuple[Any, ...]
    role: Role = Role.PLAIN

    @property
    def about_stems(self) -> frozenset[str]:
        """The stems of the words that describe it."""
        return frozenset(stem(word) for word in re.findall(r"[a-z]+", self.about))

    @property
    def alias(self) -> frozenset[str]:
        """Stems of the words for what it is the id of, by its description: `The ID of the draft email to update`."""
        match = _ID_OF.search(self.about) if self.role is Role.ID else None
        return frozenset(map(stem, filter(None, match.groups()))) - {stem("to")} if match else frozenset()

    @property
    def head(self) -> str:
        """The word of its name that says what it is; of `user_id` that is `id`."""
        return self.names[-1] if self.names else ""

    @property
    def is_numeric(self) -> bool:
        """Whether its values are numbers, be they written as text."""
        if self.types & {"integer", "number"} and "string" not in self.types:
            return True
        return "string" in self.types and bool(_AS_NUMBER.search(self.about) or set(self.names) & _NUMERIC_NAMES)

    @property
    def is_text(self) -> bool:
        """Whether it takes texts of any sort."""
        return "string" in self.types


_ID_OF = re.compile(r"\bid(?:entifier)?s? of (?:the |an? )?([a-z]+)(?: ([a-z]+))?")
_PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_CHECKS = re.compile(r"[Cc]heck[_ -]?(?=[io](?:n|ut)\b|[IO](?:n|ut)|[io](?:n|ut)_)")
_LONGER = {
    "repo": ("repository",),
    "pr": ("pull", "request"),
    "db": ("database",),
    "org": ("organization",),
    "dir": ("directory",),
    "username": ("user", "name"),
    "usernames": ("user", "name"),
    "filename": ("file", "name"),
    "filepath": ("file", "path"),
    "msg": ("message",),
    "desc": ("description",),
    "lat": ("latitude",),
    "lng": ("longitude",),
    "lon": ("longitude",),
    "num": ("number",),
    "tz": ("timezone",),
    "addr": ("address",),
    "cal": ("calendar",),
    "proj": ("project",),
    "datetime": ("date", "time"),
    "subreddit": ("subreddit",),
}
_AS_NUMBER = re.compile(r"\bas a string\b.*|\be\.?g\.?,? '-?\d+(?:\.\d+)?'|\bnumbers? as strings?\b")
_NUMERIC_NAMES = frozenset(map(stem, ("latitude", "longitude", "amount", "price", "degrees", "radians", "quantity")))


def name_stems(name: str) -> tuple[str, ...]:
    """The stems of the words in an identifier."""
    words: list[str] = []
    for part in _PART.findall(_CHECKS.sub("check", name[:MAX_NAME])):
        words.extend(_LONGER.get(part.lower(), (part.lower(),)))
    if len(words) > 2 and words[-1] in ("str", "string"):
        words.pop()  # what is in `file_content_str` is content
    return tuple(map(stem, words))
