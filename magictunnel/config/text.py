"""The text of a config file -> plain Python data, with the line on which every key stands."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magictunnel.config.jsonc import is_json, to_flow_yaml
from magictunnel.config.plainjson import MAX_NODES, NotPlain, plain_json
from magictunnel.errors import ConfigError

if TYPE_CHECKING:
    from magictunnel.config.build import Built, KeyPath

MAX_BYTES = 1 << 20
"""Of a file that a person writes."""
MAX_MADE = 16 << 20
"""Bytes of one that may have been generated."""


@dataclass(frozen=True)
class Document:
    """A file's content as plain data (dict, list, str, int, float, bool, None), and where its parts stand.

    Data may be shared between places (a YAML alias), so it is never changed in place.
    """

    data: Any
    file: str
    is_json: bool
    _look: Callable[[], Built] = field(repr=False, compare=False)

    @cached_property
    def _built(self) -> Built:
        return self._look()

    @property
    def lines(self) -> Mapping[KeyPath, int]:
        """The line (from 1) of each key and value."""
        return self._built.lines

    @property
    def written(self) -> Mapping[KeyPath, str]:
        """How numbers, booleans and nulls were spelled, so that `1.10` can be taken as text."""
        return self._built.written

    def line_of(self, path: KeyPath) -> int:
        """The line (from 1) of the key at `path`, or of its nearest parent that has one; 0 for an empty file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)


def read_text(path: Path, most: int = MAX_BYTES, *, is_watched: bool = False) -> str:
    """The text of `path`, `most` bytes. Raises ConfigError when it is missing, unreadable, too large or not UTF-8.

    `is_watched`: it is read again and again while we run, so it has to be an ordinary file, which nobody waits for.
    """
    try:
        with open(path, "rb", opener=_at_once if is_watched else None) as file:
            if is_watched and not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConfigError("this is no ordinary file", file=str(path), hint="name a file")
            content = file.read(most + 1)
        if len(content) > most:
            raise _too_large(str(path), most)
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError("not UTF-8 text", file=str(path), line=line, hint="save it as UTF-8") from error
    except (OSError, ValueError) as error:
        message, hint = _why_unreadable(error)
        raise ConfigError(message, file=str(path), hint=hint) from error


def _at_once(path: str, flags: int) -> int:
    """Open without waiting for whoever is at the other end of a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _why_unreadable(error: Exception) -> tuple[str, str]:
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return "there is no such file", "check the path"
        case IsADirectoryError():
            return "this is a directory", "name the config file in it"
        case PermissionError():
            return "it may not be read", "check who owns the file and its permissions"
        case OSError():
            return f"it cannot be read: {error.strerror or error}", "check the path"
        case _:
            return "this cannot be the name of a file", "check the path"


def parse_text(text: str, file: str, most: int = MAX_BYTES) -> Document:
    """YAML, or JSON with comments and trailing commas, as a Document. `file` is for errors and its suffix.

    Timestamps and quoted values stay text; every key is text.
    Raises ConfigError, in one line, for anything that is not one well-formed document within the bounds above.
    """
    if len(text) > most:
        raise _too_large(file, most)
    as_json = is_json(text, file)
    text = text.removeprefix("\ufeff")
    nodes = MAX_NODES * (most // MAX_BYTES)
    if as_json:
        try:
            return Document(plain_json(text, nodes), file, True, lambda: _read_closely(text, file, nodes, as_json=True))
        except NotPlain:
            pass  # comments, or a mistake: the closer look tells
    built = _read_closely(text, file, nodes, as_json=as_json)
    return Document(built.data, file, as_json, lambda: built)


def _read_closely(text: str, file: str, nodes: int, *, as_json: bool) -> Built:
    """`text` with lines and spellings, for which we need a parser that many files can do without."""
    from magictunnel.config.yaml import parse_yaml

    language = "JSON" if as_json else "YAML"
    return parse_yaml(to_flow_yaml(text, file) if as_json else text, file, language, nodes)


def _too_large(file: str, most: int) -> ConfigError:
    size = f"larger than {most >> 20} MiB"
    return ConfigError(size, file=file, hint="this does not look like a config; name another file")
