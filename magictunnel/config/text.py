"""The text of a config file -> plain Python data, with the line on which every key stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from magictunnel.config.build import Builder, KeyPath
from magictunnel.config.jsonc import is_json, to_flow_yaml
from magictunnel.errors import ConfigError

MAX_BYTES = 1 << 20
_MAX_MESSAGE = 200

# ruamel lets some broken text through to its own code, which then fails in these ways.
_PARSER_SLIPS = (YAMLError, ValueError, LookupError, AttributeError, TypeError, AssertionError, ArithmeticError)


@dataclass(frozen=True, slots=True)
class Document:
    """A file's content as plain data (dict, list, str, int, float, bool, None), and where its parts stand.

    Data may be shared between places (a YAML alias), so it is never changed in place.
    """

    data: Any
    file: str
    is_json: bool
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    written: Mapping[KeyPath, str] = field(default_factory=dict)
    """How numbers, booleans and nulls were spelled, so that `1.10` can be taken as text."""

    def line_of(self, path: KeyPath) -> int:
        """The line (from 1) of the key at `path`, or of its nearest parent that has one; 0 for an empty file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)


def read_text(path: Path) -> str:
    """The text of `path`. Raises ConfigError when it is missing, unreadable, too large or not UTF-8."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise _too_large(str(path))
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError("not UTF-8 text", file=str(path), line=line, hint="save it as UTF-8") from error
    except (OSError, ValueError) as error:
        message, hint = _why_unreadable(error)
        raise ConfigError(message, file=str(path), hint=hint) from error


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


def parse_text(text: str, file: str) -> Document:
    """YAML, or JSON with comments and trailing commas, as a Document. `file` is for errors and its suffix.

    Timestamps and quoted values stay text; every key is text.
    Raises ConfigError, in one line, for anything that is not one well-formed document within the bounds above.
    """
    if len(text) > MAX_BYTES:
        raise _too_large(file)
    as_json = is_json(text, file)
    text = text.removeprefix("\ufeff")
    source = to_flow_yaml(text, file) if as_json else text
    try:
        builder = Builder(YAML(typ="safe", pure=True).parse(source), file)
        return Document(builder.document(), file, as_json, builder.lines, builder.written)
    except _PARSER_SLIPS as error:
        raise _syntax_error(error, source, file, "JSON" if as_json else "YAML") from error


def _too_large(file: str) -> ConfigError:
    return ConfigError("larger than 1 MiB", file=file, hint="this does not look like a config; name another file")


def _syntax_error(error: Exception, text: str, file: str, language: str) -> ConfigError:
    what, line = "it cannot be understood", 0
    if isinstance(error, ReaderError):
        what = f"the character {chr(error.character)!a} is not allowed"
        line = text.count("\n", 0, error.position) + 1
    elif isinstance(error, MarkedYAMLError):
        what = _in_words(error)
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
    return ConfigError(f"not valid {language}: {what}", file=file, line=line, hint=_remedy(what, file))


def _in_words(error: MarkedYAMLError) -> str:
    if str(error.problem).startswith("expected '<document start>'"):
        return "something stands after the end"
    what = " ".join(" ".join(str(part).split()) for part in (error.problem, error.context) if part)
    what = what.replace("'<stream end>'", "the end of the file").replace("'<scalar>'", "another value")
    return what if len(what) <= _MAX_MESSAGE else what[:_MAX_MESSAGE] + "..."


def _remedy(what: str, file: str) -> str:
    if file.lower().endswith(".toml"):
        return "TOML is not read; write YAML or JSON"
    return "indent with spaces, not tabs" if r"'\t'" in what else ""
